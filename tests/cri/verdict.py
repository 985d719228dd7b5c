#!/usr/bin/python3
"""What other projects' tests of a CRI say of our handler beside runc.

verdict.py junit FILE: the tests of a JUnit report, one a line: the name, a tab, what became of it.
verdict.py compare SUITE OURS THEIRS KNOWN [CHOICE]: compares two such lists as TAP; KNOWN is the page with
the table of differences, of which CHOICE, a regular expression of tests' names, may take a part. A difference
that is not in the table fails, and so does a row that is none any more. A row whose reason begins with "Debian's
kernel:" is there unless the guest has the lean one.
"""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree
from pathlib import Path

HEADER = "| suite | test | reason |"
DEBIAN = "Debian's kernel: "
# Which package the guest's kernel is from.
KERNEL = Path(__file__).resolve().parents[2] / "build/kernel-package"


def junit(path: str) -> None:
    """Prints the tests of a report."""
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        name = case.get("name", "")
        if not name.startswith("[It]"):
            continue
        status = case.get("status", "")
        word = status if status in ("passed", "skipped", "pending") else "failed"
        print(f"{re.sub(r'[|]', '/', name.removeprefix('[It] '))}\t{word}")


def read(path: str) -> dict[str, str]:
    """A list of tests."""
    return dict(line.split("\t", 1) for line in Path(path).read_text().splitlines())


def table(path: str, suite: str) -> dict[str, str]:
    """The reasons of a suite's rows in the table of known differences, by test."""
    rows: dict[str, str] = {}
    inside = False
    is_lean = KERNEL.read_text().strip() == "kata-linux"
    for number, line in enumerate(Path(path).read_text().splitlines(), 1):
        inside = line == HEADER or (inside and line.startswith("|"))
        if not inside or line == HEADER or set(line) <= set("|- "):
            continue
        cells = [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]
        if len(cells) != 3:
            raise SystemExit(f"{path}:{number}: a row has three cells: {HEADER}")
        if cells[0] == suite and not (is_lean and cells[2].startswith(DEBIAN)):
            rows[cells[1]] = cells[2]
    return rows


def judge(ours: str, theirs: str, reason: str | None) -> tuple[str, str]:
    """What a test's line in TAP begins and ends with."""
    if ours == theirs:
        if ours == "absent":
            return "not ok", "# it is listed as a difference, and no test has that name"
        if reason is not None:
            return "not ok", f"# it is listed as a difference and is none: both {ours}"
        if ours == "failed":
            return "ok", "# skip it fails with runc"
        return "ok", "# skip it is skipped with runc" if ours == "skipped" else ""
    if theirs == "failed":
        return "ok", "# skip it fails with runc"
    if reason is not None:
        return "ok", f"# skip {reason}"
    return "not ok", f"# runc: {theirs}, ours: {ours}"


def compare(suite: str, ours_path: str, theirs_path: str, known_path: str, choice: str = "") -> int:
    """Prints TAP with the sum; returns the exit code."""
    ours, theirs = read(ours_path), read(theirs_path)
    known = {name: reason for name, reason in table(known_path, suite).items()
             if re.search(choice, name)}
    passed = failed = skipped = 0
    for number, name in enumerate(sorted(ours.keys() | theirs.keys() | known.keys()), 1):
        verdict, comment = judge(ours.get(name, "absent"), theirs.get(name, "absent"), known.get(name))
        print(f"{verdict} {number} {suite}: {name} {comment}".rstrip())
        if verdict == "not ok":
            failed += 1
        elif comment:
            skipped += 1
        else:
            passed += 1
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    if sys.argv[1] == "junit":
        junit(sys.argv[2])
    else:
        sys.exit(compare(*sys.argv[2:7]))
