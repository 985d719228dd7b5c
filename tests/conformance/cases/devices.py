"""Device nodes and their rules, masked and read-only paths."""

from __future__ import annotations

import os
from typing import Any

from harness.bundle import DROP, file
from harness.case import Case, Expect, probe, sh

DEFAULTS = ("null", "zero", "full", "random", "urandom", "tty")
DENY_ALL = {"allow": False, "access": "rwm"}


def devices(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"linux.devices": entries}


def device(path: str, kind: str, major: int, minor: int, **more: Any) -> dict[str, Any]:
    return {"path": path, "type": kind, "major": major, "minor": minor, **more}


def rules(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"linux.resources.devices": [DENY_ALL, *entries]}


def allow(kind: str, major: int, minor: int, access: str) -> dict[str, Any]:
    return {"allow": True, "type": kind, "major": major, "minor": minor, "access": access}


SEVEN = device("/dev/seven", "c", 1, 7)  # the numbers of /dev/full, with a node of its own
# No driver has these numbers: opening gives ENXIO where the rules allow it, else EPERM.
NOBODYS = device("/dev/nobodys", "c", 1, 99)
LOOK = probe("open:/dev/nobodys")
MKNOD = {"process.capabilities": {name: ["CAP_MKNOD"] for name in
                                  ("bounding", "effective", "permitted")}}


def of_the_host(path: str, kind: str, folder: str, major: str = "") -> dict[str, Any]:
    """A node for a device that this machine has."""
    numbers = min(n for n in os.listdir(folder) if n.startswith(major)).split(":")
    return device(path, kind, *map(int, numbers))


def host_disk() -> dict[str, Any]:
    return of_the_host("/dev/disk", "b", "/sys/dev/block")


def host_hardware() -> dict[str, Any]:
    return of_the_host("/dev/hardware", "c", "/sys/dev/char", "10:1")


NODES = [
    # /dev/core is there where the kernel has /proc/kcore.
    Case("devices/directory", sh("/probe ls:/dev | grep -v /dev/core")),
    Case("devices/usual_can_be_opened", probe("open:" + ",".join(
        f"/dev/{name}" for name in DEFAULTS if name != "tty"))),
    Case("devices/usual_work", sh(
        "echo x > /dev/null && head -c 5 /dev/zero | od -c | head -1; echo x > /dev/full; "
        "head -c 9 /dev/urandom | wc -c; head -c 9 /dev/random | wc -c; : < /dev/tty")),
    Case("devices/ptmx", sh("ls -l /dev/ptmx | awk '{ print $NF }'; "
                            "exec 3<>/dev/ptmx && ls /dev/pts")),
    Case("devices/standard_links", sh("cd /dev; for n in fd std*; do readlink $n; done")),
    Case("devices/character", probe("stat:/dev/seven", "open:/dev/seven"), devices(SEVEN)),
    Case("devices/mode_and_owner", probe("stat:/dev/mine"), devices(
        device("/dev/mine", "c", 1, 3, fileMode=0o640, uid=1000, gid=2000))),
    Case("devices/mode_ignores_umask", probe("stat:/dev/mine"), {
        **devices(device("/dev/mine", "c", 1, 3, fileMode=0o666)),
        "process.user": {"uid": 0, "gid": 0, "umask": 0o077}}),
    Case("devices/unbuffered_is_character", probe("stat:/dev/mine"),
         devices(device("/dev/mine", "u", 1, 3))),
    Case("devices/block", probe("stat:/dev/disk"), devices(device("/dev/disk", "b", 7, 200))),
    Case("devices/disk_without_a_rule", probe("stat:/dev/disk", "open:/dev/disk"),
         devices(host_disk())),
    Case("devices/of_the_host", edit=devices(host_hardware()), refused=True,
         expect=Expect(exit=1)),
    Case("devices/of_the_host_for_a_privileged", probe("stat:/dev/disk,/dev/null"), {
        **devices(host_disk(), device("/dev/null", "c", 1, 3)),
        "linux.resources.devices": [{"allow": True, "access": "rwm"}]},
         expect=Expect("/dev/disk: ENOENT\n/dev/null: char 0666 0:0 1:3\n")),
    Case("devices/fifo", probe("stat:/dev/pipe"), devices(
        {"path": "/dev/pipe", "type": "p", "fileMode": 0o600})),
    Case("devices/in_a_new_directory", probe("stat:/dev/a/b/c,/dev/a"),
         devices(device("/dev/a/b/c", "c", 1, 3))),
    Case("devices/outside_dev", probe("stat:/home/null"), devices(device("/home/null", "c", 1, 3))),
    Case("devices/usual_one_again", probe("stat:/dev/null"),
         {**devices(device("/dev/null", "c", 1, 3, fileMode=0o600)),
          **rules(allow("c", 1, 3, "rwm"))}),
    Case("devices/unknown_type", edit=devices(device("/dev/mine", "x", 1, 3)), refused=True),
    Case("devices/without_path", edit=devices(
        {"type": "c", "major": 1, "minor": 3}), refused=True, expect=Expect(exit=1)),
]

RULES = [
    Case("device_rules/usual_stay_allowed", probe("open:/dev/seven,/dev/null"), {
        **devices(SEVEN), "linux.resources.devices": [
            DENY_ALL, {"allow": False, "type": "c", "major": 1, "minor": 7, "access": "rwm"}]}),
    Case("device_rules/not_listed_is_denied", LOOK, devices(NOBODYS)),
    Case("device_rules/allowed", LOOK, {**devices(NOBODYS), **rules(allow("c", 1, 99, "rw"))}),
    Case("device_rules/read_only", LOOK, {**devices(NOBODYS), **rules(allow("c", 1, 99, "r"))}),
    Case("device_rules/write_only", LOOK, {**devices(NOBODYS), **rules(allow("c", 1, 99, "w"))}),
    Case("device_rules/whole_major", LOOK, {**devices(NOBODYS), **rules(allow("c", 1, -1, "rwm"))}),
    Case("device_rules/another_minor", LOOK, {**devices(NOBODYS), **rules(allow("c", 1, 98, "r"))}),
    Case("device_rules/another_type", LOOK, {**devices(NOBODYS), **rules(allow("b", 1, 99, "r"))}),
    Case("device_rules/later_wins", LOOK, {**devices(NOBODYS), **rules(
        allow("c", 1, 99, "rw"),
        {"allow": False, "type": "c", "major": 1, "minor": 99, "access": "w"})}),
    Case("device_rules/allow_all", LOOK, {
        **devices(NOBODYS), "linux.resources.devices": [{"allow": True, "access": "rwm"}]}),
    Case("device_rules/mknod_is_allowed_use_is_not", sh(
        "mknod /dev/k c 1 99 && echo made; /probe open:/dev/k"), MKNOD),
    Case("devices/made_in_the_root", sh("mknod /k c 1 3 2>&1; mknod /p p; mknod /dev/k c 1 3; ls /"
                                        " | grep -x '[kp]'"), MKNOD,
         expect=Expect("mknod: /k: Operation not permitted\np\n")),
    Case("device_rules/absent", probe("open:/dev/null,/dev/zero"),
         {"linux.resources.devices": DROP}),
    Case("device_rules/unknown_access", edit=rules(allow("c", 1, 11, "rz")), refused=True,
         expect=Expect(exit=1)),
    Case("device_rules/unknown_type", edit=rules(allow("x", 1, 11, "r")), refused=True),
]

PATHS = [
    Case("masked/usual", probe("masked:/proc/keys,/proc/timer_list,/sys/firmware")),
    Case("masked/file", sh("/probe masked:/etc/passwd; echo x > /etc/passwd; wc -c < /etc/passwd"),
         {"linux.maskedPaths": ["/etc/passwd"]}),
    Case("masked/directory", probe("masked:/home", "make:/home"),
         {"linux.maskedPaths": ["/home"]}, {"rootfs/home/secret": "secret\n"}),
    Case("masked/missing_path", sh("ls /nowhere"), {"linux.maskedPaths": ["/nowhere"]}),
    Case("masked/absent", sh("test -s /proc/timer_list; echo $?"), {"linux.maskedPaths": DROP}),
    Case("masked/relative", edit={"linux.maskedPaths": ["etc/passwd"]}, refused=True,
         expect=Expect(exit=1)),
    Case("readonly/usual", probe("make:/proc/sys,/proc/irq", "mounts:/proc/sys,/proc/irq")),
    Case("readonly/file", sh("cat /etc/fixed; echo x > /etc/fixed"),
         {"linux.readonlyPaths": ["/etc/fixed"]}, {"rootfs/etc/fixed": "fixed\n"}),
    Case("readonly/directory", probe("make:/home,/", "mounts:/home"),
         {"linux.readonlyPaths": ["/home"]}),
    Case("readonly/missing_path", sh("ls /nowhere"), {"linux.readonlyPaths": ["/nowhere"]}),
    Case("readonly/absent", probe("mounts:/proc/sys", "make:/proc/irq"),
         {"linux.readonlyPaths": DROP}),
    Case("masked/and_readonly", probe("masked:/home", "make:/home"),
         {"linux.readonlyPaths": ["/home"], "linux.maskedPaths": ["/home"]},
         {"rootfs/home/secret": file("secret\n", 0o600)}),
]

CASES = [*NODES, *RULES, *PATHS]
