"""Debian's cloud kernel beside the lean one: the same machine and the same run, with the guest image that `make` makes of it
where nobody has made the lean kernel."""
from __future__ import annotations

import functools
import pathlib
import platform
import re
import shutil
import sys

from figures import BOOT, DEBIAN, RUN
from measures import Bench, boot


def is_lean(tree: pathlib.Path) -> bool:
    """Whether build/guest is of the lean kernel."""
    return (tree / "build/kernel-package").read_text(encoding="utf-8").strip() == "kata-linux"


def release(bench: Bench) -> str | None:
    """Package and version, where it is measured beside the lean kernel."""
    if not (guest := _guest(bench)):
        return None
    return " ".join((guest / "package").read_text(encoding="utf-8").split()[:2])


@functools.cache
def _guest(bench: Bench) -> pathlib.Path | None:
    """The folder of its image, made at the first call. None where the guest has Debian's kernel anyway, and where its package was
    not fetched."""
    if not is_lean(bench.tree):
        return None
    wanted = f"linux-image-cloud-*.{platform.machine()}/package"
    package = next((bench.tree / "build/cache").glob(wanted), None)
    if not package:
        print(f"bench: Debian's kernel is left out, because there is no build/cache/{wanted}: make bench-peers", file=sys.stderr)
        return None
    folder = bench.scratch / "debian-guest"
    bench.run(str(bench.tree / "guest-image/build"), "--agent", str(bench.tree / "build/kata-agent"),
              "--kernel-package", package.parent.stem, "--out", str(folder))
    shutil.copy(package, folder)
    return folder


@functools.cache
def _runtime(bench: Bench, guest: pathlib.Path) -> list[str]:
    """kata-runtime with a configuration that differs in the guest image only."""
    path = bench.scratch / "debian-kernel.toml"
    text = (bench.tree / "build/configuration.toml").read_text(encoding="utf-8")
    for key, file in ("kernel", "vmlinux"), ("initrd", "initrd.img"):
        text, places = re.subn(rf"(?m)^{key} = .*$", f'{key} = "{guest / file}"', text)
        if not places:
            raise RuntimeError(f"build/configuration.toml has no '{key}', so that it would be that of the lean kernel")
    path.write_text(text, encoding="utf-8")
    return [*bench.kata, "--config", str(path)]


def debian_boot(bench: Bench) -> None:
    if guest := _guest(bench):
        bench.figures.add(DEBIAN + BOOT, boot(bench, guest))


def debian_true(bench: Bench) -> None:
    if guest := _guest(bench):
        bundle = str(bench.bundle("true"))
        took = bench.run(*_runtime(bench, guest), "run", "--bundle", bundle, bench.fresh())
        bench.figures.add(DEBIAN + RUN, took)
