"""Figures: what was measured, against what it is held, and how it is summed up."""
from __future__ import annotations

import statistics
from dataclasses import dataclass, field, replace
from typing import Any


BOOT = "bare boot to PID 1"
FURTHER_OF_TEMPLATE = "each further idle container from a template, PSS"


@dataclass
class Figure:
    """Memory, wake-ups and what a network adds have budgets in their unit; other times and rates have them as a multiple of the first peer's median,
    because another machine is faster or slower for all of them alike."""

    unit: str
    budget: float | None = None
    least: bool = False  # the budget is a floor, not a ceiling
    on_kvm: bool = False  # the budget holds on KVM only: QEMU's translator has some 60 MB of its own
    peers: tuple[str, ...] = ()  # other figures, whose medians are shown beside this one
    times_peer: float | None = None  # the budget is this many times the median of the first of them
    values: list[float] = field(default_factory=list)


def _beside_runc(name: str, figure: Figure) -> dict[str, Figure]:
    peer = f"runc: {name}"
    figure.peers += (peer,)
    return {name: figure, peer: Figure(figure.unit)}


def _beside_bare(name: str, unit: str) -> dict[str, Figure]:
    """Of a network: beside QEMU by itself with the same card, and beside runc."""
    bare = f"bare QEMU: {name}"
    figures = _beside_runc(name, Figure(unit, peers=(bare,)))
    return {**figures, bare: Figure(unit)}


# name: what is measured. Order is the order of the report.
PLAN: dict[str, Figure] = {
    BOOT: Figure("ms"),
    "the same through qboot": Figure("ms"),
    **_beside_runc("run true", Figure("ms", peers=(BOOT,), times_peer=1.25)),
    "run true from a template": Figure("ms", peers=("run true",), times_peer=0.2),
    **_beside_runc("host CPU of one run", Figure("ms", times_peer=2)),
    **_beside_runc("exec true", Figure("ms", times_peer=1.25)),
    **_beside_runc("ctr run true", Figure("ms", peers=(BOOT,), times_peer=1.5)),
    **_beside_runc("pod to its first byte", Figure("ms", peers=(BOOT,), times_peer=1.5)),
    **_beside_runc("second container to its first byte", Figure("ms", times_peer=1.5)),
    **_beside_runc("ctr exec true", Figure("ms", times_peer=1.25)),
    **_beside_runc("stdout", Figure("MB/s", times_peer=0.03, least=True)),
    **_beside_runc("stdout, blocks of 1 KiB", Figure("MB/s")),
    **_beside_runc("stdin", Figure("MB/s", times_peer=0.03, least=True)),
    **_beside_runc("stdin, blocks of 1 KiB", Figure("MB/s")),
    **_beside_runc("line on a terminal", Figure("us")),
    **_beside_runc("run true with a network", Figure("ms", peers=("run true",))),
    # Differences, whose ratio to runc's says nothing: that is near zero.
    "network, added to run true": Figure("ms", budget=60),
    "runc: network, added to run true": Figure("ms"),
    **_beside_runc("run true with a network, processor time", Figure("ms")),
    "network, processor time added to run true": Figure("ms"),
    "runc: network, processor time added to run true": Figure("ms"),
    **_beside_runc("docker run to its first connection", Figure("ms", peers=(BOOT,), times_peer=1.5)),
    **_beside_bare("network, to its gateway", "MB/s"),
    **_beside_bare("network, from its gateway", "MB/s"),
    **_beside_bare("network, a byte there and back", "us"),
    **_beside_bare("network, connections", "per s"),
    "sandbox server PSS": Figure("KiB", budget=3 * 1024),
    **{f"pod's server PSS, containers: {n}": Figure("KiB", budget=3 * 1024 + 100 * n) for n in (1, 5, 10)},
    **_beside_runc("pod of 2, processes on the host", Figure("")),
    **_beside_runc("pod of 2, threads on the host", Figure("")),
    **_beside_runc("idle pod's wake-ups", Figure("per s", budget=0)),
    "idle pod's wake-ups, QEMU's": Figure("per s"),
    "QEMU PSS": Figure("KiB"),
    "virtiofsd PSS": Figure("KiB"),
    "stand-in, memory of its own": Figure("KiB", budget=300),
    "idle container, PSS of all its processes": Figure("KiB", budget=75 * 1024, on_kvm=True),
    "idle container, guest's memory": Figure("KiB"),
    "idle container, QEMU's own memory": Figure("KiB"),
    "idle container, QEMU's files": Figure("KiB"),
    "each further idle container, PSS": Figure("KiB", budget=60 * 1024, on_kvm=True),
    FURTHER_OF_TEMPLATE: Figure("KiB", budget=40 * 1024, on_kvm=True),
    "memory that the kernel keeps, machine of 256 MiB": Figure("KiB", budget=20 * 1024),
    "memory that the kernel keeps, machine of 2 GiB": Figure("KiB", budget=36 * 1024),
    "memory back after a workload": Figure("%", budget=90, least=True),
    "idle machine's exits": Figure("per s", budget=5),
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
        self.figures = {name: replace(f, values=[]) for name, f in PLAN.items()}
        self.counting = True
        self.on_kvm = False  # what is measured

    def add(self, name: str, value: float) -> None:
        if self.counting:
            self.figures[name].values.append(value)

    def median(self, name: str) -> float | None:
        values = self.figures[name].values
        return statistics.median(values) if values else None

    def _peers(self, figure: Figure, median: float) -> list[dict[str, Any]]:
        """Those that were measured, and how many times as much as theirs the figure is."""
        medians = ((name, self.median(name)) for name in figure.peers)
        return [{"name": name, "median": round(peer, 2), "ratio": round(median / peer, 3)} for name, peer in medians if peer]

    def rows(self) -> dict[str, dict[str, Any]]:
        """The table that is written to bench.json."""
        rows: dict[str, dict[str, Any]] = {}
        for name, f in self.figures.items():
            if not f.values:
                continue
            median = statistics.median(f.values)
            row: dict[str, Any] = {
                "median": round(median, 2),
                "min": round(min(f.values), 2),
                "max": round(max(f.values), 2),
                "n": len(f.values),
                "unit": f.unit,
                "peers": self._peers(f, median),
            }
            if f.times_peer is not None and row["peers"] and row["peers"][0]["name"] == f.peers[0]:
                row["budget_ratio"] = f.times_peer
                row["within"] = _within(f, row["peers"][0]["ratio"], f.times_peer)
            elif f.budget is not None and (self.on_kvm or not f.on_kvm):
                row["budget"] = f.budget
                row["within"] = _within(f, median, f.budget)
            rows[name] = row
        return rows


def _within(figure: Figure, value: float, budget: float) -> bool:
    return value >= budget if figure.least else value <= budget
