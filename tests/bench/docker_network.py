"""What a user of Docker waits for: `docker run` on the default bridge, until the container's first connection arrives."""
from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from measures import Bench
from network import net_probe

GATEWAY, PORT = "172.29.0.1", "5202"
# Says so for each that arrives.
LISTENER = f"""
import contextlib, socket
with socket.create_server(("0.0.0.0", {PORT})) as server:
    print("listens", flush=True)
    while True:
        with contextlib.suppress(ConnectionResetError), server.accept()[0] as one:
            print("arrived", flush=True)
            while said := one.recv(16):
                one.sendall(said)
"""


class OwnDocker:
    """A daemon of its own in a network namespace of its own, whose packet filter and bridge are its own, too."""

    def __init__(self, bench: Bench, probe: pathlib.Path) -> None:
        self.bench, self.name = bench, f"bench-{os.getpid()}-docker"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="docker-", dir=bench.scratch))
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        subprocess.run(["ip", "-n", self.name, "link", "set", "lo", "up"], check=True)
        # Not `ip netns exec`, which hides the control groups.
        self.inside = ["nsenter", f"--net=/run/netns/{self.name}"]
        config = {"runtimes": {"kata": {"path": bench.kata[0]}}, "bip": f"{GATEWAY}/24"}
        (self.folder / "daemon.json").write_text(json.dumps(config))
        self.socket = f"unix://{self.folder}/socket"
        with open(self.folder / "log", "wb") as log:
            # pylint: disable-next=consider-using-with
            self.daemon = subprocess.Popen(
                [*self.inside, "dockerd", "--config-file", f"{self.folder}/daemon.json", "--data-root", f"{self.folder}/data",
                 "--exec-root", f"{self.folder}/exec", "--pidfile", f"{self.folder}/pid", "--host", self.socket],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self._wait()
            self._import(probe)
        except BaseException:
            self.close()
            raise

    def docker(self, *args: str) -> list[str]:
        return ["/usr/bin/docker", "--config", str(self.folder), "--host", self.socket, *args]

    def _wait(self) -> None:
        end = time.monotonic() + 120
        while subprocess.run(self.docker("version"), check=False, capture_output=True).returncode:
            if time.monotonic() > end or self.daemon.poll() is not None:
                raise RuntimeError(f"dockerd does not answer: {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.1)

    def _import(self, probe: pathlib.Path) -> None:
        root = self.folder / "root"
        root.mkdir()
        (root / "net_probe").write_bytes(probe.read_bytes())
        (root / "net_probe").chmod(0o755)
        subprocess.run(["tar", "-C", str(root), "-cf", f"{self.folder}/image.tar", "."], check=True)
        subprocess.run(self.docker("import", f"{self.folder}/image.tar", "probe"), check=True, stdout=subprocess.DEVNULL)

    def measure(self, prefix: str, runtime: str) -> None:
        command = self.docker("run", "--rm", "--runtime", runtime, "probe", "/net_probe", "ask", GATEWAY, PORT, "1")
        with subprocess.Popen([*self.inside, sys.executable, "-c", LISTENER], stdout=subprocess.PIPE, text=True) as listener:
            assert listener.stdout
            try:
                listener.stdout.readline()
                began = time.monotonic()
                with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as container:
                    if listener.stdout.readline() != "arrived\n":
                        raise RuntimeError("the container has not reached its gateway")
                    took = (time.monotonic() - began) * 1000
                    if container.wait():
                        raise RuntimeError("the container has not ended well")
            finally:
                listener.kill()
        self.bench.figures.add(prefix + "docker run to its first connection", took)

    def close(self) -> None:
        self.daemon.terminate()
        self.daemon.wait()
        # It makes its folder a mount, and leaves it one.
        paths = [line.split()[4] for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()]
        for path in reversed([path for path in paths if path.startswith(f"{self.folder}/")]):
            subprocess.run(["umount", path], check=True)
        subprocess.run(["ip", "netns", "delete", self.name], check=False)


def docker_network(bench: Bench) -> None:
    docker = OwnDocker(bench, net_probe(bench))
    try:
        docker.measure("", "kata")
        docker.measure("runc: ", "runc")
    finally:
        docker.close()
