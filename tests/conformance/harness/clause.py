"""A clause of the OCI runtime specification and the check that shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.bundle import BASE, Edit, File, edited
from harness.runtime import CaseError, Container, Result

Check = Callable[[Container], None]


@dataclass(frozen=True)
class Clause:
    """One MUST: where it stands, what it asks in our words, and a check that raises if it fails."""

    id: str
    section: str
    words: str
    check: Check
    args: Sequence[str] = ("/bin/true",)
    edit: Edit = field(default_factory=dict)
    files: Mapping[str, File] = field(default_factory=dict)

    def config(self) -> dict[str, Any]:
        return edited(edited(BASE, {"process.args": list(self.args)}), self.edit)


class Chapter:
    """The clauses of one document; a decorated function becomes one, under its own name."""

    def __init__(self, document: str) -> None:
        self.document = document
        self.clauses: list[Clause] = []

    def must(self, section: str, words: str, args: Sequence[str] = ("/bin/true",),
             edit: Edit | None = None, files: Mapping[str, File] | None = None,
             name: str = "") -> Callable[[Check], Check]:
        """Registers the check below it."""
        def register(check: Check) -> Check:
            self.clauses.append(Clause(name or check.__name__, f"{self.document}, {section}",
                                       words, check, args, edit or {}, files or {}))
            return check
        return register

    def refuses(self, name: str, section: str, words: str, edit: Edit,
                files: Mapping[str, File] | None = None) -> None:
        """A configuration that must give an error and no container."""
        self.must(section, words, edit=edit, files=files, name=name)(refused)

    def prints(self, name: str, section: str, words: str, args: Sequence[str], want: str,
               edit: Edit | None = None, files: Mapping[str, File] | None = None) -> None:
        """A container that must print exactly `want`."""
        def check(c: Container) -> None:
            got = output(c)
            require(got == want, f"it prints {got!r}, want {want!r}")
        self.must(section, words, args, edit, files, name)(check)


def require(truth: object, complaint: str) -> None:
    """Fails the clause."""
    if not truth:
        raise CaseError(complaint)


def works(result: Result, what: str) -> Result:
    """Requires that a verb succeeded."""
    require(not result.exit, f"{what}: exit {result.exit}: {result.stderr.decode().strip()}")
    return result


def fails(result: Result, what: str) -> None:
    """Requires that a verb gave an error."""
    require(result.exit, f"{what} gives no error")


def output(c: Container) -> str:
    """What the container prints when it is run; it must end with 0."""
    return works(c.run(), "run").text


def refused(c: Container) -> None:
    """create must give an error and there must be no new container."""
    result = c.create()
    status = c.status()
    c.delete("--force")
    fails(result, "create")
    require(status == "absent", f"after the error there is a container, {status}")


def finished(c: Container) -> None:
    """Kills a container, waits for its end and deletes it."""
    c.kill("KILL")
    c.wait()
    require(c.await_status("stopped") == "stopped", "it is not stopped after SIGKILL")
    works(c.delete(), "delete")
