"""Figures: what was measured, against what it is held, and how it is summed up."""
from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Figure:
    unit: str
    budget: float | None = None
    least: bool = False  # the budget is a floor, not a ceiling
    peer: str | None = None  # another figure, whose median is shown beside this one
    times_peer: float | None = None  # the budget is this many times the peer's median
    values: list[float] = field(default_factory=list)


# name: what is measured. Order is the order of the report.
PLAN: dict[str, Figure] = {
    "bare boot to PID 1": Figure("ms"),
    "the same through qboot": Figure("ms"),
    "kata-runtime run true": Figure("ms", peer="bare boot to PID 1", times_peer=1.25),
    "runc run true": Figure("ms"),
    "host CPU of one run": Figure("ms", budget=30),
    "exec true": Figure("ms", budget=40, peer="runc exec true"),
    "runc exec true": Figure("ms"),
    "stdout": Figure("MB/s", budget=50, least=True),
    "stdout, blocks of 1 KiB": Figure("MB/s"),
    "stdin": Figure("MB/s", budget=50, least=True),
    "stdin, blocks of 1 KiB": Figure("MB/s"),
    "line on a terminal": Figure("us", peer="runc line on a terminal"),
    "runc line on a terminal": Figure("us"),
    "sandbox server PSS": Figure("KiB", budget=3 * 1024),
    **{f"pod's server PSS, containers: {n}": Figure("KiB", budget=3 * 1024 + 100 * n) for n in (1, 5, 10)},
    "QEMU PSS": Figure("KiB"),
    "virtiofsd PSS": Figure("KiB"),
    "stand-in, memory of its own": Figure("KiB", budget=300),
    "agent RSS": Figure("KiB", budget=2 * 1024),
    "agent RSS, peak": Figure("KiB", budget=2 * 1024),
    "zygote RSS": Figure("KiB"),
    "guest memory in use": Figure("KiB"),
    "agent binary": Figure("KiB", budget=1536),
    "initrd": Figure("KiB", budget=3 * 1024),
    "containerd-shim-kata-v2 binary": Figure("KiB"),
    "kata-runtime binary": Figure("KiB"),
}


class Figures:
    def __init__(self) -> None:
        self.figures = {name: Figure(f.unit, f.budget, f.least, f.peer, f.times_peer) for name, f in PLAN.items()}
        self.counting = True

    def add(self, name: str, value: float) -> None:
        if self.counting:
            self.figures[name].values.append(value)

    def median(self, name: str | None) -> float | None:
        values = self.figures[name].values if name else []
        return statistics.median(values) if values else None

    def rows(self) -> dict[str, dict[str, Any]]:
        """The table that is written to bench.json."""
        rows: dict[str, dict[str, Any]] = {}
        for name, f in self.figures.items():
            if not f.values:
                continue
            peer = self.median(f.peer)
            budget = f.budget
            if f.times_peer is not None and peer is not None:
                budget = f.times_peer * peer
            median = statistics.median(f.values)
            row: dict[str, Any] = {
                "median": round(median, 2),
                "min": round(min(f.values), 2),
                "max": round(max(f.values), 2),
                "n": len(f.values),
                "unit": f.unit,
            }
            if budget is not None:
                row["budget"] = round(budget, 2)
                row["within"] = median >= budget if f.least else median <= budget
            if f.peer and peer is not None:
                row["peer"] = {"name": f.peer, "median": round(peer, 2)}
            rows[name] = row
        return rows
