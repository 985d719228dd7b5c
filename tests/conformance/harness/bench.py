"""The place where cases are run: working directory, unique ids, parallel jobs, TAP output."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from harness import bundle as bundles
from harness import leaks
from harness.case import Case
from harness.runtime import CaseError, Container, Result
from harness.verdict import Run

PR_SET_CHILD_SUBREAPER = 36
T = TypeVar("T")


@dataclass
class Bench:
    """Makes and clears away the bundles of one campaign."""

    work: Path
    template: Path
    keep: bool
    patience: float

    @property
    def grace(self) -> float:
        """Seconds in which those must have ended that are on their way out."""
        return self.patience / 3

    def home(self, number: int, side: str) -> tuple[str, Path]:
        """The id and the directory of one container."""
        return f"cf{os.getpid():07}-{number:04}{side}", self.work / f"{number:04}{side}"

    def container(self, argv: list[str], number: int, side: str, config: dict[str, Any],
                  files: Any, raw: bytes | None = None) -> Container:
        """A container whose bundle is made and which is not created yet."""
        name, home = self.home(number, side)
        container = Container(argv, name, home, self.patience)
        container.root.mkdir(parents=True)
        names = {"id": name, "home": str(home), "bundle": str(container.bundle)}
        bundles.make_bundle(container.bundle, self.template, config, files, names, raw)
        return container

    def clear(self, container: Container) -> tuple[str, ...]:
        """Deletes what a failed case left running; returns what was still there before that."""
        left = leaks.after(container.id, container.home, self.grace)
        if left:
            container.call("delete", "--force", container.id)
        if not self.keep:
            shutil.rmtree(container.home, ignore_errors=True)
        return tuple(left)

    def run(self, case: Case, argv: list[str], number: int, side: str) -> Run:
        """Runs one case under one runtime."""
        container = self.container(argv, number, side, case.config(), case.files, case.raw)
        return self.attempt(container, lambda: neutral(case.play(container), container))

    def attempt(self, container: Container, play: Callable[[], Result | None]) -> Run:
        """Plays a test on a container; whatever goes wrong is part of the result."""
        result, trouble, broken = None, "", False
        try:
            result = play()
        except CaseError as error:
            trouble = "\n".join([str(error), *container.transcript])
        except Exception:  # pylint: disable=broad-except; a test that breaks is a failed test
            broken = True
            trouble = "\n".join([traceback.format_exc(limit=-2), *container.transcript])
        log = container.log.read_text(errors="replace")[-2000:] if container.log.exists() else ""
        return Run(result, trouble, self.clear(container), log, broken)


def neutral(result: Result, container: Container) -> Result:
    """The result with the names that differ between any two runs taken out."""
    def plain(data: bytes) -> bytes:
        return (data.replace(str(container.bundle).encode(), b"{bundle}")
                .replace(str(container.home).encode(), b"{home}")
                .replace(container.id.encode(), b"{id}"))
    return Result(result.exit, plain(result.stdout), plain(result.stderr))


@contextmanager
def bench(keep: bool, patience: float) -> Iterator[Bench]:
    """A working directory with the template; becomes the reaper of all that cases start."""
    if os.geteuid() != 0:
        raise SystemExit("needs root: containers are made")
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    work = Path(tempfile.mkdtemp(prefix="kc-"))
    work.chmod(0o711)  # a root in a user namespace must get to its bundle
    # What a root file system's propagation comes from is then the same on every host.
    subprocess.run(["mount", "--bind", work, work], check=True)
    subprocess.run(["mount", "--make-private", work], check=True)
    try:
        yield Bench(work, bundles.make_template(work), keep, patience)
    finally:
        subprocess.run(["umount", "--lazy", work], check=True)
        if not keep:
            shutil.rmtree(work, ignore_errors=True)


def strays(grace: float) -> list[int]:
    """Reaps the children that are dead; returns those that live on: orphans of cases.

    A first process of a pid namespace is dead only when all others in it were reaped: so again.
    """
    deadline = time.monotonic() + grace
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    while (pids := [int(pid) for pid in path.read_text().split()]) and time.monotonic() < deadline:
        for pid in pids:
            os.waitpid(pid, os.WNOHANG)
        time.sleep(0.02)
    return pids


class Tap:
    """Prints one line per test, what is wrong below it, and the sum at the end."""

    def __init__(self, count: int) -> None:
        self.number = self.passed = self.failed = self.skipped = 0
        print(f"1..{count}", flush=True)

    def line(self, name: str, wrong: Iterable[str], skip: str = "") -> None:
        self.number += 1
        wrong = list(wrong)
        if skip:
            self.skipped += 1
            print(f"ok {self.number} - {name} # SKIP {skip}", flush=True)
            return
        self.passed, self.failed = self.passed + (not wrong), self.failed + bool(wrong)
        print(f"{'not ok' if wrong else 'ok'} {self.number} - {name}", flush=True)
        for line in wrong:
            for part in line.splitlines() or [""]:
                print(f"#   {part}", flush=True)

    def end(self) -> int:
        """Prints the sum, returns the exit code."""
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped", flush=True)
        return 1 if self.failed else 0


def in_parallel(jobs: int, work: Callable[[int, T], Any], items: list[T]) -> Iterator[Any]:
    """The results of work(number, item), in order, `jobs` of them being made at a time."""
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        futures = [pool.submit(work, number, item) for number, item in enumerate(items, 1)]
        try:
            for future in futures:
                yield future.result()
        finally:
            for future in futures:
                future.cancel()
