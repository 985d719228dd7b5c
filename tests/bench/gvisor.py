"""gVisor beside a machine on a host without KVM: a container whose kernel is a program. It is what else one can take there, and
where there is KVM nothing is held against it."""
from __future__ import annotations

import functools
import pathlib
import sys

from figures import GVISOR, RUN
from measures import Bench

PROGRAM = pathlib.Path("build/cache/runsc/trixie/runsc")


def release(bench: Bench) -> str | None:
    """The one that is measured."""
    program = _runsc(bench)
    return bench.tell(program, "--version").split("\n", maxsplit=1)[0] if program else None


@functools.cache
def _runsc(bench: Bench) -> str | None:
    """The program that tests/bench/fetch-runsc has fetched. None where there is KVM, and where it was not fetched."""
    if bench.figures.on_kvm:
        return None
    program = bench.tree / PROGRAM
    if not program.exists():
        print(f"bench: gVisor is left out, because there is no {PROGRAM}: make bench-peers", file=sys.stderr)
        return None
    return str(program)


def gvisor_true(bench: Bench) -> None:
    """The same run as run_true()'s. Without a network, because for one of its own it needs a namespace that has a path; without a
    control group, so that it has less to do and not more."""
    if program := _runsc(bench):
        command = [program, "--root", str(bench.scratch / "runsc"), "--platform=systrap", "--network=none", "--ignore-cgroups"]
        took = bench.run(*command, "run", "--bundle", str(bench.bundle("true")), bench.fresh())
        bench.figures.add(GVISOR + RUN, took)
