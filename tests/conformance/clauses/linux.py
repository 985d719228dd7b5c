"""config-linux.md and runtime-linux.md."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from harness.bundle import namespaces
from harness.case import probe, sh
from harness.clause import Chapter, output, require
from harness.runtime import Container
from harness.terminal import Dialogue

CHAPTER = Chapter("config-linux.md")
RUNTIME_LINUX = Chapter("runtime-linux.md")
MIB = 1 << 20
BOOT_ID = "/proc/sys/kernel/random/boot_id"
DENY = {"allow": False, "access": "rwm"}
FIFO = {"path": "/dev/pipe", "type": "p"}
DEVICES = (("null", "1:3"), ("zero", "1:5"), ("full", "1:7"), ("random", "1:8"),
           ("urandom", "1:9"), ("tty", "5:0"))
LISTENS = """
import socket
with socket.create_server(("10.11.12.13", 7)) as server:
    print(flush=True)
    while True:
        with server.accept()[0] as connection:
            connection.sendall(b"it is here\\n")
"""


def device(path: str, **more: Any) -> dict[str, Any]:
    return {"path": path, "type": "c", "major": 1, "minor": 3, **more}


def mapped(size: int) -> list[dict[str, int]]:
    return [{"containerID": 0, "hostID": 100000, "size": size}]


def seccomp(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"linux.seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules, **more}}


def errno_rule(**more: Any) -> dict[str, Any]:
    return {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", **more}


CHAPTER.refuses("namespace_path_relative", "Namespaces", "a path must be absolute",
                {"linux.namespaces": namespaces(network="proc/self/ns/net")})
CHAPTER.refuses("namespace_path_wrong_type", "Namespaces",
                "a path of another type of namespace is an error",
                {"linux.namespaces": namespaces(network="/proc/self/ns/ipc")})
CHAPTER.refuses("namespace_twice", "Namespaces", "a type given twice is an error",
                {"linux.namespaces": [*namespaces(), {"type": "ipc"}]})


@CHAPTER.must("Namespaces", "a type without a path is a new namespace",
              tuple(sh(f"cat {BOOT_ID}; echo $$; "
                       "for n in pid net ipc uts mnt cgroup; do readlink /proc/self/ns/$n; done")))
def namespace_new(c: Container) -> None:
    # The numbers are those of one kernel: under another one the same number is another namespace.
    kernel, pid, *inside = output(c).split()
    with open(BOOT_ID, encoding="ascii") as file:
        same_kernel = file.read().strip() == kernel
    own = {os.readlink(f"/proc/self/ns/{name}") for name in os.listdir("/proc/self/ns")}
    shared = own & set(inside) if same_kernel else set()
    require(len(set(inside)) == 6 and pid == "1" and not shared, f"not new: pid {pid}, {shared}")


@CHAPTER.must("Namespaces", "with a path the process is in that namespace",
              tuple(sh("ip -o addr show dev lo | grep -c 10.11.12.13; "
                       "nc 10.11.12.13 7 </dev/null")),
              {"linux.namespaces": namespaces(network="{home}/net")})
def namespace_by_path(c: Container) -> None:
    # An address alone may be a copy; the sockets of a namespace are reached from within it only.
    path = c.home / "net"
    path.touch()
    subprocess.run(["unshare", f"--net={path}", "sh", "-ec",
                    "ip link set lo up; ip addr add 10.11.12.13/32 dev lo"], check=True)
    with subprocess.Popen(["nsenter", f"--net={path}", sys.executable, "-c", LISTENS],
                          stdout=subprocess.PIPE, text=True) as listener:
        assert listener.stdout and listener.stdout.readline()
        try:
            result = c.run()
            subprocess.run(["nsenter", f"--net={path}", "true"], check=True)
        finally:
            listener.kill()
            subprocess.run(["umount", path], check=True)
    require(result.text == "1\nit is here\n",
            f"not in it: {result.text}{result.stderr.decode()}")


CHAPTER.prints("namespace_absent", "Namespaces", "a type that is not listed is inherited",
               probe("session"), "is pid 1: no\nleads its session: yes\nleads its group: yes\n"
               "has a terminal: no\nsees other processes: yes\n",
               {"linux.namespaces": namespaces(drop=["pid"])})
CHAPTER.prints("user_namespace", "User namespace mappings", "mappings are those given",
               probe("userns"),
               "uid_map: 0 100000 1000\ngid_map: 0 100000 500\nsetgroups: allow\n",
               {"linux.namespaces": namespaces("user"), "linux.uidMappings": mapped(1000),
                "linux.gidMappings": mapped(500)})
CHAPTER.prints("time_offsets", "Offset for time namespace", "offsets are those given",
               probe("time"), "time offset monotonic: 100.000000000\n"
               "time offset boottime: 200.000000000\n",
               {"linux.namespaces": namespaces("time"), "linux.timeOffsets": {
                   "monotonic": {"secs": 100}, "boottime": {"secs": 200}}})

CHAPTER.prints("devices", "Devices", "devices are available in the container",
               probe("stat:/dev/mine,/dev/pipe"),
               "/dev/mine: char 0600 1:2 1:3\n/dev/pipe: fifo 0644 0:0\n",
               {"linux.devices": [device("/dev/mine", fileMode=0o600, uid=1, gid=2),
                                  {**FIFO, "fileMode": 0o644}]})
CHAPTER.refuses("device_does_not_match", "Devices",
                "a file that is there and is another thing is an error",
                {"linux.devices": [device("/etc/passwd")]})
CHAPTER.refuses("device_without_type", "Devices", "type is required",
                {"linux.devices": [{"path": "/dev/mine", "major": 1, "minor": 3}]})
CHAPTER.refuses("device_without_path", "Devices", "path is required",
                {"linux.devices": [{"type": "c", "major": 1, "minor": 3}]})
CHAPTER.refuses("device_without_numbers", "Devices", "major and minor are required but for fifos",
                {"linux.devices": [{"path": "/dev/mine", "type": "c"}]})
CHAPTER.prints("default_devices", "Default devices", "the usual devices are supplied",
               probe("stat:" + ",".join(f"/dev/{name}" for name, _ in DEVICES)),
               "".join(f"/dev/{name}: char 0666 0:0 {number}\n" for name, number in DEVICES))
CHAPTER.prints("default_ptmx", "Default devices", "/dev/ptmx leads to the own pts",
               sh("exec 3<>/dev/ptmx && ls /dev/pts"), "0\nptmx\n")


@CHAPTER.must("Default devices", "/dev/console is there with a terminal",
              probe("stat:/dev/console"), {"process.terminal": True})
def default_console(c: Container) -> None:
    got = c.run_tty(Dialogue()).text
    require(got.startswith("/dev/console: char"), f"it is {got!r}")


# Without a cgroup namespace the process sees where it is; its kernel need not be that of the runtime.
@CHAPTER.must("Control groups", "the same absolute cgroupsPath is the same place below the mount",
              ("/bin/find", "/groups/", "-maxdepth", "2", "-name", "*-group"),
              {"linux.cgroupsPath": "/{id}-group",
               "mounts+": [{"destination": "/groups", "type": "bind", "source": "/sys/fs/cgroup",
                            "options": ["rbind", "ro"]}]})
def cgroups_path(c: Container) -> None:
    places = []
    for _ in range(2):
        # Below the mount, and with version 1 below the mount of each controller.
        places.append({line.rpartition("/")[2] for line in output(c).splitlines()})
    require(places[0] == {f"{c.id}-group"} and places[0] == places[1], f"the places are {places}")


CHAPTER.prints("resources", "Control groups", "the resources are those given",
               probe("memory", "pids", "cpu", "cpuset"),
               f"memory limit: {64 * MIB}\nmemory reservation: {32 * MIB}\npids limit: 40\n"
               "cpu weight: 79\ncpu quota: 30000\ncpu period: 60000\ncpuset cpus: 0\n"
               "cpuset mems: 0\ncpus allowed: 1\n",
               {"linux.resources.memory": {"limit": 64 * MIB, "reservation": 32 * MIB},
                "linux.resources.pids": {"limit": 40}, "linux.resources.cpu": {
                    "shares": 2048, "quota": 30000, "period": 60000, "cpus": "0", "mems": "0"}})
CHAPTER.prints("device_rules_in_order", "Allowed device list", "rules apply in their order",
               probe("open:/dev/x"), "open /dev/x: read ENXIO, write EPERM\n",
               {"linux.devices": [device("/dev/x", minor=99)], "linux.resources.devices": [
                   DENY, {"allow": True, "type": "c", "major": 1, "minor": 99, "access": "rw"},
                   {"allow": False, "type": "c", "major": 1, "minor": 99, "access": "w"}]})
CHAPTER.prints("hugepage_limit", "Huge page limits", "the limit of a page size is that given",
               probe("group:hugetlb.2MB.max"), f"hugetlb.2MB.max: {4 * MIB}\n",
               {"linux.resources.hugepageLimits": [{"pageSize": "2MB", "limit": 4 * MIB}]})
CHAPTER.prints("unified", "Unified", "files of version 2 are written as given",
               probe("group:memory.high,pids.max"), f"memory.high: {32 * MIB}\npids.max: 33\n",
               {"linux.resources.unified": {"memory.high": str(32 * MIB), "pids.max": "33"}})
CHAPTER.prints("unified_unknown_key", "Unified", "files the runtime does not know are written too",
               probe("group:cgroup.max.depth"), "cgroup.max.depth: 7\n",
               {"linux.resources.unified": {"cgroup.max.depth": "7"}})
CHAPTER.refuses("unified_no_controller", "Unified", "a controller that is not there is an error",
                {"linux.resources.unified": {"nosuch.max": "1"}})
CHAPTER.refuses("intel_rdt_missing", "IntelRdt", "without resctrl it is an error",
                {"linux.intelRdt": {"closID": "none", "l3CacheSchema": "L3:0=f"}})

CHAPTER.prints("sysctl", "Sysctl", "kernel parameters are set",
               probe("sysctl:net/ipv4/ip_forward,kernel/msgmax"),
               "sysctl net/ipv4/ip_forward: 1\nsysctl kernel/msgmax: 9000\n",
               {"linux.sysctl": {"net.ipv4.ip_forward": "1", "kernel.msgmax": "9000"}})
CHAPTER.prints("seccomp", "Seccomp", "a rule's action is taken", probe("try:mkdir,sync"),
               "try mkdir: EPERM\ntry sync: ok\n", seccomp(errno_rule()))
CHAPTER.prints("seccomp_arguments", "Seccomp", "a rule with args acts on those only",
               probe("try:dup10,dup20"), "try dup10: EXDEV\ntry dup20: ok\n",
               seccomp({"names": ["dup3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 18,
                        "args": [{"index": 1, "value": 10, "op": "SCMP_CMP_EQ"}]}))
CHAPTER.refuses("seccomp_default_absent", "Seccomp", "defaultAction is required",
                {"linux.seccomp": {"syscalls": [errno_rule()]}})
CHAPTER.refuses("seccomp_names_empty", "Seccomp", "names has at least one entry",
                seccomp(errno_rule(names=[])))
CHAPTER.refuses("seccomp_errno_unsupported", "Seccomp",
                "errnoRet for an action that has no errno is an error",
                seccomp({"names": ["mkdir"], "action": "SCMP_ACT_KILL", "errnoRet": 5}))
CHAPTER.refuses("seccomp_default_errno_unsupported", "Seccomp",
                "defaultErrnoRet for an action that has no errno is an error",
                seccomp(defaultErrnoRet=5))
CHAPTER.refuses("seccomp_metadata_without_listener", "Seccomp",
                "listenerMetadata needs listenerPath", seccomp(listenerMetadata="x"))

for name in ("private", "slave", "shared", "unbindable"):
    CHAPTER.prints(f"rootfs_propagation_{name}", "Rootfs mount propagation",
                   f"{name} is what the root file system is", probe("mounts:/"),
                   f"mount /: disk relatime,rw {'private' if name == 'slave' else name}\n",
                   {"linux.rootfsPropagation": name})
CHAPTER.prints("masked_paths", "Masked paths", "they cannot be read",
               probe("masked:/bin,/etc/group"),
               "masked /bin: directory, empty\nmasked /etc/group: file, empty\n",
               {"linux.maskedPaths": ["/bin", "/etc/group"]})
CHAPTER.prints("readonly_paths", "Readonly paths", "they cannot be written",
               probe("make:/etc,/tmp"),
               "make in /etc: EROFS\nmake in /tmp: ok\n", {"linux.readonlyPaths": ["/etc"]})
CHAPTER.refuses("masked_path_relative", "Masked paths", "a path must be absolute",
                {"linux.maskedPaths": ["etc"]})
CHAPTER.refuses("readonly_path_relative", "Readonly paths", "a path must be absolute",
                {"linux.readonlyPaths": ["etc"]})
CHAPTER.prints("personality", "Personality", "domain is that of the process", ["/bin/uname", "-m"],
               "i686\n", {"linux.personality": {"domain": "LINUX32"}})
CHAPTER.refuses("personality_absent", "Personality", "domain is required",
                {"linux.personality": {}})

RUNTIME_LINUX.prints("descriptors", "File descriptors", "only 0, 1 and 2 are open",
                     sh("/probe fds | cut -d: -f1"), "fd 0\nfd 1\nfd 2\n")
RUNTIME_LINUX.prints("dev_links", "Dev symbolic links", "fd, stdin, stdout and stderr are links",
                     sh("for n in fd stdin stdout stderr; do readlink /dev/$n; done"),
                     "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\n")
