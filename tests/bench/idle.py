"""What an idle container and its machine take of the host, and what a machine gives back."""
from __future__ import annotations

import json
import os
import pathlib
import re
import time

from figures import FURTHER_OF_TEMPLATE
from measures import Bench, descendants, pss_kib

# A container that has been idle for so long has done all that its start left to do, and its guest has told of what it has
# freed.
SETTLING_SECONDS = 10
IDLE_SECONDS = 10
USED_MIB = 512
BACK_SECONDS = 30
KVM_STATISTICS = pathlib.Path("/sys/kernel/debug/kvm")


class _Container:
    """One that sleeps, in a machine of its own, until close()."""

    def __init__(self, bench: Bench, command: list[str]) -> None:
        """@command: kata-runtime with its options."""
        self.bench, self.command = bench, command
        self.name = bench.fresh()
        bench.run(*self.command, "run", "-d", "--bundle", str(_bundle(bench)), self.name)
        described = bench.tell(*self.command, "describe", self.name)
        self.vmm = int(re.findall(r"^hypervisor .*process (\d+)$", described, re.M)[0])

    def __enter__(self) -> _Container:
        return self

    def __exit__(self, *_: object) -> None:
        self.bench.run(*self.command, "delete", "--force", self.name)

    def tell(self, *command: str) -> str:
        return self.bench.tell(*self.command, "exec", self.name, *command)

    def processes(self) -> list[int]:
        """The server, what it has started, and the process that stands for the container."""
        server = int(pathlib.Path(f"/proc/{self.vmm}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
        standin = json.loads(self.bench.tell(*self.command, "state", self.name))["pid"]
        return sorted({server, *descendants(server), standin})

    def guest_kib(self) -> int:
        """The blocks of the file that is the guest's memory."""
        folder = pathlib.Path(f"/proc/{self.vmm}/fd")
        files = [fd for fd in folder.iterdir() if os.readlink(fd).startswith("/memfd:guest-memory")]
        return max(os.stat(fd).st_blocks for fd in files) // 2


def _bundle(bench: Bench) -> pathlib.Path:
    """With a tmpfs as large as what is used."""
    folder = bench.bundle("sleep", "100000")
    config = json.loads((folder / "config.json").read_text())
    config["mounts"].append({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": [f"size={USED_MIB + 16}m"]})
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def _with_memory(bench: Bench, mib: int) -> list[str]:
    path = bench.scratch / f"memory-{mib}.toml"
    text = (bench.tree / "build/configuration.toml").read_text()
    path.write_text(re.sub(r"(?m)^default_memory = .*$", f"default_memory = {mib}", text))
    return [*bench.kata, "--config", str(path)]


def _all_kib(*containers: _Container) -> int:
    return sum(pss_kib(pid) for one in containers for pid in one.processes())


def _part_kib(pid: int, part: str) -> int:
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    return int(re.findall(rf"^{part}:\s+(\d+) kB", text, re.M)[0])


def idle_memory(bench: Bench) -> None:
    """The keeper does not count: the pages that all programs share are then spread over three machines."""
    with _Container(bench, bench.kata) as first:
        time.sleep(SETTLING_SECONDS)
        alone = _all_kib(first)
        bench.figures.add("idle container, PSS of all its processes", alone)
        bench.figures.add("idle container, guest's memory", first.guest_kib())
        bench.figures.add("idle container, QEMU's own memory", _part_kib(first.vmm, "Pss_Anon"))
        bench.figures.add("idle container, QEMU's files", _part_kib(first.vmm, "Pss_File"))
        bench.figures.add("each further idle container, PSS", _further_kib(first, alone))


def idle_template_memory(bench: Bench) -> None:
    """Both machines go on from one template. Each has a copy of its memory, but only of the pages that were not zero."""
    with _Container(bench, bench.templated()) as first:
        time.sleep(SETTLING_SECONDS)
        bench.figures.add(FURTHER_OF_TEMPLATE, _further_kib(first, _all_kib(first)))


def _further_kib(first: _Container, alone_kib: int) -> int:
    """What all processes of a second container like the @first take, besides what those of the first alone have taken."""
    with _Container(first.bench, first.command) as second:
        time.sleep(SETTLING_SECONDS)
        return _all_kib(first, second) - alone_kib


def kernel_memory(bench: Bench) -> None:
    """What the guest's kernel has taken before there is a program: its own pages and the page map."""
    for name, mib in ("256 MiB", 256), ("2 GiB", 2048):
        with _Container(bench, _with_memory(bench, mib)) as container:
            total = int(re.findall(r"^MemTotal:\s+(\d+) kB", container.tell("cat", "/proc/meminfo"), re.M)[0])
            bench.figures.add(f"memory that the kernel keeps, machine of {name}", mib * 1024 - total)


def memory_back(bench: Bench) -> None:
    """Of what a workload has used, after it has ended."""
    with _Container(bench, bench.kata) as container:
        time.sleep(SETTLING_SECONDS)
        before = container.guest_kib()
        container.tell("dd", "if=/dev/zero", "of=/tmp/used", "bs=1M", f"count={USED_MIB}")
        used = container.guest_kib() - before
        if used < USED_MIB * 1024 * 9 // 10:
            raise RuntimeError(f"a workload was to use {USED_MIB} MiB and has used {used} KiB")
        container.tell("rm", "/tmp/used")
        time.sleep(BACK_SECONDS)
        bench.figures.add("memory back after a workload", 100 * (1 - (container.guest_kib() - before) / used))


def idle_exits(bench: Bench) -> None:
    """How often the processor leaves the guest; KVM counts it where its statistics are mounted."""
    with _Container(bench, bench.kata) as container:
        time.sleep(SETTLING_SECONDS)
        counters = list(KVM_STATISTICS.glob(f"{container.vmm}-*/exits"))
        if not counters:
            return
        before = int(counters[0].read_text(encoding="utf-8"))
        time.sleep(IDLE_SECONDS)
        bench.figures.add("idle machine's exits", (int(counters[0].read_text(encoding="utf-8")) - before) / IDLE_SECONDS)
