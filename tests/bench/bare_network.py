"""QEMU by itself with the same card: what the network costs without us. Its machine is that of the runtime without what
belongs to containers (measures.bare_machine), its PID 1 a script, and its tap has the gateway's address itself, with no
other interface between."""
from __future__ import annotations

import pathlib
import re
import subprocess

from measures import Bench, bare_machine

MODULES = ("virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "failover",
           "net_failover", "virtio_net")

# A module may be built in, or not be there (the lean kernel): then the card is all the same.
INIT = """#!/bin/busybox sh
busybox mount -t devtmpfs dev /dev
exec </dev/null >/dev/console 2>&1
cd /lib/modules
for module in {modules}; do busybox insmod $module.ko 2>/dev/null; done
busybox ip link set eth0 up
busybox ip addr add {address} dev eth0
{probes}
echo figures end
busybox sleep 100000
"""


def _initrd(bench: Bench, probe: pathlib.Path, script: str) -> pathlib.Path:
    """The modules of the guest image, and a second archive with the script, busybox and the probe."""
    init, path = bench.scratch / "bare-init", bench.scratch / "bare-initrd"
    init.write_text(script)
    entries = f"dir 755 bin\ndir 755 dev\nfile 755 init {init}\nfile 755 bin/busybox /bin/busybox\nfile 755 bin/net_probe {probe}\n"
    more = subprocess.run([str(bench.tree / "guest-image/write-cpio")], input=entries.encode(), check=True, capture_output=True)
    modules = (bench.tree / "build/guest/parts/modules.cpio").read_bytes()
    # The kernel looks for an archive that is not compressed at multiples of 4.
    path.write_bytes(modules + bytes(-len(modules) % 4) + more.stdout)
    return path


def _tap(gateway: str, address: str) -> None:
    for command in (
        f"ip -n {gateway} tuntap add bare0 mode tap vnet_hdr",
        f"ip -n {gateway} addr add {address}/24 dev bare0",
        f"ip -n {gateway} link set bare0 up",
    ):
        subprocess.run(command.split(), check=True)


def bare_network(bench: Bench, probe: pathlib.Path, gateway: str, net: str,
                 probes: list[tuple[str, str, str]], port: str) -> None:
    """@net: the first three numbers of a network that nothing else has; @probes: figure, word of net_probe, count."""
    _tap(gateway, f"{net}.1")
    commands = "\n".join(f"echo figure {number} $(/bin/net_probe {what} {net}.1 {port} {count})"
                         for number, (_, what, count) in enumerate(probes))
    script = INIT.format(modules=" ".join(MODULES), address=f"{net}.2/24", probes=commands)
    argv = bare_machine(bench, bench.tree / "build/guest/vmlinux", _initrd(bench, probe, script)) + [
        "-netdev", "tap,id=net,ifname=bare0,script=no,downscript=no,vhost=off",
        "-device", "virtio-net-pci,netdev=net,romfile=",
    ]
    found: dict[int, float] = {}
    said = b""
    with subprocess.Popen(["ip", "netns", "exec", gateway, *argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as qemu:
        assert qemu.stdout
        try:
            for line in qemu.stdout:
                said += line
                if figure := re.search(rb"figure (\d+) ([\d.]+)", line):
                    found[int(figure[1])] = float(figure[2])
                if b"figures end" in line or b"Kernel panic" in line:
                    break
        finally:
            qemu.kill()
    if len(found) != len(probes):
        raise RuntimeError(f"the bare machine has not measured its network: {said[-2000:].decode(errors='replace')}")
    for number, (figure_name, _, _) in enumerate(probes):
        bench.figures.add(f"bare QEMU: {figure_name}", found[number])
