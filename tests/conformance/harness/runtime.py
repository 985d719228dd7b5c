"""Drives one container with the verbs of a runc-compatible command line."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import terminal

ENVIRONMENT = {**os.environ, "CONFORMANCE": "of the runtime"}  # a mark: who inherits it?


class CaseError(Exception):
    """The runtime did something a test cannot go on from; the message is its result."""


@dataclass(frozen=True)
class Result:
    """What one call of the runtime gave."""

    exit: int
    stdout: bytes = b""
    stderr: bytes = b""

    @property
    def text(self) -> str:
        return self.stdout.decode(errors="replace")


def exit_code(status: int) -> int:
    """A Popen return code as a shell shows it: 128 + n for a signal."""
    return status if status >= 0 else 128 - status


def command(text: str) -> list[str]:
    """A command line given by the user; its program is made absolute because bundles set cwd."""
    argv = shlex.split(text)
    found = shutil.which(argv[0])
    if not found:
        raise SystemExit(f"no runtime '{argv[0]}': not an executable file, not in PATH")
    return [os.path.abspath(found), *argv[1:]]


@dataclass
class Container:
    """One container id in a --root of its own; what the runtime logs goes to the file `log`."""

    argv: Sequence[str]
    id: str
    home: Path
    patience: float = 90  # seconds for one verb, or for a container to reach a state
    transcript: list[str] = field(default_factory=list)

    @property
    def bundle(self) -> Path:
        return self.home / "bundle"

    @property
    def root(self) -> Path:
        return self.home / "root"

    @property
    def log(self) -> Path:
        return self.home / "log"

    def say(self, *words: object) -> None:
        """Adds a line to the transcript, which is compared between the runtimes."""
        self.transcript.append(" ".join(str(word) for word in words))

    def _argv(self, *verb: str) -> list[str]:
        return [*self.argv, "--root", str(self.root), "--log", str(self.log), *verb]

    def call(self, *verb: str, stdin: bytes | None = None, closed: bool = False,
             third: int | None = None) -> Result:
        """Runs any verb to its end, with `stdin` on a pipe, or /dev/null, or no stdin at all.

        `third` is a descriptor the runtime gets as its number 3.
        """
        argv = self._argv(*verb)
        if closed or third is not None:
            redirect = "<&-" if closed else f"3>&{third}"
            argv = ["/bin/bash", "-c", f'exec "$@" {redirect}', "bash", *argv]
        child = subprocess.Popen(
            argv, cwd=self.bundle, env=ENVIRONMENT, start_new_session=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, pass_fds=() if third is None else (third,),
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE)
        try:
            stdout, stderr = child.communicate(stdin, timeout=self.patience)
        except subprocess.TimeoutExpired as late:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait(10)  # what else holds the pipes is for the leak check
            raise CaseError(f"'{verb[0]}' did not end in {self.patience:g} s; it said so far:\n"
                            f"{(late.stdout or b'')[-2000:]!r}\n{(late.stderr or b'')[-2000:]!r}")
        return Result(exit_code(child.returncode), stdout, stderr)

    def run(self, stdin: bytes | None = None, closed: bool = False) -> Result:
        """run, in the foreground, without a terminal."""
        return self.call("run", "--bundle", str(self.bundle), self.id, stdin=stdin, closed=closed)

    def run_tty(self, dialogue: terminal.Dialogue) -> Result:
        """run, in the foreground, on a terminal of its own; stdout and stderr are one."""
        argv = self._argv("run", "--bundle", str(self.bundle), self.id)
        status, output = terminal.talk(argv, dialogue, self.patience)
        if status is None:
            raise CaseError(f"'run' on a terminal did not end; it said so far:\n{output!r}")
        return Result(exit_code(status), output)

    def _in_background(self, *verb: str) -> Result:
        """A verb that returns while a process of the container lives; that writes to files."""
        with open(self.home / "out", "ab") as out, open(self.home / "err", "ab") as err:
            before = err.tell()
            child = subprocess.Popen(self._argv(*verb), cwd=self.bundle, env=ENVIRONMENT,
                                     stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                     start_new_session=True)
            try:
                status = child.wait(self.patience)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait(10)
                raise CaseError(f"'{verb[0]}' did not end in {self.patience:g} s") from None
        return Result(exit_code(status), b"", self.err()[before:])

    def _flags(self) -> tuple[str, ...]:
        return "--bundle", str(self.bundle), "--pid-file", str(self.home / "pid")

    def create(self, *flags: str) -> Result:
        """create; the container's output goes to files, see out() and err()."""
        return self._in_background("create", *self._flags(), *flags, self.id)

    def run_detached(self, *flags: str) -> Result:
        """run --detach, with the same files."""
        return self._in_background("run", "--detach", *self._flags(), *flags, self.id)

    def created(self, *flags: str) -> None:
        """create, which must succeed."""
        result = self.create(*flags)
        if result.exit:
            raise CaseError(f"create: exit {result.exit}: {result.stderr.decode()}")

    def out(self) -> bytes:
        """What the created container wrote to stdout."""
        return (self.home / "out").read_bytes()

    def err(self) -> bytes:
        """What the created container, and create itself, wrote to stderr."""
        return (self.home / "err").read_bytes()

    def start(self) -> Result:
        return self.call("start", self.id)

    def started(self) -> None:
        """start, which must succeed."""
        result = self.start()
        if result.exit:
            raise CaseError(f"start: exit {result.exit}: {result.stderr.decode()}")

    def kill(self, *words: str) -> Result:
        return self.call("kill", self.id, *words)

    def delete(self, *flags: str) -> Result:
        return self.call("delete", *flags, self.id)

    def exec(self, *words: str, flags: Sequence[str] = (), stdin: bytes | None = None) -> Result:
        return self.call("exec", *flags, self.id, *words, stdin=stdin)

    def exec_detached(self, *words: str, flags: Sequence[str] = ()) -> Result:
        """exec --detach; its process is in the file `exec-pid`, it writes where create does."""
        pid_file = str(self.home / "exec-pid")
        return self._in_background("exec", "--detach", "--pid-file", pid_file, *flags, self.id,
                                   *words)

    def state(self) -> dict[str, Any]:
        """The state; empty if the runtime knows no such container."""
        result = self.call("state", self.id)
        if result.exit:
            return {}
        try:
            return dict(json.loads(result.stdout))
        except ValueError as bad:
            raise CaseError(f"state is not a JSON object ({bad}): {result.text}") from None

    def status(self) -> str:
        return str(self.state().get("status", "absent"))

    def pid(self) -> int:
        """The process in the pid file."""
        return int((self.home / "pid").read_text())

    def wait(self, pid_file: str = "pid") -> int:
        """Waits for the process of a pid file as its parent (or subreaper) would."""
        pid, deadline = int((self.home / pid_file).read_text()), time.monotonic() + self.patience
        while time.monotonic() < deadline:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return exit_code(os.waitstatus_to_exitcode(status))
            time.sleep(0.01)
        raise CaseError(f"process {pid} of the pid file did not end in {self.patience:g} s")

    def await_status(self, status: str) -> str:
        """Waits for a status; returns the one it has in the end."""
        deadline = time.monotonic() + self.patience
        while (now := self.status()) != status and time.monotonic() < deadline:
            time.sleep(0.05)
        return now

    def await_output(self, words: bytes) -> None:
        """Waits until the created container has written `words`."""
        deadline = time.monotonic() + self.patience
        while words not in self.out():
            if time.monotonic() > deadline:
                raise CaseError(f"no {words!r} in the output: {self.out()!r} {self.err()!r}")
            time.sleep(0.02)
