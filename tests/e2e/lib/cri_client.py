"""Pods and containers as containerd makes them, of either runtime: its CRI, which the kubelet speaks, and ctr."""
from __future__ import annotations

import itertools
import os
import pathlib
import subprocess
import time

from task_client import decode, encode

RUNTIMES = {"kata": "io.containerd.kata.v2", "runc": "io.containerd.runc.v2"}
SHIMS = {"kata": "containerd-shim-kata-v2", "runc": "containerd-shim-runc-v2"}
FIRST_BYTE_SECONDS = 600


class Engine:
    """A containerd that runs, with its files in @folder and @image, as lib/cri.bash starts one. Threads may share it. Numbers
    of fields are those of lib/cri.proto."""

    def __init__(self, folder: pathlib.Path, image: str) -> None:
        self.folder, self.image = folder, image
        self.serial = itertools.count(1)

    def fresh(self) -> str:
        return f"n{next(self.serial)}"

    def ctr(self, *words: str) -> list[str]:
        return ["ctr", "--address", str(self.folder / "containerd.sock"), "--namespace", "k8s.io", *words]

    def run_command(self, runtime: str, *program: str) -> list[str]:
        return self.ctr("run", "--rm", "--runtime", RUNTIMES[runtime], self.image, self.fresh(), *program)

    def exec_command(self, container: str, *program: str) -> list[str]:
        return self.ctr("task", "exec", "--exec-id", self.fresh(), container, *program)

    def call(self, method: str, message: bytes) -> dict[int, int | bytes]:
        """A request of gRPC is a message behind a byte for its compression and four of length. One curl a call: HTTP/2 is
        its business, and costs either runtime the same."""
        answer = self.folder / f"answer-{self.fresh()}"
        command = ["curl", "--silent", "--show-error", "--fail", "--http2-prior-knowledge", "--max-time", "900",
                   "--unix-socket", str(self.folder / "containerd.sock"), "-H", "content-type: application/grpc",
                   "-H", "te: trailers", "--data-binary", "@-", "-D", f"{answer}.headers", "-o", str(answer),
                   f"http://localhost/runtime.v1.RuntimeService/{method}"]
        subprocess.run(command, check=True, input=b"\0" + len(message).to_bytes(4, "big") + message)
        headers = pathlib.Path(f"{answer}.headers").read_text(encoding="utf-8").lower()
        if "grpc-status: 0" not in headers:
            raise RuntimeError(f"{method}: {headers}")
        body = answer.read_bytes()
        answer.unlink()
        pathlib.Path(f"{answer}.headers").unlink()
        return decode(body[5:])

    def _pod_config(self, name: str) -> bytes:
        metadata = encode({1: name, 2: name, 3: "default"})
        return encode({1: metadata, 2: name, 3: str(self.folder / "logs"), 8: b""})

    def pod(self, runtime: str) -> str:
        """Makes one, and returns its id."""
        answer = self.call("RunPodSandbox", encode({1: self._pod_config(self.fresh()), 2: runtime}))
        return bytes(answer[1]).decode()

    def container(self, pod: str, *program: str) -> tuple[str, pathlib.Path]:
        """Starts one, and returns its id and its log."""
        name = self.fresh()
        config = encode({1: encode({1: name}), 2: encode({1: self.image})})
        config += b"".join(encode({3: word}) for word in program) + encode({11: f"{name}.log", 15: b""})
        request = encode({1: pod, 2: config, 3: self._pod_config(name)})
        container = bytes(self.call("CreateContainer", request)[1]).decode()
        self.call("StartContainer", encode({1: container}))
        return container, self.folder / "logs" / f"{name}.log"

    def execute(self, container: str, *program: str) -> tuple[int, bytes]:
        """The code and the output of a program that it runs to its end."""
        request = encode({1: container, 3: 600}) + b"".join(encode({2: word}) for word in program)
        answer = self.call("ExecSync", request)
        return int(answer.get(3, 0)), bytes(answer.get(1, b""))

    def remove(self, pod: str) -> None:
        self.call("StopPodSandbox", encode({1: pod}))
        self.call("RemovePodSandbox", encode({1: pod}))

    def shim(self, runtime: str, pod: str) -> int:
        """The process that owns the pod."""
        for entry in pathlib.Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0") if entry.name.isdigit() else [""]
            except OSError:
                continue
            if os.path.basename(words[0]) == SHIMS[runtime] and pod in words:
                return int(entry.name)
        raise RuntimeError(f"pod {pod} has no {SHIMS[runtime]}")


def first_byte(log: pathlib.Path) -> None:
    """Waits until a container has printed something."""
    end = time.monotonic() + FIRST_BYTE_SECONDS
    while not log.exists() or log.stat().st_size == 0:
        if time.monotonic() > end:
            raise RuntimeError(f"{log}: nothing was printed")
        time.sleep(0.001)
