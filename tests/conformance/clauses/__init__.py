"""The clauses of the OCI runtime specification 1.2 that a bundle on Linux can show."""

from __future__ import annotations

from clauses import config, hooks, linux, runtime
from harness.clause import Clause


def every() -> list[Clause]:
    """All clauses in the order of the documents; an id is given once."""
    chapters = (runtime.CHAPTER, hooks.RUNTIME, config.CHAPTER, hooks.CHAPTER, linux.CHAPTER,
                linux.RUNTIME_LINUX)
    found = [clause for chapter in chapters for clause in chapter.clauses]
    names = [clause.id for clause in found]
    assert len(names) == len(set(names)), sorted(n for n in set(names) if names.count(n) > 1)
    return found
