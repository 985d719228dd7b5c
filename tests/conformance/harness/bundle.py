"""Makes OCI bundles: a busybox root file system, a base config.json, and edits of it."""

from __future__ import annotations

import copy
import functools
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Union

HERE = Path(__file__).resolve().parent.parent
BUSYBOX = Path("/bin/busybox")

# What a case may put into its bundle: the content of a file, or a function that makes the path.
File = Union[str, bytes, Callable[[Path], None]]
Edit = Mapping[str, Any]

DROP = object()  # as the value of an edit: remove this property

CAPABILITIES = [
    "CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
    "CAP_MKNOD", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP",
    "CAP_SETUID", "CAP_SYS_CHROOT",
]
MASKED = ["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
          "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi",
          "/sys/firmware"]
READONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]


def mount(destination: str, kind: str, source: str, *options: str) -> dict[str, Any]:
    """One entry of `mounts`."""
    return {"destination": destination, "type": kind, "source": source, "options": list(options)}


def namespaces(*kinds: str, drop: Sequence[str] = (), **paths: str) -> list[dict[str, str]]:
    """The base namespaces and `kinds`, less `drop`; a keyword gives one of them a path."""
    names = ["pid", "network", "ipc", "uts", "mount", "cgroup", *kinds]
    return [{"type": name, **({"path": paths[name]} if name in paths else {})}
            for name in names if name not in drop]


def script(text: str) -> Callable[[Path], None]:
    """An executable shell script."""
    def make(path: Path) -> None:
        path.write_text("#!/bin/sh\n" + text + "\n")
        path.chmod(0o755)
    return make


def file(text: str, mode: int = 0o644) -> Callable[[Path], None]:
    """A file of this mode."""
    def make(path: Path) -> None:
        path.write_text(text)
        path.chmod(mode)
    return make


def directory(mode: int = 0o755) -> Callable[[Path], None]:
    """An empty directory."""
    def make(path: Path) -> None:
        path.mkdir()
        path.chmod(mode)
    return make


def link(target: str) -> Callable[[Path], None]:
    """A symbolic link."""
    return lambda path: path.symlink_to(target)


BASE: dict[str, Any] = {
    "ociVersion": "1.0.2",
    "process": {
        "terminal": False,
        "user": {"uid": 0, "gid": 0},
        "args": ["/bin/true"],
        "env": ["PATH=/usr/bin:/bin", "TERM=xterm"],
        "cwd": "/",
        "capabilities": {name: CAPABILITIES for name in ("bounding", "effective", "permitted")},
        "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 1024}],
        "noNewPrivileges": True,
    },
    "root": {"path": "rootfs", "readonly": False},
    "hostname": "conformance",
    "mounts": [
        mount("/proc", "proc", "proc"),
        mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        mount("/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666",
              "mode=0620", "gid=5"),
        mount("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777", "size=65536k"),
        mount("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"),
        mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro"),
        mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", "relatime", "ro"),
    ],
    "linux": {
        "namespaces": namespaces(),
        "resources": {"devices": [{"allow": False, "access": "rwm"}]},
        "maskedPaths": MASKED,
        "readonlyPaths": READONLY,
    },
}


def edited(base: dict[str, Any], edit: Edit) -> dict[str, Any]:
    """`base` with each dotted path of `edit` set; `path+` appends, `path-` removes from a list.

    What `path-` names is matched against the `destination`, `type` or `path` of the entries.
    """
    config = copy.deepcopy(base)
    for dotted, value in edit.items():
        *parents, leaf = dotted.rstrip("+-").split(".")
        place = config
        for parent in parents:
            place = place.setdefault(parent, {})
        if dotted.endswith("+"):
            place[leaf] = place.get(leaf, []) + list(value)
        elif dotted.endswith("-"):
            place[leaf] = [entry for entry in place[leaf] if not set(value) & {
                entry.get("destination"), entry.get("type"), entry.get("path")}]
        elif value is DROP:
            place.pop(leaf, None)
        else:
            place[leaf] = value
    return config


@functools.lru_cache(maxsize=None)
def applets() -> list[str]:
    """The commands that busybox is, but for its own name."""
    names = subprocess.run([BUSYBOX, "--list"], check=True, capture_output=True, text=True)
    return [name for name in names.stdout.split() if name != "busybox"]


def install_busybox(folder: Path) -> None:
    """Makes each applet a link to the busybox in the folder.

    Hard links, because a file system that avoids inodes which were deleted a moment ago, as ext4
    does, takes longer for hundreds of symbolic links than a container for its whole life.
    """
    for name in applets():
        os.link(folder / "busybox", folder / name)


def make_template(work: Path) -> Path:
    """What every root file system is a copy of: folders, static busybox and the static probe."""
    root = work / "template"
    for name in ("bin", "dev", "etc", "home", "mnt", "proc", "root", "sys", "tmp", "usr/bin"):
        (root / name).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home:\n")
    (root / "etc/group").write_text("root:x:0:\nuser:x:1000:\nextra:x:2000:user\n")
    shutil.copy(BUSYBOX, root / "bin/busybox")
    sources = sorted((HERE / "probe").glob("*.c"))
    subprocess.run(["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-static",
                    "-o", root / "probe", *sources], check=True)
    return root


def make_bundle(bundle: Path, template: Path, config: dict[str, Any], files: Mapping[str, File],
                names: Mapping[str, str], raw: bytes | None = None) -> None:
    """Writes a bundle; `{name}` in texts stands for the value that `names` has for it.

    `raw` replaces config.json; None leaves it to `config`, b"" writes an empty file.
    """
    def filled(text: str) -> str:
        for name, value in names.items():
            text = text.replace("{" + name + "}", value)
        return text

    bundle.mkdir(parents=True)
    shutil.copytree(template, bundle / "rootfs")
    install_busybox(bundle / "rootfs/bin")
    for name, content in files.items():
        path = bundle / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, str):
            path.write_text(filled(content))
        else:
            content(path)
    text = filled(json.dumps(config, indent=1))
    (bundle / "config.json").write_bytes(text.encode() if raw is None else raw)
