"""Compares the results of one case and says what is wrong with them."""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass

from harness.case import Case, Expect
from harness.limitations import Limitation
from harness.runtime import Result

SHOWN = 4000  # bytes of an output that are worth a textual diff


@dataclass(frozen=True)
class Run:
    """One side of a case: its result, or why there is none; what leaked; what was logged.

    broken: the trouble is the test's own, not the runtime's.
    """

    result: Result | None
    trouble: str = ""
    leaks: tuple[str, ...] = ()
    log: str = ""
    broken: bool = False


def printable(data: bytes) -> list[str]:
    """The lines of an output; its size and hash if it is long."""
    if len(data) > SHOWN:
        return [f"{len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()[:16]}"]
    return data.decode(errors="backslashreplace").splitlines()


def _diff(channel: str, want: bytes, got: bytes) -> list[str]:
    lines = [f"{channel} {line}" for line in difflib.unified_diff(
        printable(want), printable(got), "wanted", "got", lineterm="")]
    if max(len(want), len(got)) > SHOWN or not lines:
        at = next((i for i, pair in enumerate(zip(want, got)) if pair[0] != pair[1]),
                  min(len(want), len(got)))
        lines.append(f"{channel} differs at byte {at}: {want[at:at + 40]!r}, {got[at:at + 40]!r}")
    return lines


def differing(want: Result, got: Result, refused: bool) -> dict[str, list[str]]:
    """Channel by channel how `got` differs; the words of a refusal are each runtime's own."""
    channels = {}
    if want.exit != got.exit:
        channels["exit"] = [f"exit: want {want.exit}, got {got.exit}"]
    if want.stdout != got.stdout:
        channels["stdout"] = _diff("stdout", want.stdout, got.stdout)
    if want.stderr != got.stderr and not refused:
        channels["stderr"] = _diff("stderr", want.stderr, got.stderr)
    return channels


def _refusal(got: Result) -> list[str]:
    """A refusal is an exit code and exactly one sentence."""
    lines = [line for line in got.stderr.decode(errors="replace").splitlines() if line.strip()]
    wrong = [] if got.exit else ["it was not refused: exit 0"]
    if len(lines) != 1:
        wrong += [f"stderr has {len(lines)} lines, want one sentence:", *lines]
    return wrong


def _expected(expect: Expect, got: Result, refused: bool) -> list[str]:
    want = Result(expect.exit, expect.stdout.encode(), expect.stderr.encode())
    return sum(differing(want, got, refused).values(), [])


def judge(case: Case, ours: Run, theirs: Run | None, known: Limitation | None) -> list[str]:
    """What is wrong with `ours`, nothing if it is right. `theirs` is None for expect-only cases."""
    wrong = [f"left behind: {leak}" for leak in ours.leaks]
    if ours.result is None:
        return [*wrong, f"the runtime: {ours.trouble}"]
    if case.refused:
        wrong += _refusal(ours.result)
    if theirs is None:
        assert case.expect, f"{case.name}: neither a reference nor an expectation"
        return wrong + _expected(case.expect, ours.result, case.refused)
    if theirs.result is None:
        return [*wrong, f"the reference: {theirs.trouble}"]
    found = differing(theirs.result, ours.result, case.refused)
    if not known:
        if case.expect:
            wrong.append("it has an expectation of its own and is not listed as a limitation")
        return wrong + _misfit(case, theirs) + sum(found.values(), [])
    if not case.expect:
        return [*wrong, "it is listed as a limitation and has no expectation of its own",
                *sum(found.values(), [])]
    if set(found) != known.channels:
        wrong.append(f"stale limitation: it is listed to differ in {sorted(known.channels)}, "
                     f"but differs in {sorted(found)}")
    return wrong + _expected(case.expect, ours.result, case.refused)


def _misfit(case: Case, theirs: Run) -> list[str]:
    """That a case says `refused` exactly if the reference refuses it."""
    if case.refused and theirs.result and not theirs.result.exit:
        return ["the reference does not refuse it"]
    if not case.refused and not case.drive and "level=error" in theirs.log:
        return [f"the reference refuses it, the case does not say so: {theirs.log}"]
    return []


def agree(case: Case, one: Run, other: Run | None) -> list[str]:
    """What differs between two runs of the reference itself; what we expect does not matter."""
    if not case.expect:
        return judge(case, one, other, None)
    if not (other and one.result and other.result):
        return [one.trouble or "no reference"]
    return sum(differing(one.result, other.result, case.refused).values(), [])
