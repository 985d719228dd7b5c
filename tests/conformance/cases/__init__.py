"""The tables of cases."""

from __future__ import annotations

from cases import (devices, errors, execs, hooks, lifecycle, mounts, namespaces, process,
                   resources, seccomp, streams, terminals)
from harness.case import Case

TABLES = [streams, process, namespaces, mounts, devices, resources, seccomp, hooks, lifecycle,
          execs, terminals, errors]


def every() -> list[Case]:
    """All cases; a name is given once."""
    found = [case for table in TABLES for case in table.CASES]
    names = [case.name for case in found]
    assert len(names) == len(set(names)), sorted(n for n in set(names) if names.count(n) > 1)
    return found
