"""What the server of a pod takes with 1, 5 and 10 containers, as containerd makes them."""
from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import time

from measures import Bench, pss_kib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e/lib"))

from task_client import Client, connected  # noqa: E402

SIZES = (1, 5, 10)


def _start(bench: Bench, bundle: pathlib.Path) -> str:
    """The socket of a new server that containerd would have started."""
    program = bench.tree / "build/containerd-shim-kata-v2"
    command = [str(program), "-namespace", "bench", "-address", str(bench.scratch / "none.sock"), "-publish-binary", "true",
               "-id", bench.fresh(), "start"]
    # Without containerd's address no events are sent.
    environment = {name: value for name, value in os.environ.items() if name != "TTRPC_ADDRESS"}
    answer = subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=bundle, env=environment)
    return answer.stdout.decode().removeprefix("unix://")


def _run_container(bench: Bench, client: Client, name: str, bundle: pathlib.Path) -> None:
    streams = {}
    for field, stream in ((6, "out"), (7, "err")):
        path = bench.scratch / f"{name}.{stream}"
        os.mkfifo(path)
        streams[field] = str(path)
    client.do("Create", {1: name, 2: str(bundle), **streams})
    client.do("Start", {1: name})


def _end(client: Client, names: list[str]) -> None:
    for name in names:
        client.do("Kill", {1: name, 3: 9})
        client.do("Wait", {1: name})
        client.do("Delete", {1: name})
    client.do("Shutdown", {1: names[0]})


def pod_memory(bench: Bench) -> None:
    bundle = bench.bundle("sleep", "100000")
    socket = _start(bench, bundle)
    names: list[str] = []
    with connected(socket) as client:
        for number in range(1, SIZES[-1] + 1):
            names.append(bench.fresh())
            _run_container(bench, client, names[-1], bundle)
            if number in SIZES:
                server = int(client.do("Connect", {1: names[0]})[1])
                bench.figures.add(f"pod's server PSS, containers: {number}", pss_kib(server))
        _end(client, names)
    while os.path.exists(socket):  # until it is gone, so that it disturbs no other figure
        time.sleep(0.05)
