"""Runs a command on a pseudo terminal and holds a dialogue with it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import termios
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Union


@dataclass(frozen=True)
class Resize:
    """A line of the dialogue: the window changes its size."""

    rows: int
    columns: int


@dataclass(frozen=True)
class Dialogue:
    """Size of the terminal; then, in order, each answer is given once its cue was printed."""

    rows: int = 24
    columns: int = 80
    lines: Sequence[tuple[bytes, Union[bytes, Resize]]] = ()


def _own_terminal() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _wait_until_raw(master: int, deadline: float) -> None:
    """A runtime that hands on what is typed has made its caller's terminal raw. runc does so once the
    program runs: what is typed before, such as an end of file, is taken by the terminal itself."""
    while termios.tcgetattr(master)[3] & termios.ICANON and time.monotonic() < deadline:
        time.sleep(0.01)


def talk(argv: Sequence[str], dialogue: Dialogue, seconds: float) -> tuple[int | None, bytes]:
    """Returns the exit status, None if it had to be killed, and all it printed."""
    master, slave = pty.openpty()
    set_size(master, dialogue.rows, dialogue.columns)
    child = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave,
                             preexec_fn=_own_terminal)
    os.close(slave)
    output, heard, lines = b"", 0, list(dialogue.lines)
    deadline = time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            if not select.select([master], [], [], 0.1)[0]:
                continue
            try:
                chunk = os.read(master, 65536)
            except OSError:  # EIO: the last holder of the terminal is gone
                return child.wait(seconds), output
            output += chunk
            while lines and (at := output.find(lines[0][0], heard)) >= 0:
                cue, answer = lines.pop(0)
                heard = at + len(cue)
                if isinstance(answer, Resize):
                    set_size(master, answer.rows, answer.columns)
                else:
                    _wait_until_raw(master, deadline)
                    os.write(master, answer)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait(10)
        return None, output
    finally:
        os.close(master)


class ConsoleSocket:
    """The socket of --console-socket; a runtime sends the terminal of a container over it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(1)
        self.listener.settimeout(60)

    def terminal(self) -> int:
        """The descriptor that was sent; its holder is the caller."""
        peer, _ = self.listener.accept()
        with peer:
            peer.settimeout(60)
            _, descriptors, _, _ = socket.recv_fds(peer, 4096, 4)
        self.listener.close()
        if len(descriptors) != 1:
            raise OSError(f"{len(descriptors)} descriptors came over the console socket, want 1")
        return descriptors[0]


def read_all(master: int, seconds: float, until: bytes = b"") -> bytes:
    """What a terminal prints until its last holder is gone, or until it printed `until`."""
    output, deadline = b"", time.monotonic() + seconds
    while time.monotonic() < deadline and (not until or until not in output):
        if not select.select([master], [], [], 0.1)[0]:
            continue
        try:
            chunk = os.read(master, 65536)
        except OSError:
            break
        if not chunk:
            break
        output += chunk
    return output


def set_size(master: int, rows: int, columns: int) -> None:
    """Changes the size of a terminal."""
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
