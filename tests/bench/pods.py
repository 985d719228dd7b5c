"""Pods and containers of containerd, in turn with those of runc: how long they take, and what an idle pod costs the host."""
from __future__ import annotations

import pathlib
import re
import time

from engine import RUNTIMES, first_byte
from measures import Bench, descendants

# What is ready to be counted and then sleeps.
PRINTING = ("sh", "-c", "echo; exec sleep 100000")
IDLE_SECONDS = 10
# A pod that has been idle for so long has done all that its start left to do.
SETTLING_SECONDS = 3


def _named(runtime: str, figure: str) -> str:
    return figure if runtime == "kata" else f"{runtime}: {figure}"


def _milliseconds(began: float) -> float:
    return (time.monotonic() - began) * 1000


def ctr_run(bench: Bench) -> None:
    for runtime in RUNTIMES:
        took = bench.run(*bench.engine.run_command(runtime, "true"))
        bench.figures.add(_named(runtime, "ctr run true"), took)


def pods(bench: Bench) -> None:
    for runtime in RUNTIMES:
        _pod(bench, runtime)


def _pod(bench: Bench, runtime: str) -> None:
    engine = bench.engine
    began = time.monotonic()
    pod = engine.pod(runtime)
    first_byte(engine.container(pod, *PRINTING)[1])
    bench.figures.add(_named(runtime, "pod to its first byte"), _milliseconds(began))

    began = time.monotonic()
    container, log = engine.container(pod, *PRINTING)
    first_byte(log)
    bench.figures.add(_named(runtime, "second container to its first byte"), _milliseconds(began))

    for _ in range(5):
        bench.figures.add(_named(runtime, "ctr exec true"), bench.run(*engine.exec_command(container, "true")))
    _idle(bench, runtime, engine.shim(runtime, pod))
    engine.remove(pod)


def _idle(bench: Bench, runtime: str, shim: int) -> None:
    """Of a pod of two containers that sleep."""
    pids = [shim, *descendants(shim)]
    bench.figures.add(_named(runtime, "pod of 2, processes on the host"), len(pids))
    bench.figures.add(_named(runtime, "pod of 2, threads on the host"), sum(len(_threads(pid)) for pid in pids))
    time.sleep(SETTLING_SECONDS)
    before = {pid: _wake_ups(pid) for pid in pids}
    time.sleep(IDLE_SECONDS)
    per_second = {pid: (_wake_ups(pid) - before[pid]) / IDLE_SECONDS for pid in pids}
    vmm = {pid for pid in pids if _name(pid).startswith("qemu-system")}
    bench.figures.add(_named(runtime, "idle pod's wake-ups"), sum(n for pid, n in per_second.items() if pid not in vmm))
    if vmm:
        bench.figures.add("idle pod's wake-ups, QEMU's", sum(per_second[pid] for pid in vmm))


def _name(pid: int) -> str:
    return pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="utf-8")


def _threads(pid: int) -> list[pathlib.Path]:
    return list(pathlib.Path(f"/proc/{pid}/task").iterdir())


def _wake_ups(pid: int) -> int:
    """How often the threads of a process went to sleep by themselves, which is how often they were woken up."""
    count = 0
    for thread in _threads(pid):
        match = re.search(r"^voluntary_ctxt_switches:\s+(\d+)", (thread / "status").read_text(encoding="utf-8"), re.M)
        count += int(match.group(1)) if match else 0
    return count
