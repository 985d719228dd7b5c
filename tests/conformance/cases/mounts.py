"""Mounts of all types with all options, propagation, and the root file system."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.bundle import DROP, directory, file, link, mount
from harness.case import Case, Expect, probe, sh
from harness.runtime import Container

FLAGS = ("ro", "rw", "nosuid", "suid", "nodev", "dev", "noexec", "exec", "noatime", "atime",
         "nodiratime", "diratime", "relatime", "norelatime", "strictatime", "nostrictatime",
         "sync", "async", "dirsync", "lazytime", "nolazytime", "mand", "nomand", "nosymfollow",
         "symfollow", "silent", "loud", "iversion", "noiversion", "acl", "noacl")
PROPAGATIONS = ("private", "slave", "shared", "unbindable",
                "rprivate", "rslave", "rshared", "runbindable")


def mounts(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"mounts+": entries}


def bind(destination: str, *options: str, source: str = "{bundle}/data") -> dict[str, Any]:
    return mount(destination, "bind", source, *(options or ("rbind",)))


def tmpfs(destination: str, *options: str) -> dict[str, Any]:
    return mount(destination, "tmpfs", "tmpfs", *options)


DATA: dict[str, Any] = {"data/inside": "content\n", "data/deep/file": "deep\n"}


@contextmanager
def _mounted(path: Path) -> Iterator[None]:
    """A tmpfs at `path` on the host with a file in it, for the time of a case."""
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", path], check=True)
    try:
        (path / "below").write_text("below\n")
        yield
    finally:
        subprocess.run(["umount", path], check=True)


def with_submount(container: Container) -> None:
    """Runs the container while data/sub is a mount of its own on the host."""
    with _mounted(container.bundle / "data/sub"):
        result = container.run()
    container.say(f"exit {result.exit}", result.text, result.stderr.decode())


def with_fifo_reader(container: Container) -> None:
    """Runs the container while the host reads from data/fifo."""
    fd = os.open(container.bundle / "data/fifo", os.O_RDONLY | os.O_NONBLOCK)
    try:
        result = container.run()
        container.say(f"exit {result.exit}", result.text, "host read", os.read(fd, 100))
    finally:
        os.close(fd)


def with_listener(container: Container) -> None:
    """Runs the container while the host listens on data/socket."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(container.bundle / "data/socket"))
        listener.listen()
        result = container.run()
    container.say(f"exit {result.exit}", result.text)


def with_lock(container: Container) -> None:
    """Runs the container while the host has a lock on data/inside."""
    with open(container.bundle / "data/inside", encoding="utf-8") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        result = container.run()
    container.say(f"exit {result.exit}", result.text)


def shows(*paths: str) -> Callable[[Container], None]:
    """Runs the container, then says how these files of its bundle look on the host."""
    def drive(container: Container) -> None:
        result = container.run()
        container.say(f"exit {result.exit}", result.text, result.stderr.decode())
        for name in paths:
            path = container.bundle / name
            if not os.path.lexists(path):
                container.say(name, "absent")
                continue
            st = path.lstat()
            content = path.read_text() if path.is_file() and not path.is_symlink() else ""
            container.say(name, oct(st.st_mode), f"{st.st_uid}:{st.st_gid}", repr(content))
    return drive


def static_tool(path: Path) -> None:
    """The probe under another name; without arguments it prints nothing."""
    shutil.copy(path.parents[2] / "rootfs/probe", path)


# Version 1 of control groups has a directory for each controller, version 2 has not.
MAKE_GROUP = sh("cd /sys/fs/cgroup; [ ! -d memory ] || cd memory; mkdir x && rmdir x && echo made")

TYPES = [
    Case("mounts/usual", probe("mounts")),
    Case("mounts/usual_places", probe(
        "mounts:/proc,/dev,/dev/pts,/dev/shm,/dev/mqueue,/sys", "make:/proc,/dev,/dev/shm,/sys")),
    Case("mounts/none", sh("echo still runs"), {
        "mounts": [], "linux.maskedPaths": DROP, "linux.readonlyPaths": DROP}, reference=False,
         expect=Expect("still runs\n")),
    Case("mounts/proc_shows_own_processes", sh("echo /proc/[0-9]*; cat /proc/1/comm")),
    Case("mounts/proc_ro", probe("mounts:/proc"), {
        "mounts-": ["/proc"], "mounts+": [mount("/proc", "proc", "proc", "ro", "nosuid")]}),
    Case("mounts/sysfs_rw", probe("mounts:/sys"), {
        "mounts-": ["/sys", "/sys/fs/cgroup"], "mounts+": [mount("/sys", "sysfs", "sysfs")]}),
    Case("mounts/devpts_options", probe("mounts:/dev/pts", "stat:/dev/pts/ptmx,/dev/ptmx"), {
        "mounts-": ["/dev/pts"], "mounts+": [mount("/dev/pts", "devpts", "devpts", "newinstance",
                                                   "ptmxmode=0600", "mode=0600", "gid=7")]}),
    Case("mounts/mqueue", probe("mounts:/dev/mqueue", "make:/dev/mqueue")),
    Case("mounts/cgroup_ro", MAKE_GROUP),
    Case("mounts/cgroup_rw", MAKE_GROUP, {
        "mounts-": ["/sys/fs/cgroup"],
        "mounts+": [mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev")]}),
    Case("mounts/tmpfs", probe("mounts:/mnt", "make:/mnt", "stat:/mnt"),
         mounts(tmpfs("/mnt"))),
    Case("mounts/tmpfs_without_a_folder", probe("stat:/made,/made/here,/home"),
         mounts(tmpfs("/made/here"), tmpfs("/home")), {"rootfs/home/x": file("x", 0o600)}),
    Case("mounts/tmpfs_size", sh("/probe mounts:/mnt; head -c 2000000 /dev/zero > /mnt/x; "
                                 "wc -c < /mnt/x"), mounts(tmpfs("/mnt", "size=1m"))),
    Case("mounts/tmpfs_owner_and_mode", probe("mounts:/mnt", "stat:/mnt"),
         mounts(tmpfs("/mnt", "mode=2750", "uid=1000", "gid=2000", "nr_inodes=10")),
         expect=Expect("mount /mnt: tmpfs relatime,rw private "
                       "gid=2000,mode=2750,nr_inodes=10,uid=1000\n"
                       "/mnt: directory 2750 1000:2000\n")),
    Case("mounts/tmpfs_ro", probe("mounts:/mnt", "make:/mnt"), mounts(tmpfs("/mnt", "ro"))),
    Case("mounts/tmpfs_noexec", sh("cp /bin/busybox /mnt/true && /mnt/true; echo $?"),
         mounts(tmpfs("/mnt", "noexec"))),
    Case("mounts/tmpfs_hides", sh("ls /home; touch /home/new"), mounts(tmpfs("/home")),
         {"rootfs/home/old": "old\n"}, drive=shows("rootfs/home/old", "rootfs/home/new")),
    Case("mounts/tmpfs_copies_up", sh("cat /home/*; touch /home/new; /probe stat:/home,/home/old"),
         mounts(tmpfs("/home", "tmpcopyup", "mode=755")), {"rootfs/home/old": file("old\n", 0o600)},
         drive=shows("rootfs/home/old", "rootfs/home/new")),
    Case("mounts/ramfs", probe("mounts:/mnt", "make:/mnt"),
         mounts(mount("/mnt", "ramfs", "ramfs"))),
    Case("mounts/overlay_lower_only", sh("cat /mnt/a /mnt/b /mnt/both; touch /mnt/x; echo $?"),
         mounts(mount("/mnt", "overlay", "overlay", "lowerdir={bundle}/two:{bundle}/one")),
         {"one/a": "a\n", "two/b": "b\n", "one/both": "from one\n", "two/both": "from two\n"}),
    Case("mounts/overlay_upper", sh("cat /mnt/a; echo new > /mnt/a; rm /mnt/b; ls /mnt"),
         mounts(mount("/mnt", "overlay", "overlay",
                      "lowerdir={bundle}/one,upperdir={bundle}/up,workdir={bundle}/work")),
         {"one/a": "a\n", "one/b": "b\n", "up": directory(), "work": directory()},
         drive=shows("one/a", "one/b", "up/a")),
    Case("mounts/overlay_readonly", sh("cat /mnt/a; echo new > /mnt/a"),
         mounts(mount("/mnt", "overlay", "overlay", "nosuid", "rprivate", "ro",
                      "lowerdir={bundle}/one,upperdir={bundle}/up,workdir={bundle}/work")),
         {"one/a": "a\n", "up": directory(), "work": directory()}, drive=shows("up/a")),
    Case("mounts/overlay_layer_missing", edit=mounts(
        mount("/mnt", "overlay", "overlay", "lowerdir={bundle}/one")), refused=True),
]

# One bundle per flag on a tmpfs would be 31 machines for the same road; one has them all.
OPTIONS = [
    Case("mounts/flags_on_tmpfs", probe("mounts:" + ",".join(f"/mnt/{f}" for f in FLAGS)),
         mounts(*(tmpfs(f"/mnt/{flag}", flag) for flag in FLAGS))),
    Case("mounts/flags_on_bind", probe("mounts:" + ",".join(f"/mnt/{f}" for f in FLAGS)),
         mounts(*(bind(f"/mnt/{flag}", "bind", flag) for flag in FLAGS)), DATA),
    Case("mounts/flag_defaults", probe("mounts:/mnt"), mounts(tmpfs("/mnt", "defaults")),
         reference=False, expect=Expect("mount /mnt: tmpfs relatime,rw private\n")),
    Case("mounts/propagation", probe("mounts:" + ",".join(f"/mnt/{p}" for p in PROPAGATIONS)),
         mounts(*(tmpfs(f"/mnt/{name}", name) for name in PROPAGATIONS))),
    Case("mounts/propagation_of_bind", probe(
        "mounts:" + ",".join(f"/mnt/{p}" for p in PROPAGATIONS)),
         mounts(*(bind(f"/mnt/{name}", "rbind", name) for name in PROPAGATIONS)), DATA),
    Case("mounts/unknown_option", edit=mounts(tmpfs("/mnt", "nosuchoption")), refused=True),
    Case("mounts/unknown_option_of_a_bind", ["/bin/cat", "/mnt/file"],
         mounts(bind("/mnt", "bind", "bogus=1", "nonsense")), {"data/file": file("there\n")}),
    Case("mounts/unknown_type", edit=mounts(mount("/mnt", "nosuchfs", "none")), refused=True),
    Case("mounts/bad_option_value", edit=mounts(tmpfs("/mnt", "size=much")), refused=True),
]

BINDS = [
    Case("bind/directory", sh("cat /mnt/inside; echo new > /mnt/new"), mounts(bind("/mnt")), DATA,
         drive=shows("data/new", "data/inside")),
    Case("bind/directory_ro", sh("cat /mnt/inside; echo new > /mnt/new; /probe mounts:/mnt"),
         mounts(bind("/mnt", "bind", "ro")), DATA, drive=shows("data/new")),
    Case("bind/file", sh("cat /mnt/f; echo new > /mnt/f; /probe stat:/mnt/f"),
         mounts(bind("/mnt/f", source="{bundle}/data/inside")), DATA, drive=shows("data/inside")),
    Case("bind/file_ro", sh("cat /etc/passwd; echo new > /etc/passwd"),
         mounts(bind("/etc/passwd", "bind", "ro", source="{bundle}/data/inside")), DATA,
         drive=shows("data/inside", "rootfs/etc/passwd")),
    Case("bind/type_none", sh("cat /mnt/inside"),
         mounts(mount("/mnt", "none", "{bundle}/data", "bind")), DATA),
    Case("bind/without_type", sh("cat /mnt/inside"), mounts(
        {"destination": "/mnt", "source": "{bundle}/data", "options": ["bind"]}), DATA),
    Case("bind/relative_source", sh("cat /mnt/inside"), mounts(bind("/mnt", source="data")), DATA),
    Case("bind/makes_directory", sh("cat /new/deep/inside; /probe stat:/new,/new/deep"),
         mounts(bind("/new/deep")), DATA),
    Case("bind/makes_file", sh("cat /new/deep/f"), mounts(
        bind("/new/deep/f", source="{bundle}/data/inside")), DATA,
         drive=shows("rootfs/new/deep/f", "rootfs/new")),
    Case("bind/options", probe("mounts:/mnt"),
         mounts(bind("/mnt", "rbind", "nosuid", "nodev", "noexec", "noatime")), DATA),
    Case("bind/noexec_is_enforced", sh("/mnt/tool; echo $?"), mounts(
        bind("/mnt", "bind", "noexec")), {"data/tool": file("#!/bin/sh\necho ran\n", 0o755)}),
    Case("bind/through_link", sh("cat /home/inside; ls -l / | grep -c way"),
         mounts(bind("/way")), {**DATA, "rootfs/way": link("home")}),
    Case("bind/through_link_stays_inside", sh("cat /home/x/inside"), mounts(bind("/way/x")),
         {**DATA, "rootfs/way": link("../../../../../../home")}),
    Case("bind/dots_stay_inside", sh("cat /home/inside"), mounts(bind("/../../home")), DATA),
    Case("bind/source_is_link", sh("cat /mnt/inside"), mounts(bind("/mnt", source="{bundle}/way")),
         {**DATA, "way": link("data")}),
    Case("bind/over_a_mount", sh("ls /mnt; /probe mounts:/mnt,/mnt/x"),
         mounts(tmpfs("/mnt"), bind("/mnt/x")), DATA),
    Case("bind/hidden_by_a_later_mount", sh("ls /mnt | wc -l"),
         mounts(bind("/mnt"), tmpfs("/mnt")), DATA),
    Case("bind/two_places", sh("echo a > /mnt/one/shared; cat /mnt/two/shared"),
         mounts(bind("/mnt/one"), bind("/mnt/two")), DATA),
    Case("bind/device", sh("echo x > /mnt/n; /probe stat:/mnt/n"),
         mounts(bind("/mnt/n", source="/dev/null"))),
    Case("bind/socket_and_fifo", probe("stat:/mnt/fifo"), mounts(bind("/mnt")),
         {"data/fifo": os.mkfifo}),
    Case("bind/fifo_of_the_host", sh("timeout 2 sh -c 'echo x > /mnt/fifo'; echo $?"),
         mounts(bind("/mnt")), {"data/fifo": os.mkfifo}, drive=with_fifo_reader,
         expect=Expect("exit 0 143\n host read b''\n")),
    Case("bind/socket_of_the_host", probe("connect:/mnt/socket"), mounts(bind("/mnt")),
         {"data": directory()}, drive=with_listener,
         expect=Expect("exit 0 connect /mnt/socket: ECONNREFUSED\n\n")),
    Case("bind/lock_of_the_host", probe("lock:/mnt/inside"), mounts(bind("/mnt")), DATA,
         drive=with_lock, expect=Expect("exit 0 lock /mnt/inside: ok\n\n")),
    Case("bind/lock_of_its_own", probe("lock:/mnt/inside,/mnt/inside"), mounts(bind("/mnt")), DATA),
    Case("bind/recursive", sh("cat /mnt/sub/below"), mounts(bind("/mnt", "rbind")), DATA,
         drive=with_submount),
    Case("bind/not_recursive", sh("ls /mnt/sub | wc -l"), mounts(bind("/mnt", "bind")), DATA,
         drive=with_submount),
    Case("bind/ro_is_not_recursive", probe("make:/mnt,/mnt/sub"),
         mounts(bind("/mnt", "rbind", "ro")), DATA, drive=with_submount, expect=Expect(
             "exit 0 make in /mnt: EROFS\nmake in /mnt/sub: EROFS\n \n")),
    Case("bind/recursive_ro", probe("make:/mnt,/mnt/sub"),
         mounts(bind("/mnt", "rbind", "rro")), DATA, drive=with_submount),
    Case("bind/recursive_flags", probe("mounts:/mnt,/mnt/sub"),
         mounts(bind("/mnt", "rbind", "rnosuid", "rnodev", "rnoexec", "rnoatime")), DATA,
         drive=with_submount, expect=Expect(
             "exit 0 mount /mnt: disk noatime,nodev,noexec,nosuid,rw private\n \n")),
    Case("bind/source_missing", edit=mounts(bind("/mnt", source="/no/such/source")), refused=True),
    Case("bind/source_absent", edit=mounts({"destination": "/mnt", "options": ["bind"]}),
         refused=True, expect=Expect(exit=1)),
    Case("bind/directory_on_file", edit=mounts(bind("/etc/passwd")), files=DATA, refused=True),
    Case("bind/file_on_directory", edit=mounts(bind("/etc", source="{bundle}/data/inside")),
         files=DATA, refused=True),
    Case("bind/over_proc", edit=mounts(bind("/proc")), files=DATA, refused=True),
    Case("bind/below_proc", edit=mounts(bind("/proc/sys")), files=DATA, refused=True),
]

# What the specification asks for; runc 1.1.5 takes the propagation of what is above the root.
SHARED = {
    "shared": Expect("mount /: disk relatime,rw shared\nmount /mnt: tmpfs relatime,rw private\n"),
    "rshared": Expect("mount /: disk relatime,rw shared\nmount /mnt: tmpfs relatime,rw shared\n"),
}

ROOT = [
    Case("root/writes_reach_the_host", sh("echo new > /new; ln -s x /way; mkdir -m 700 /dir; "
                                          "chown 5:6 /new; rm /etc/group"),
         drive=shows("rootfs/new", "rootfs/way", "rootfs/dir", "rootfs/etc/group")),
    Case("root/readonly", probe("make:/,/tmp,/etc,/dev,/dev/shm", "mounts:/"),
         {"root.readonly": True}),
    Case("root/readonly_with_tmpfs", probe("make:/,/tmp"),
         {"root.readonly": True, **mounts(tmpfs("/tmp"))}),
    Case("root/readonly_with_bind", probe("make:/,/mnt"),
         {"root.readonly": True, **mounts(bind("/mnt"))}, DATA),
    Case("root/absolute_path", sh("ls /"), {"root.path": "{bundle}/rootfs"}),
    Case("root/another_name", ["/tool"], {"root.path": "other/place"},
         {"other/place/tool": static_tool, "other/place/dev": directory()}),
    Case("root/is_a_pivot_not_a_chroot", sh("cd /proc/1/root/..; ls -d rootfs config.json 2>&1; "
                                            "awk '$5 == \"/\"' /proc/self/mountinfo | wc -l")),
    Case("root/propagation_absent", probe("mounts:/")),
    *(Case(f"root/propagation_{name}", probe("mounts:/,/mnt"),
           {"linux.rootfsPropagation": name, **mounts(tmpfs("/mnt"))}, expect=SHARED.get(name))
      for name in PROPAGATIONS if "unbindable" not in name),
    Case("root/propagation_unbindable", probe("mounts:/"),
         {"linux.rootfsPropagation": "unbindable"}, reference=False,
         expect=Expect("mount /: disk relatime,rw unbindable\n")),
    Case("root/propagation_unknown", edit={"linux.rootfsPropagation": "loud"}, refused=True),
    Case("root/absent", edit={"root": DROP}, refused=True),
    Case("root/path_missing", edit={"root.path": "no-such-place"}, refused=True),
    Case("root/path_is_a_file", edit={"root.path": "config.json"}, refused=True),
    Case("root/path_is_a_link", edit={"root.path": "way"}, files={"way": link("rootfs")},
         expect=Expect()),
    Case("root/path_empty", edit={"root.path": ""}, refused=True),
    Case("root/large_files_and_names", sh(
        "head -c 3000000 /dev/zero > /big; cat /big | md5sum; touch /$(printf %0250d 7); "
        "mv /big /bigger; wc -c < /bigger; mkdir -p /a/b/c/d/e; rm -r /a; ls / | wc -l")),
]

CASES = [*TYPES, *OPTIONS, *BINDS, *ROOT]
