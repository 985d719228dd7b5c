"""Reads the table of known differences in docs/limitations.md."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HEADER = "| case | differs in | reason |"
CHANNELS = {"stdout", "stderr", "exit", "clause"}  # "clause": a test of musts, not of run


@dataclass(frozen=True)
class Limitation:
    """A case which is known to differ from the reference, and in what; or a clause not kept."""

    case: str
    channels: frozenset[str]
    reason: str


def read(path: Path, clauses: bool = False) -> dict[str, Limitation]:
    """The rows of every table that has HEADER, by case: those of clauses, or all the others."""
    rows: dict[str, Limitation] = {}
    inside = False
    for number, line in enumerate(path.read_text().splitlines(), 1):
        inside = line == HEADER or (inside and line.startswith("|"))
        if not inside or line == HEADER or set(line) <= set("|- "):
            continue
        cells = [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]
        if len(cells) != 3:
            raise SystemExit(f"{path}:{number}: a row has three cells: {HEADER}")
        channels = frozenset(word.strip() for word in cells[1].split(","))
        if not channels <= CHANNELS or cells[0] in rows:
            raise SystemExit(f"{path}:{number}: not of {sorted(CHANNELS)}, or a case named twice")
        rows[cells[0]] = Limitation(cells[0], channels, cells[2])
    return {name: row for name, row in rows.items() if ("clause" in row.channels) == clauses}
