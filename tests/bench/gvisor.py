"""gVisor beside a machine: a container whose kernel is a program, which needs no virtualisation either."""
from __future__ import annotations

import functools
import pathlib
import sys

from figures import GVISOR, RUN
from measures import Bench

PROGRAM = pathlib.Path("build/cache/runsc/trixie/runsc")


def release(bench: Bench) -> str | None:
    """The one that is measured."""
    program = _runsc(bench.tree)
    return bench.tell(program, "--version").split("\n", maxsplit=1)[0] if program else None


@functools.cache
def _runsc(tree: pathlib.Path) -> str | None:
    """The program that tests/bench/fetch-runsc has fetched."""
    if not (tree / PROGRAM).exists():
        print(f"bench: gVisor is left out, because there is no {PROGRAM}: make bench-peers", file=sys.stderr)
        return None
    return str(tree / PROGRAM)


def gvisor_true(bench: Bench) -> None:
    """The same run as run_true()'s. Without a network, because for one of its own it needs a namespace that has a path; without a
    control group, so that it has less to do and not more."""
    if program := _runsc(bench.tree):
        command = [program, "--root", str(bench.scratch / "runsc"), "--platform=systrap", "--network=none", "--ignore-cgroups"]
        took = bench.run(*command, "run", "--bundle", str(bench.bundle("true")), bench.fresh())
        bench.figures.add(GVISOR + RUN, took)
