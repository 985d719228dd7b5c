"""What is measured, one function a subject. Each adds one value to each of its figures per call."""
from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

from cpu import milliseconds_of
from engine import OwnEngine
from figures import BOOT, RUN, TEMPLATE, Figures

STREAM_BYTES = 128 << 20
TERMINAL_LINES = 30000
KEEPER = "keeper"  # the container that sleeps while others are measured against it


class Bench:
    """A busybox bundle, the commands, and a container of each runtime that runs for the whole bench."""

    def __init__(self, tree: pathlib.Path, scratch: pathlib.Path, figures: Figures) -> None:
        self.tree, self.scratch, self.figures = tree, scratch, figures
        self.rootfs = scratch / "rootfs"
        self.kata = [str(tree / "build/kata-runtime"), "--root", str(scratch / "kata")]
        self.runc = ["runc", "--root", str(scratch / "runc")]
        self.serial = 0
        self._make_rootfs()
        self._engine: OwnEngine | None = None
        self.run(*self.kata, "run", "-d", "--bundle", str(self._open_bundle("sleep", "100000")), KEEPER)
        # Without a name of its own it would be that of the other keeper.
        peer = self.bundle("sleep", "100000", cgroup="/bench-peer")
        self.run(*self.runc, "run", "-d", "--bundle", str(peer), KEEPER)

    @property
    def engine(self) -> OwnEngine:
        """Begun when it is first asked for: a host on which nothing of containerd is measured needs none."""
        if self._engine is None:
            self._engine = OwnEngine(self.scratch / "containerd")
        return self._engine

    def close(self) -> None:
        for runtime in (self.kata, self.runc):
            subprocess.run([*runtime, "delete", "--force", KEEPER], check=False, stdin=subprocess.DEVNULL)
        if (self.scratch / "template.toml").exists():
            self.run(*self.kata, "--config", str(self.scratch / "template.toml"), "factory", "destroy")
            (pathlib.Path("/dev/shm") / self.scratch.name).rmdir()
        if self._engine:
            self._engine.close()

    def _make_rootfs(self) -> None:
        for folder in ("bin", "proc", "sys", "dev", "tmp"):
            (self.rootfs / folder).mkdir(parents=True)
        shutil.copy("/bin/busybox", self.rootfs / "bin/busybox")
        for applet in ("sh", "true", "sleep", "cat", "dd", "head", "wc", "grep", "rm", "seq"):
            (self.rootfs / "bin" / applet).symlink_to("busybox")

    def bundle(self, *args: str, cgroup: str = "") -> pathlib.Path:
        """A new bundle that runs @args, with what both runtimes can do on any host."""
        self.serial += 1
        folder = self.scratch / f"bundle-{self.serial}"
        folder.mkdir()
        subprocess.run([*self.kata, "spec", "--bundle", str(folder)], check=True)
        config = json.loads((folder / "config.json").read_text())
        config["process"].update(terminal=False, args=list(args))
        config["root"].update(path=str(self.rootfs), readonly=False)
        if cgroup:
            config["linux"]["cgroupsPath"] = cgroup
        (folder / "config.json").write_text(json.dumps(config))
        return folder

    def _open_bundle(self, *args: str) -> pathlib.Path:
        """Without a PID namespace of its own, and allowed to look: such a container sees the agent and its memory."""
        folder = self.bundle(*args)
        config = json.loads((folder / "config.json").read_text())
        namespaces = config["linux"]["namespaces"]
        config["linux"]["namespaces"] = [n for n in namespaces if n["type"] != "pid"]
        may = ["CAP_SYS_PTRACE"]
        for kind in ("bounding", "effective", "permitted"):
            config["process"]["capabilities"][kind] = config["process"]["capabilities"].get(kind, []) + may
        (folder / "config.json").write_text(json.dumps(config))
        return folder

    def templated(self) -> list[str]:
        """kata-runtime with a configuration in which machines start from a template, which is made at the first call. A
        machine that boots all the same would be a wrong figure, so that ends the bench."""
        path = self.scratch / "template.toml"
        command = [*self.kata, "--config", str(path)]
        if not path.exists():
            text = (self.tree / "build/configuration.toml").read_text()
            text = re.sub(r"(?m)^enable_template = .*$", "enable_template = true", text)
            folder = pathlib.Path("/dev/shm") / self.scratch.name
            text = re.sub(r"(?m)^template_path = .*$", f'template_path = "{folder}"', text)
            path.write_text(text)
            self.run(*command, "factory", "init")
        self.run(*command, "factory", "status")
        return command

    def run(self, *command: str, stdin: int = subprocess.DEVNULL, stdout: int = subprocess.DEVNULL) -> float:
        """Milliseconds that the command takes."""
        began = time.monotonic()
        subprocess.run(command, check=True, stdin=stdin, stdout=stdout)
        return (time.monotonic() - began) * 1000

    def tell(self, *command: str) -> str:
        """What the command prints."""
        return subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout

    def subject(self) -> dict[str, str]:
        """What is measured: the commit that was built, and what the keeper's machine is."""
        version = self.tell(*self.kata, "--version")
        described = self.tell(*self.kata, "describe", KEEPER)
        changed = ""
        if shutil.which("git"):  # not in the box
            changed = self.tell("git", "-C", str(self.tree), "status", "--porcelain", "--", "src", "guest-image")
        return {
            "commit": _line_of(version, r"^commit: (.*)$") + (" with changes" if changed else ""),
            "guest kernel": self.tell(*self.kata, "exec", KEEPER, "cat", "/proc/sys/kernel/osrelease").strip(),
            "accelerator": _line_of(described, r"^accelerator\s+(.*)$"),
        }

    def fresh(self) -> str:
        self.serial += 1
        return f"bench-{self.serial}"


def _line_of(text: str, pattern: str) -> str:
    match = re.search(pattern, text, re.M)
    return match.group(1) if match else "unknown"


def _processes(name: str) -> list[int]:
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if os.path.basename(command[0]).decode(errors="replace") == name:
                found.append(int(entry.name))
    return found


def descendants(root: int) -> list[int]:
    """The processes that a process has started, and that these have started."""
    children: dict[int, list[int]] = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, queue = [], [root]
    while queue:
        queue += (below := children.get(queue.pop(), []))
        found += below
    return found


def _keeper_server(bench: Bench) -> int:
    """The sandbox server of the keeper is the one that was told its id and state folder."""
    for pid in _processes("containerd-shim-kata-v2"):
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        if str(bench.scratch / "kata" / KEEPER) in words:
            return pid
    raise RuntimeError("the keeper has no sandbox server")


def pss_kib(pid: int) -> int:
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    match = re.search(r"^Pss:\s+(\d+) kB", text, re.M)
    return int(match.group(1)) if match else 0


def _written_kib(pid: int) -> int:
    """What each further process of the kind costs: the clean pages of its program are there once for all of them."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.findall(r"^Private_Dirty:\s+(\d+) kB", text, re.M)[0])


def bare_boot(bench: Bench) -> None:
    """As QEMU does it by itself, and through the firmware that the runtime prefers."""
    guest = bench.tree / "build/guest"
    bench.figures.add(BOOT, boot(bench, guest))
    bench.figures.add("the same through qboot", boot(bench, guest, "-bios", "qboot.rom"))


def bare_machine(bench: Bench, kernel: pathlib.Path, initrd: pathlib.Path) -> list[str]:
    """The command line of QEMU for the machine that the keeper has, but for what belongs to containers."""
    command_line = pathlib.Path(f"/proc/{_vmm(bench)}/cmdline").read_bytes().decode().split("\0")
    return _bare(command_line, kernel, initrd)


def boot(bench: Bench, guest: pathlib.Path, *firmware: str) -> float:
    """Milliseconds until PID 1 of the guest image in the folder @guest says its first line."""
    argv = bare_machine(bench, guest / "vmlinux", guest / "initrd.img") + [*firmware]
    began = time.monotonic()
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as qemu:
        assert qemu.stdout
        for line in qemu.stdout:
            if b"kata-agent" in line:
                took = (time.monotonic() - began) * 1000
                break
        else:
            raise RuntimeError("the bare machine did not reach PID 1")
        qemu.kill()
    return took


def _bare(argv: list[str], kernel: pathlib.Path, initrd: pathlib.Path) -> list[str]:
    """The machine of the runtime without what belongs to containers: the same memory, CPU, accelerator and kernel parameters,
    and a serial console to listen to."""

    def value(option: str, default: str) -> str:
        return argv[argv.index(option) + 1] if option in argv else default

    machine = value("-machine", value("-M", "q35")).split(",")
    machine = [part for part in machine if not part.startswith("memory-backend")]
    bare = [argv[0], "-machine", ",".join(machine), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
    for option in ("-accel", "-cpu", "-smp", "-m"):
        if option in argv:
            bare += [option, value(option, "")]
    return bare + [
        "-kernel", str(kernel), "-initrd", str(initrd),
        "-append", value("-append", "console=ttyS0 quiet"), "-serial", "stdio",
    ]


def _vmm(bench: Bench) -> int:
    for pid in descendants(_keeper_server(bench)):
        name = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
        if name.startswith("qemu-system"):
            return pid
    raise RuntimeError("the keeper has no QEMU")


def run_true(bench: Bench) -> None:
    bundle = str(bench.bundle("true"))
    bench.figures.add(RUN, bench.run(*bench.kata, "run", "--bundle", bundle, bench.fresh()))
    bench.figures.add("runc: run true", bench.run(*bench.runc, "run", "--bundle", bundle, bench.fresh()))


def template_true(bench: Bench) -> None:
    """The same run as run_true()'s, in a machine that goes on from a template."""
    bundle = bench.bundle("true")
    milliseconds = bench.run(*bench.templated(), "run", "--bundle", str(bundle), bench.fresh())
    bench.figures.add(TEMPLATE, milliseconds)


def host_cpu(bench: Bench) -> None:
    bundle = str(bench.bundle("true"))
    # The kernel keeps 15 bytes of a name.
    names = {"kata-runtime", "containerd-shim-kata-v2"[:15]}
    ours = [*bench.kata, "run", "--bundle", bundle, bench.fresh()]
    bench.figures.add("host CPU of one run", milliseconds_of(names, *ours))
    peer = [*bench.runc, "run", "--bundle", bundle, bench.fresh()]
    bench.figures.add("runc: host CPU of one run", milliseconds_of({"runc"}, *peer))


def exec_true(bench: Bench) -> None:
    bench.figures.add("exec true", bench.run(*bench.kata, "exec", KEEPER, "true"))
    bench.figures.add("runc: exec true", bench.run(*bench.runc, "exec", KEEPER, "true"))


def _stdout(runtime: list[str], block: int, blocks: int) -> float:
    """MB/s out of the keeper of that runtime, of a program that writes blocks of that size. Only the stream is timed: a first byte
    says that the process runs."""
    script = f"echo; exec dd if=/dev/zero bs={block} count={blocks} 2>/dev/null"
    with subprocess.Popen([*runtime, "exec", KEEPER, "sh", "-c", script], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, bufsize=0) as out:
        assert out.stdout
        out.stdout.read(1)
        began = time.monotonic()
        got = 0
        while chunk := os.read(out.stdout.fileno(), 1 << 20):
            got += len(chunk)
        took = time.monotonic() - began
    if got != block * blocks:
        raise RuntimeError(f"{got} of {block * blocks} bytes came")
    return got / 1e6 / took


def _stdin(runtime: list[str], block: int, total: int) -> float:
    """MB/s into the keeper of that runtime, to a program that reads blocks of that size. dd says on its standard error what arrived."""
    script = f"echo; exec dd of=/dev/null bs={block} iflag=fullblock 2>&1"
    with subprocess.Popen([*runtime, "exec", KEEPER, "sh", "-c", script], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, bufsize=0) as into:
        assert into.stdin and into.stdout
        into.stdout.read(1)
        chunk = memoryview(bytes(1 << 20))
        left = total
        began = time.monotonic()
        while left > 0:
            left -= os.write(into.stdin.fileno(), chunk[:left])
        into.stdin.close()
        said = into.stdout.read().decode()
        took = time.monotonic() - began
    if f"{total // block}+0 records in" not in said:
        raise RuntimeError(f"not all of {total} bytes arrived: {said}")
    return total / 1e6 / took


def streams(bench: Bench) -> None:
    for prefix, runtime in ("", bench.kata), ("runc: ", bench.runc):
        bench.figures.add(f"{prefix}stdout", _stdout(runtime, 1 << 20, STREAM_BYTES >> 20))
        bench.figures.add(f"{prefix}stdout, blocks of 1 KiB", _stdout(runtime, 1 << 10, STREAM_BYTES >> 12))
        bench.figures.add(f"{prefix}stdin", _stdin(runtime, 1 << 20, STREAM_BYTES))
        bench.figures.add(f"{prefix}stdin, blocks of 1 KiB", _stdin(runtime, 1 << 10, STREAM_BYTES >> 2))


def _terminal(command: list[str]) -> float:
    """Microseconds a line, of a program that prints TERMINAL_LINES on a terminal, one write each."""
    script = f"echo; exec seq 1 {TERMINAL_LINES}"
    master, slave = os.openpty()
    with subprocess.Popen([*command, "sh", "-c", script], stdin=slave, stdout=slave, stderr=slave,
                          start_new_session=True):
        os.close(slave)
        os.read(master, 1)
        began = time.monotonic()
        tail = b""
        while f"\n{TERMINAL_LINES}\r\n".encode() not in tail:
            tail = (tail + os.read(master, 1 << 16))[-64:]
        took = time.monotonic() - began
        os.close(master)
    return took / TERMINAL_LINES * 1e6


def terminal_lines(bench: Bench) -> None:
    bench.figures.add("line on a terminal", _terminal([*bench.kata, "exec", "-t", KEEPER]))
    bench.figures.add("runc: line on a terminal", _terminal([*bench.runc, "exec", "-t", KEEPER]))


def memory(bench: Bench) -> None:
    server = _keeper_server(bench)
    bench.figures.add("sandbox server PSS", pss_kib(server))
    virtiofsd = 0
    for pid in descendants(server):
        name = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
        if name.startswith("qemu-system"):
            bench.figures.add("QEMU PSS", pss_kib(pid))
        elif name == "virtiofsd":
            virtiofsd += pss_kib(pid)
    bench.figures.add("virtiofsd PSS", virtiofsd)
    bench.figures.add("stand-in, memory of its own", _written_kib(json.loads(bench.tell(*bench.kata, "state", KEEPER))["pid"]))
    _witness(bench)
    bench.figures.add("guest memory in use", _kib(bench, "/proc/meminfo", "MemTotal")
                      - _kib(bench, "/proc/meminfo", "MemAvailable"))
    bench.figures.add("agent RSS", _kib(bench, "/proc/1/smaps_rollup", "Rss"))
    # The kernel counts for each thread apart and adds up after 64 pages: so much may be missing.
    bench.figures.add("agent RSS, peak", _kib(bench, "/proc/1/status", "VmHWM") + 63 * 4)
    bench.figures.add("zygote RSS", _kib(bench, f"{_zygote(bench)}/smaps_rollup", "Rss"))


def _witness(bench: Bench) -> None:
    """The keeper must see the agent, which is PID 1 of the guest, and not a PID 1 of its own."""
    name = subprocess.run([*bench.kata, "exec", KEEPER, "cat", "/proc/1/comm"], check=True, capture_output=True,
                          stdin=subprocess.DEVNULL, text=True).stdout.strip()
    if name != "init":
        raise RuntimeError(f"PID 1 that the keeper sees is '{name}' and not the agent")


def _zygote(bench: Bench) -> str:
    """Its folder in the guest's /proc."""
    script = "for p in /proc/[0-9]*; do grep -q '[z]ygote' $p/cmdline && echo $p; done"
    return bench.tell(*bench.kata, "exec", KEEPER, "sh", "-c", script + "; true").strip()


def _kib(bench: Bench, file: str, key: str) -> int:
    text = bench.tell(*bench.kata, "exec", KEEPER, "cat", file)
    match = re.search(rf"^{key}:\s+(\d+) kB", text, re.M)
    if not match:
        raise RuntimeError(f"no {key} in {file} of the guest")
    return int(match.group(1))


def sizes(bench: Bench) -> None:
    build = bench.tree / "build"
    stripped = bench.scratch / "stripped"
    for name, path in (("containerd-shim-kata-v2 binary", "containerd-shim-kata-v2"), ("kata-runtime binary", "kata-runtime"),
                       ("agent binary", "kata-agent")):
        subprocess.run(["strip", "-o", str(stripped), str(build / path)], check=True)
        bench.figures.add(name, stripped.stat().st_size / 1024)
    bench.figures.add("initrd", (build / "guest/initrd.img").stat().st_size / 1024)


# A reader that stops early must not end the bench.
signal.signal(signal.SIGPIPE, signal.SIG_IGN)
