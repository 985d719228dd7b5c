"""The two ways in which the figures are shown: a table for the terminal, and docs/performance.md."""
from __future__ import annotations

import os
import pathlib
import platform
import re
import subprocess
from typing import Any


def _budget(held: dict[str, Any]) -> str:
    """Of a figure or of its ratio to a peer."""
    return f"{held['budget']:g} {'met' if held['within'] else 'NOT met'}" if "budget" in held else ""


def _peer(peer: dict[str, Any]) -> str:
    budget = _budget(peer)
    return f"x {peer['ratio']:.3g} of {peer['name']}" + (f" (budget x {budget})" if budget else "")


def _peers(row: dict[str, Any]) -> str:
    return ", ".join(_peer(peer) for peer in row["peers"])


def _cells(rows: dict[str, dict[str, Any]]) -> list[list[str]]:
    head = ["figure", "median", "min", "max", "n", "unit", "budget", "beside it"]
    return [head] + [
        [name, f"{r['median']:g}", f"{r['min']:g}", f"{r['max']:g}", str(r["n"]), r["unit"], _budget(r), _peers(r)]
        for name, r in rows.items()
    ]


def table(rows: dict[str, dict[str, Any]]) -> str:
    cells = _cells(rows)
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths)).rstrip() for line in cells)


def _first_match(path: str, pattern: str) -> str:
    match = re.search(pattern, pathlib.Path(path).read_text(encoding="utf-8"), re.M)
    return match.group(1) if match else "unknown"


def _first_line(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.split("\n")[0]


def machine() -> str:
    cpu = _first_match("/proc/cpuinfo", r"^model name\s*: (.*)$")
    memory = int(_first_match("/proc/meminfo", r"^MemTotal:\s*(\d+)")) >> 20
    return (
        f"{os.cpu_count()} CPUs ({cpu}), {memory} GiB, Linux {platform.release()}, "
        f"{_first_line('qemu-system-x86_64', '--version')}, {_first_line('runc', '--version')}"
    )


def write_page(path: pathlib.Path, rows: dict[str, dict[str, Any]], rounds: int, subject: dict[str, str]) -> None:
    lines = [
        "# Performance",
        "",
        "Written by `make bench`; do not edit. All figures come from one run on one machine, taken in turn, "
        f"{rounds} rounds after one that warmed up. Absolute times say little about another machine; the ratios do, so the "
        "budget of a time or of a rate is a multiple of a figure that stands beside it, and is written there.",
        "",
        f"The machine: {machine()}.",
        "",
        f"What was measured: commit {subject['commit']}, with the guest kernel {subject['guest kernel']}. "
        f"Accelerator: {subject['accelerator']}." + (f" Beside it: {subject['beside']}." if subject["beside"] else ""),
        "",
    ]
    cells = _cells(rows)
    lines += ["| " + " | ".join(cells[0]) + " |", "|" + " --- |" * len(cells[0])]
    lines += ["| " + " | ".join(line) + " |" for line in cells[1:]]
    lines += [
        "",
        "- *bare boot*: QEMU with the same kernel, initrd, memory and accelerator, from its start to the first line of "
        "PID 1 on the serial console; with the firmware that QEMU takes by itself, and with the one that the runtime prefers.",
        "- *Debian's kernel*: the same machine, and the same run, with Debian's cloud kernel and the initrd that belongs to it, "
        "beside the lean kernel's (`make kernel`). Where the guest has Debian's kernel there are no such rows, and its own are what "
        "others are held against.",
        "- *run true*: from the start of the command to its end, everything included: the virtual machine, the "
        "container, and the removal of both.",
        "- *run true from a template*: the same with a machine that goes on from a template (`kata-runtime factory init`, which "
        "is not in it). It is held against a run that boots Debian's kernel and, without KVM, against gVisor: "
        "Debian's `runsc --platform=systrap` without a network and without a control group.",
        "- *host CPU*: user and system time of `kata-runtime` and the sandbox server together, from their first instruction "
        "to their last; QEMU and virtiofsd are not in it. Beside it is the process of `runc run`, without what it starts.",
        "- *exec*: from the start of the command to its end, five in a row in each round, in turn with runc's. The first "
        "finds caches that are seconds old, in the guest and here.",
        "- *ctr run*, *ctr exec*: from the start of containerd's client to its end.",
        "- *pod to its first byte*: CRI's RunPodSandbox, CreateContainer and StartContainer, until the log of the container has "
        "what it prints first; *second container*: the last two, in a pod that runs. There is no network plugin.",
        "- *pod of 2*: with two containers that sleep. *Wake-ups* are the voluntary context switches of all threads of the pod's "
        "processes on the host, over 10 s: of the server, the processes that stand for the containers, and virtiofsd. QEMU's own "
        "are those of the guest's timers and of what its translator does.",
        "- *stdout*, *stdin*: a stream of 128 MiB out of, or into, a container, through a pipe.",
        "- *network*: a pair of Ethernet interfaces between the container's namespace and one that answers: a stream of 64 MiB, a "
        "byte there and back 500 times, 200 connections for a byte each. *Bare QEMU* is a machine with the same kernel, memory, "
        "accelerator and card whose PID 1 is a script; its tap has the gateway's address, with nothing between. *Added to run "
        "true*: `run true` with an interface less `run true` without, one right after the other.",
        "- *docker run to its first connection*: with a daemon and a bridge of its own, from the start of the client until the "
        "container's connection to its gateway is there.",
        "- *PSS* and *RSS* are read while a container sleeps. *Guest memory in use* is MemTotal less MemAvailable.",
        "- *idle container*: a machine of the default size, 10 s after its start. *Guest's memory* is what the host has given for "
        "it, *QEMU's own* what QEMU has written to, *QEMU's files* its program and libraries, which further machines share. "
        "*From a template*: both machines, the first and the further one, go on from the same. [Memory](memory.md) has the parts.",
        "- *memory that the kernel keeps*: the machine's less MemTotal: the kernel and its map of pages.",
        "- *memory back*: of the 512 MiB that a program has written into a tmpfs, what the host has 30 s after their removal.",
        "- *exits*: how often the processor leaves the guest, over 10 s; KVM counts it.",
        "- *memory of its own* is what a process has written to: what each further one costs, because the clean pages of"
        " its program are in memory once for all.",
        "",
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
