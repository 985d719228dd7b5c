"""Namespaces, user namespaces, host name, sysctls."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from harness.bundle import DROP, namespaces
from harness.case import Case, Expect, probe, sh
from harness.runtime import CaseError, Container

NET = "/sys/class/net"
# What the host has already: a runtime that sets them where it must not changes nothing.
SWAPPINESS = Path("/proc/sys/vm/swappiness").read_text().strip()
FORWARD = Path("/proc/sys/net/ipv4/ip_forward").read_text().strip()


def without(*kinds: str) -> dict[str, Any]:
    return {"linux.namespaces": namespaces(drop=kinds)}


def mapped(*ranges: tuple[int, int, int], **more: Any) -> dict[str, Any]:
    """A user namespace with these ranges for users and groups."""
    ids = [{"containerID": inside, "hostID": outside, "size": size}
           for inside, outside, size in ranges]
    return {"linux.namespaces": namespaces("user"), "linux.uidMappings": ids,
            "linux.gidMappings": ids, **more}


def owned_by(uid: int) -> Any:
    """A file that makes the whole root file system belong to `uid`."""
    def make(path: Path) -> None:
        for name in [path.parent, *path.parent.rglob("*")]:
            os.lchown(name, uid, uid)
        shutil.copyfile("/dev/null", path)
        os.chown(path, uid, uid)
    return make


def _host(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CaseError(f"{' '.join(words)}: {done.stderr}")


def in_network(container: Container) -> None:
    """Runs the container in a network namespace which has one end of a veth pair as eth0."""
    path = str(container.home / "net")
    Path(path).touch()
    _host("unshare", f"--net={path}", "true")
    try:
        inside = ("nsenter", f"--net={path}")
        _host(*inside, "ip", "link", "set", "lo", "up")
        _host(*inside, "ip", "link", "add", "eth0", "address", "02:00:00:00:00:0a", "type", "veth",
              "peer", "name", "peer0")
        _host(*inside, "ip", "addr", "add", "10.9.8.7/24", "dev", "eth0")
        _host(*inside, "ip", "link", "set", "peer0", "up")
        _host(*inside, "ip", "link", "set", "eth0", "mtu", "1400", "up")
        result = container.run()
        container.say(f"exit {result.exit}", result.text + result.stderr.decode())
    finally:
        _host("umount", path)


ADDRESS_OF_ETH0 = sh("ip -o addr show eth0 | awk '{ print $2, $3, $4 }' | grep -w inet; "
                     f"cat {NET}/eth0/address {NET}/eth0/mtu; ip route")

NAMESPACES = [
    Case("namespace/all", probe("session", "host", "net", "grouppath", "userns")),
    Case("namespace/pid_absent", probe("session"), without("pid")),
    Case("namespace/ipc_absent", sh("cat /proc/sys/kernel/msgmax >/dev/null && echo ok"),
         {**without("ipc"), "mounts-": ["/dev/mqueue"]}),
    Case("namespace/uts_absent", sh("test -n \"$(hostname)\" && echo named"),
         {**without("uts"), "hostname": DROP}),
    Case("namespace/network_absent", sh("ip link show lo | grep -c UP"), without("network")),
    Case("namespace/cgroup_absent", probe("grouppath"), without("cgroup"),
         expect=Expect(stdout="cgroup is shown as the root: yes\n")),
    Case("namespace/unknown", edit={"linux.namespaces": namespaces("nosuch")}, refused=True),
    Case("namespace/path_missing", edit={
        "linux.namespaces": namespaces(network="/no/such/namespace")}, refused=True),
    Case("namespace/path_of_another_type", edit={
        "linux.namespaces": namespaces(network="/proc/self/ns/uts")}, refused=True),
    Case("namespace/path_is_no_namespace", edit={
        "linux.namespaces": namespaces(network="/etc/passwd")}, refused=True),
    Case("namespace/hostname_without_uts", edit=without("uts"), refused=True),
    Case("namespace/network_is_isolated", sh("ip link | grep -c eth; ip route | wc -l")),
    Case("namespace/network_by_path", ADDRESS_OF_ETH0,
         {"linux.namespaces": namespaces(network="{home}/net")}, drive=in_network),
    Case("namespace/time_offsets", probe("time"),
         {"linux.namespaces": namespaces("time"),
          "linux.timeOffsets": {"monotonic": {"secs": 1000, "nanosecs": 5},
                                "boottime": {"secs": 2000, "nanosecs": 0}}}, reference=False,
         expect=Expect("time offset monotonic: 1000.000000005\n"
                       "time offset boottime: 2000.000000000\n")),
    Case("namespace/time_offsets_without_namespace", probe("time"),
         {"linux.timeOffsets": {"monotonic": {"secs": 1000, "nanosecs": 0}}}, reference=False,
         refused=True, expect=Expect(exit=1)),
]

USER_NAMESPACES = [
    Case("userns/mapped", probe("userns", "id", "caps"), mapped((0, 100000, 65536))),
    Case("userns/owners", probe("stat:/etc/passwd,/etc,/tmp", "make:/,/tmp"),
         mapped((0, 100000, 65536)), {"rootfs/mine": owned_by(100000)}),
    Case("userns/owners_not_mapped", probe("stat:/etc/passwd", "make:/"),
         mapped((0, 100000, 65536))),
    Case("userns/two_ranges", probe("userns", "id"),
         mapped((0, 100000, 1000), (1000, 300000, 1000)), {"rootfs/mine": owned_by(100000)}),
    Case("userns/a_user_in_it", probe("userns", "id", "make:/tmp"),
         mapped((0, 100000, 65536), **{"process.user": {
             "uid": 1000, "gid": 1000, "additionalGids": [2000]}}),
         {"rootfs/mine": owned_by(100000)}),
    Case("userns/file_owner_reaches_the_host", sh("touch /new; chown 7:8 /new"),
         mapped((0, 100000, 65536)), {"rootfs/mine": owned_by(100000)},
         drive=lambda c: _owner_of_new(c)),
    Case("userns/root_has_power_inside_only", probe("try:sethostname,mknod,mount"),
         mapped((0, 100000, 65536), **{"process.capabilities": {
             name: ["CAP_SYS_ADMIN", "CAP_MKNOD"] for name in
             ("bounding", "effective", "permitted")}}), {"rootfs/mine": owned_by(100000)}),
    Case("userns/overlap", edit=mapped((0, 100000, 10), (9, 200000, 10)), refused=True),
    Case("userns/beyond_the_last_id", edit=mapped((0, 4294967290, 10)), refused=True),
    Case("userns/size_zero", edit=mapped((0, 100000, 0)), refused=True),
    Case("userns/more_ranges_than_the_kernel_takes",
         edit=mapped(*((i, 100000 + i, 1) for i in range(341))), refused=True),
    Case("userns/mounts", probe("mounts:/proc,/dev,/dev/pts,/dev/shm,/sys"),
         mapped((0, 100000, 65536)), {"rootfs/mine": owned_by(100000)}),
    Case("userns/devices", sh(
        "echo x > /dev/null; head -c 4 /dev/zero | wc -c; ls /dev | grep -v core"),
         mapped((0, 100000, 65536)), {"rootfs/mine": owned_by(100000)}),
]


def _owner_of_new(container: Container) -> None:
    result = container.run()
    made = (container.bundle / "rootfs/new").stat()
    container.say(f"exit {result.exit} {result.stderr.decode()} owner {made.st_uid}:{made.st_gid}")


HOST = [
    Case("hostname/set", probe("host")),
    # The reference takes the host's.
    Case("hostname/absent", ["/bin/hostname"], {"hostname": DROP}, reference=False,
         expect=Expect("localhost\n")),
    Case("hostname/long", probe("host"), {"hostname": "h" * 64}),
    Case("hostname/too_long", edit={"hostname": "h" * 65}, refused=True),
    Case("domainname/set", probe("host"), {"domainname": "example.org"}, reference=False,
         expect=Expect("hostname: conformance\ndomainname: example.org\n")),
    Case("sysctl/of_the_network", probe("sysctl:net/ipv4/ip_forward,net/core/somaxconn"),
         {"linux.sysctl": {"net.ipv4.ip_forward": "1", "net.core.somaxconn": "256"}}),
    Case("sysctl/of_ipc", probe("sysctl:kernel/msgmax,kernel/sem,fs/mqueue/msg_max"),
         {"linux.sysctl": {"kernel.msgmax": "65536", "kernel.sem": "250 32000 100 128",
                           "fs.mqueue.msg_max": "20"}}),
    Case("sysctl/with_slashes", probe("sysctl:net/ipv4/ip_forward"),
         {"linux.sysctl": {"net/ipv4/ip_forward": "1"}}),
    Case("sysctl/unknown", edit={"linux.sysctl": {"net.ipv4.no_such_thing": "1"}}, refused=True),
    Case("sysctl/of_the_whole_host", edit={"linux.sysctl": {
        "vm.swappiness": SWAPPINESS}}, refused=True),
    Case("sysctl/bad_value", edit={"linux.sysctl": {"net.ipv4.ip_forward": "yes"}}, refused=True),
    Case("sysctl/in_a_namespace_not_made", edit={
        **without("network"), "linux.sysctl": {"net.ipv4.ip_forward": FORWARD}}, refused=True),
    Case("sysctl/read_only_afterwards", sh("echo 1 > /proc/sys/net/ipv4/ip_forward; echo $?")),
]

CASES = [*NAMESPACES, *USER_NAMESPACES, *HOST]
