"""The containerd of the bench, from tests/bench/containerd."""
from __future__ import annotations

import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e/lib"))

from cri_client import RUNTIMES, Engine, first_byte  # noqa: E402

__all__ = ["RUNTIMES", "OwnEngine", "first_byte"]


class OwnEngine(Engine):
    """Runs until it is closed."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.process = subprocess.Popen([str(pathlib.Path(__file__).with_name("containerd")), str(folder)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        image = self.process.stdout.readline().strip()
        if not image:
            raise RuntimeError("containerd does not answer")
        super().__init__(folder, image)

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()
