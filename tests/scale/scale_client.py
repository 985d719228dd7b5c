#!/usr/bin/python3
"""Many pods, and much of what pods do, by containerd's CRI: scale_client.py FOLDER IMAGE CASE, where FOLDER is containerd's as
lib/cri.bash starts it. A case prints what it has measured, and ends with 0 when all was as it must be."""
from __future__ import annotations

import concurrent.futures
import os
import pathlib
import re
import sys
import time
from collections.abc import Callable, Iterable

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e/lib"))

from cri_client import Engine, first_byte  # noqa: E402

ENGINE = Engine(pathlib.Path(sys.argv[1]), sys.argv[2])
PRINTING = ("sh", "-c", "hostname; exec sleep 100000")
PODS_AT_ONCE, PODS_IN_A_ROW, EXECS, EXECS_AT_ONCE = 20, 100, 200, 20


def at_once(width: int, one: Callable[[int], object], numbers: Iterable[int]) -> list[object]:
    """Calls @one with each number, @width of them at a time; the first failure is raised."""
    with concurrent.futures.ThreadPoolExecutor(width) as pool:
        return [f.result() for f in [pool.submit(one, number) for number in numbers]]


def written_kib(pid: int) -> int:
    rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    return int(re.findall(r"^Private_Dirty:\s+(\d+) kB", rollup, re.M)[0])


def usage(pid: int) -> tuple[int, int]:
    """Descriptors and KiB of written memory."""
    return len(os.listdir(f"/proc/{pid}/fd")), written_kib(pid)


def running_pod() -> tuple[str, str]:
    """A pod and its container, which has printed its first line."""
    pod = ENGINE.pod("kata")
    container, log = ENGINE.container(pod, *PRINTING)
    first_byte(log)
    return pod, container


def case_execs() -> None:
    pod, container = running_pod()
    shim = ENGINE.shim("kata", pod)

    def one(number: int) -> None:
        want = (number * 7 % 100, f"output of {number}\n".encode())
        got = ENGINE.execute(container, "sh", "-c", f"echo output of {number}; exit {want[0]}")
        assert got == want, got

    at_once(EXECS_AT_ONCE, one, range(EXECS_AT_ONCE))
    before, began = usage(shim), time.monotonic()
    at_once(EXECS_AT_ONCE, one, range(EXECS))
    seconds, end = time.monotonic() - began, time.monotonic() + 60
    while (after := usage(shim))[0] > before[0] and time.monotonic() < end:
        time.sleep(0.1)
    print(f"{EXECS} execs, {EXECS_AT_ONCE} at a time: {EXECS / seconds:.1f} a second; descriptors {before[0]} -> {after[0]}, "
          f"written KiB {before[1]} -> {after[1]}")
    assert after[0] <= before[0]
    # A leak of a kilobyte for each exec would be 200.
    assert after[1] <= before[1] + 160
    ENGINE.remove(pod)


def case_crowd() -> None:
    """All of them run at the same time, and each program answers in its own."""
    began = time.monotonic()
    running = at_once(PODS_AT_ONCE, lambda _: running_pod(), range(PODS_AT_ONCE))
    seconds = time.monotonic() - began
    assert len({pod for pod, _ in running}) == PODS_AT_ONCE  # type: ignore[misc]
    shims = [ENGINE.shim("kata", pod) for pod, _ in running]  # type: ignore[misc]
    assert len(set(shims)) == PODS_AT_ONCE
    for _, container in running:  # type: ignore[misc]
        assert ENGINE.execute(container, "echo", container) == (0, f"{container}\n".encode())
    print(f"{PODS_AT_ONCE} pods at once: {seconds:.1f} s until all have printed; KiB written by each server: "
          f"{min(map(written_kib, shims))} to {max(map(written_kib, shims))}")
    at_once(PODS_AT_ONCE, lambda n: ENGINE.remove(running[n][0]), range(PODS_AT_ONCE))  # type: ignore[index]


def descriptors_of(pid: str) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:  # it has ended
        return 0


def left_of_pods() -> dict[str, int]:
    """What a pod may leave on the host, by kind."""
    folders = [pathlib.Path(p) for p in ("/run/vc", "/run/kata-containers", "/run/containerd/s", "/run/netns")]
    return {
        "processes": sum(pid.isdigit() for pid in os.listdir("/proc")),
        "mounts": len(pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()),
        "control groups": sum(1 for _ in pathlib.Path("/sys/fs/cgroup").rglob("cgroup.procs")),
        "files in /run": sum(1 for folder in folders for _ in folder.rglob("*")),
        "files in /dev/shm": sum(1 for _ in pathlib.Path("/dev/shm").rglob("*")),
        "descriptors of all processes": sum(descriptors_of(pid) for pid in os.listdir("/proc") if pid.isdigit()),
    }


# containerd opens and closes files of its own meanwhile. One for each pod would be 90.
SLACK = {"descriptors of all processes": 20}


def grown(first: dict[str, int], now: dict[str, int]) -> list[str]:
    return [kind for kind in first if now[kind] > first[kind] + SLACK.get(kind, 0)]


def left_once_settled(first: dict[str, int]) -> dict[str, int]:
    """What is left, after at most a minute: a server ends a moment after its pod is removed."""
    end = time.monotonic() + 60
    while grown(first, now := left_of_pods()) and time.monotonic() < end:
        time.sleep(0.1)
    return now


def case_rows() -> None:
    """One after the other. What the first ones leave is what containerd keeps once and for all."""

    def one(_: int) -> None:
        ENGINE.remove(running_pod()[0])

    seen, began = [], time.monotonic()
    for number in range(PODS_IN_A_ROW):
        one(number)
        if (number + 1) % 10 == 0:
            seen.append(left_once_settled(seen[0]) if seen else left_of_pods())
            print(f"after {number + 1} pods: {seen[-1]}", flush=True)
    print(f"{(time.monotonic() - began) / PODS_IN_A_ROW:.2f} s for each pod")
    assert not grown(seen[0], seen[-1]), grown(seen[0], seen[-1])


def main() -> None:
    globals()[f"case_{sys.argv[3]}"]()


if __name__ == "__main__":
    main()
