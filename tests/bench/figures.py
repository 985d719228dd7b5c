"""Figures: what was measured, against what it is held, and how it is summed up."""
from __future__ import annotations

import statistics
from dataclasses import dataclass, field, replace
from typing import Any


BOOT = "bare boot to PID 1"
RUN = "run true"
TEMPLATE = "run true from a template"
FURTHER_OF_TEMPLATE = "each further idle container from a template, PSS"
GVISOR = "gVisor: "
DEBIAN = "Debian's kernel: "  # of a figure that is measured with it, beside that of the lean kernel
ADDED = "network, added to run true"
# 60 ms on a machine that boots Debian's kernel in 1.37 s.
ADDED_TIMES = 0.044


@dataclass(frozen=True)
class Peer:
    """Another figure, whose median is shown beside one, and the budget: so many times that median."""

    name: str
    times: float | None = None


@dataclass
class Figure:
    """Memory and wake-ups have budgets in their unit; times and rates have them as multiples of their peers' medians, because
    another machine is faster or slower for all of them alike."""

    unit: str
    budget: float | None = None
    least: bool = False  # the budgets are floors, not ceilings
    on_kvm: bool = False  # the budget holds on KVM only: QEMU's translator has some 60 MB of its own
    peers: tuple[Peer, ...] = ()
    values: list[float] = field(default_factory=list)


def _beside_runc(name: str, figure: Figure, times: float | None = None) -> dict[str, Figure]:
    peer = Peer(f"runc: {name}", times)
    return {name: replace(figure, peers=(*figure.peers, peer)), peer.name: Figure(figure.unit)}


def _beside_bare(name: str, unit: str) -> dict[str, Figure]:
    """Of a network: beside QEMU by itself with the same card, and beside runc."""
    bare = f"bare QEMU: {name}"
    figures = _beside_runc(name, Figure(unit, peers=(Peer(bare),)))
    return {**figures, bare: Figure(unit)}


def _starts_with_debian() -> dict[str, Figure]:
    """Of Debian's kernel, which has no other beside it."""
    return {
        BOOT: Figure("ms"),
        "the same through qboot": Figure("ms"),
        **_beside_runc(RUN, Figure("ms", peers=(Peer(BOOT, 1.25),))),
        TEMPLATE: Figure("ms", peers=(Peer(RUN, 0.2), Peer(GVISOR + RUN, 1.5))),
        ADDED: Figure("ms", peers=(Peer(BOOT, ADDED_TIMES),)),
    }


def _starts_with_lean() -> dict[str, Figure]:
    """Of the lean kernel: beside Debian's, which a machine has where nobody made the lean one."""
    return {
        BOOT: Figure("ms", peers=(Peer(DEBIAN + BOOT, 0.45),)),
        DEBIAN + BOOT: Figure("ms"),
        "the same through qboot": Figure("ms"),
        **_beside_runc(RUN, Figure("ms", peers=(Peer(BOOT, 1.2), Peer(DEBIAN + BOOT, 0.65), Peer(DEBIAN + RUN)))),
        DEBIAN + RUN: Figure("ms", peers=(Peer(DEBIAN + BOOT, 1.25),)),
        TEMPLATE: Figure("ms", peers=(Peer(DEBIAN + RUN, 0.2), Peer(GVISOR + RUN, 1.5), Peer(RUN))),
        ADDED: Figure("ms", peers=(Peer(DEBIAN + BOOT, ADDED_TIMES), Peer(BOOT))),
    }


# name: what is measured. Order is the order of the report, behind the starts of machines.
OTHERS: dict[str, Figure] = {
    GVISOR + RUN: Figure("ms"),
    **_beside_runc("host CPU of one run", Figure("ms"), 2),
    **_beside_runc("exec true", Figure("ms"), 1.25),
    **_beside_runc("ctr run true", Figure("ms", peers=(Peer(BOOT, 1.5),))),
    **_beside_runc("pod to its first byte", Figure("ms", peers=(Peer(BOOT, 1.5),))),
    **_beside_runc("second container to its first byte", Figure("ms"), 1.5),
    **_beside_runc("ctr exec true", Figure("ms"), 1.25),
    **_beside_runc("stdout", Figure("MB/s", least=True), 0.03),
    **_beside_runc("stdout, blocks of 1 KiB", Figure("MB/s")),
    **_beside_runc("stdin", Figure("MB/s", least=True), 0.03),
    **_beside_runc("stdin, blocks of 1 KiB", Figure("MB/s")),
    **_beside_runc("line on a terminal", Figure("us")),
    **_beside_runc("run true with a network", Figure("ms", peers=(Peer(RUN),))),
    # A difference, whose ratio to runc's says nothing: that is near zero.
    f"runc: {ADDED}": Figure("ms"),
    **_beside_runc("run true with a network, processor time", Figure("ms")),
    "network, processor time added to run true": Figure("ms"),
    "runc: network, processor time added to run true": Figure("ms"),
    **_beside_runc("docker run to its first connection", Figure("ms", peers=(Peer(BOOT, 1.5),))),
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
    def __init__(self, lean: bool) -> None:
        """@lean: the guest's kernel is the lean one, which Debian's stands beside."""
        plan = (_starts_with_lean() if lean else _starts_with_debian()) | OTHERS
        self.figures = {name: replace(f, values=[]) for name, f in plan.items()}
        self.counting = True
        self.on_kvm = False  # what is measured

    def add(self, name: str, value: float) -> None:
        if self.counting:
            self.figures[name].values.append(value)

    def median(self, name: str) -> float | None:
        values = self.figures[name].values
        return statistics.median(values) if values else None

    def _peers(self, figure: Figure, median: float) -> list[dict[str, Any]]:
        """Those that were measured, how many times as much as theirs the figure is, and the budget of that."""
        rows: list[dict[str, Any]] = []
        for peer in figure.peers:
            if not (beside := self.median(peer.name)):
                continue
            ratio = round(median / beside, 3)
            rows.append({"name": peer.name, "median": round(beside, 2), "ratio": ratio})
            if peer.times is not None:
                rows[-1] |= {"budget": peer.times, "within": _within(figure, ratio, peer.times)}
        return rows

    def _row(self, figure: Figure) -> dict[str, Any]:
        median = statistics.median(figure.values)
        row: dict[str, Any] = {
            "median": round(median, 2),
            "min": round(min(figure.values), 2),
            "max": round(max(figure.values), 2),
            "n": len(figure.values),
            "unit": figure.unit,
            "peers": self._peers(figure, median),
        }
        if figure.budget is not None and (self.on_kvm or not figure.on_kvm):
            row |= {"budget": figure.budget, "within": _within(figure, median, figure.budget)}
        return row

    def rows(self) -> dict[str, dict[str, Any]]:
        """The table that is written to bench.json."""
        return {name: self._row(figure) for name, figure in self.figures.items() if figure.values}


def _within(figure: Figure, value: float, budget: float) -> bool:
    return value >= budget if figure.least else value <= budget
