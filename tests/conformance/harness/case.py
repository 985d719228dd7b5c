"""What a case is; the tables in cases/ are lists of these."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.bundle import BASE, Edit, File, edited
from harness.runtime import Container, Result
from harness.terminal import Dialogue


@dataclass(frozen=True)
class Expect:
    """A result written down, for what the reference cannot show or differs in by design."""

    stdout: str = ""
    stderr: str = ""
    exit: int = 0


@dataclass(frozen=True)
class Case:
    """One bundle: the base configuration with `args` and `edit`, and `files` put into the bundle.

    Without `drive` it is one `run`. With it, `drive` uses the container's verbs and what it says
    is compared. `refused` means that the runtime must not run it: exit code and one sentence.

    `expect` is what we give where the reference gives something else; docs/limitations.md then
    lists the case. With `reference` False the reference cannot do it on this host, or is too old,
    and `expect` alone counts.
    """

    name: str
    args: Sequence[str] = ()
    edit: Edit = field(default_factory=dict)
    files: Mapping[str, File] = field(default_factory=dict)
    stdin: bytes | None = None
    closed_stdin: bool = False
    tty: Dialogue | None = None
    raw: bytes | None = None
    refused: bool = False
    drive: Callable[[Container], None] | None = None
    expect: Expect | None = None
    reference: bool = True

    def config(self) -> dict[str, Any]:
        config = edited(BASE, {"process.args": list(self.args)} if self.args else {})
        if self.tty:
            config = edited(config, {"process.terminal": True})
        return edited(config, self.edit)

    def play(self, container: Container) -> Result:
        """Runs the case on a container whose bundle is made."""
        if self.drive:
            self.drive(container)
            return Result(0, "".join(line + "\n" for line in container.transcript).encode())
        if self.tty:
            return container.run_tty(self.tty)
        return container.run(self.stdin, self.closed_stdin)


def sh(text: str) -> list[str]:
    """process.args of a shell command."""
    return ["/bin/sh", "-c", text]


def probe(*facts: str) -> list[str]:
    """process.args that print facts, see probe/main.c."""
    return ["/probe", *facts]
