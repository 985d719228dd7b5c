"""How long the processes of a command were on a CPU, however briefly each of them lived."""
from __future__ import annotations

import ctypes
import os
import pathlib
import resource
import subprocess
import sys
import time

PR_SET_CHILD_SUBREAPER = 36


def _subreaper(on: bool) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, int(on), 0, 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def _clock_of(pid: int) -> int:
    """The clock of a process and all its threads, the ended ones too, without its children: what clock_getcpuclockid(3)
    returns (MAKE_PROCESS_CPUCLOCK with CPUCLOCK_SCHED in Linux' posix-timers_types.h). It can be read of a zombie."""
    return (~pid << 3) | 2


def milliseconds_of(names: set[str], *command: str) -> float:
    """Runs @command to its end, and sums up the processes with one of @names (as in /proc/PID/comm) that it has started.

    In a process of its own, because it waits until it has no children, and the bench has some that stay."""
    answer = subprocess.run([sys.executable, __file__, ",".join(names), *command], check=True, stdout=subprocess.PIPE)
    return float(answer.stdout.split()[1])


def cost_of(*command: str) -> tuple[float, float]:
    """Runs @command to its end. Milliseconds until then, and those that all processes which it has started were on a CPU,
    with whatever these have started and reaped: QEMU, virtiofsd."""
    answer = subprocess.run([sys.executable, __file__, "", *command], check=True, stdout=subprocess.PIPE, text=True)
    took, spent = answer.stdout.split()
    return float(took), float(spent)


def _sum_up(names: set[str], *command: str) -> tuple[float, float]:
    """We are the subreaper, so that whoever outlives its parent becomes our child. Each is looked at as a zombie, when its
    time is complete, and only then reaped. What a process has reaped itself - QEMU, virtiofsd - is not among those with a
    name. Returns milliseconds until the command has ended, and of those on a CPU: without names, of all."""
    spent, took, seen, code = 0.0, 0.0, set(), None
    began = time.monotonic()
    _subreaper(True)
    try:
        null = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1)]
        first = os.posix_spawnp(command[0], command, os.environ, file_actions=null)
        while ended := _next_zombie():
            name = pathlib.Path(f"/proc/{ended}/comm").read_text(encoding="utf-8").strip()
            seen.add(name)
            if name in names:
                spent += time.clock_gettime(_clock_of(ended)) * 1000
            status = os.waitpid(ended, 0)[1]
            if ended == first:
                code = os.waitstatus_to_exitcode(status)
                took = (time.monotonic() - began) * 1000
    finally:
        _subreaper(False)
    if code != 0:
        raise RuntimeError(f"{command} ended with {code}")
    if not names <= seen:
        raise RuntimeError(f"{names - seen} were not among the processes of {command}")
    if not names:
        # Those that we have reaped, with all that they have.
        all_of_them = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = (all_of_them.ru_utime + all_of_them.ru_stime) * 1000
    return took, spent


def _next_zombie() -> int:
    """Waits for it; 0 when there is no child any more."""
    try:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
    except ChildProcessError:
        return 0
    return ended.si_pid if ended else 0


if __name__ == "__main__":
    print(*_sum_up(set(filter(None, sys.argv[1].split(","))), *sys.argv[2:]))
