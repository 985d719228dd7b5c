"""The options that `run` and `musts` share."""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path

from harness.bundle import HERE

KNOWN = HERE.parent.parent / "docs/limitations.md"


def parser(description: str) -> argparse.ArgumentParser:
    """A parser with the common options."""
    common = argparse.ArgumentParser(description=description)
    common.add_argument("filter", nargs="*", help="only tests whose name contains one of these")
    common.add_argument("--runtime", default="build/kata-runtime", help="the command under test")
    common.add_argument("--reference", default="runc", help="the command it is compared with")
    common.add_argument("--known", type=Path, default=KNOWN, help="the table of limitations")
    common.add_argument("-j", "--jobs", type=int, default=2, help="tests run at the same time")
    common.add_argument("--patience", type=float, default=90, metavar="SECONDS",
                        help="for one verb of a runtime, or for a container to reach a state")
    common.add_argument("--list", action="store_true", help="print the names of the tests")
    common.add_argument("--one", metavar="NAME", help="run exactly this test")
    common.add_argument("--keep", action="store_true", help="leave bundles for inspection")
    return common


def chosen(options: argparse.Namespace, names: list[str]) -> set[str]:
    """The names the options ask for."""
    if options.one:
        found = {options.one} & set(names)
    else:
        found = {name for name in names
                 if not options.filter or any(part in name for part in options.filter)}
    if not found:
        raise SystemExit("no test of that name, see --list")
    return found


def version(argv: list[str]) -> str:
    """The first line of what a runtime says of its version."""
    done = subprocess.run([*argv, "--version"], capture_output=True, check=True, text=True)
    return (done.stdout.splitlines() or ["no version"])[0]
