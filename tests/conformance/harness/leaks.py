"""Finds what a container left behind on the host."""

from __future__ import annotations

import os
import time
from pathlib import Path


def _processes(mark: bytes) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes()
            where = (entry / "cgroup").read_bytes()
        except OSError:
            continue
        if words and (mark in words or mark in where):
            found.append(f"process {entry.name}: {words.replace(bytes(1), b' ').decode().strip()}")
    return found


def _mounts(mark: bytes) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_bytes().splitlines()
    return [f"mount: {line.decode()}" for line in lines if mark in line]


def _named(top: str, depth: int, mark: str) -> list[str]:
    found = []
    for path, names, files in os.walk(top):
        found += [f"file: {path}/{name}" for name in names + files if mark in name]
        if path.count("/") - top.count("/") >= depth:
            names.clear()
    return found


def find(container_id: str, home: Path) -> list[str]:
    """What is left of a container: processes, mounts, cgroups, run-time files, its --root."""
    root = home / "root"
    found = _processes(container_id.encode()) + _processes(str(home).encode())
    found += _mounts(container_id.encode()) + _mounts(str(home).encode())
    found += _named("/sys/fs/cgroup", 5, container_id) + _named("/run", 4, container_id)
    found += [f"file: {path}" for path in sorted(root.rglob("*"))] if root.is_dir() else []
    return sorted(set(found))


def after(container_id: str, home: Path, patience: float) -> list[str]:
    """What is left after `patience` seconds: helpers may be exiting when the last verb returns."""
    deadline = time.monotonic() + patience
    while (found := find(container_id, home)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found
