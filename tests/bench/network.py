"""The network of a container: a pair of Ethernet interfaces to a namespace that answers, as a plugin makes it."""
from __future__ import annotations

import json
import os
import pathlib
import subprocess
import time

from bare_network import bare_network
from cpu import cost_of
from figures import ADDED
from measures import Bench

PORT = "5201"
STREAM_MIB = "64"
ASKS = "500"
CONNECTIONS = "200"
PAIRS = 10
PROBES = [
    ("network, to its gateway", "up", STREAM_MIB),
    ("network, from its gateway", "down", STREAM_MIB),
    ("network, a byte there and back", "ask", ASKS),
    ("network, connections", "connect", CONNECTIONS),
]


def _pair(number: int, pod: str, gateway: str) -> str:
    """Makes both namespaces and what connects them. Returns the gateway's address."""
    for name in (pod, gateway):
        subprocess.run(["ip", "netns", "add", name], check=True)
    net = f"10.{200 + number}.0"
    for command in (
        f"ip link add eth0 netns {pod} type veth peer name gw0 netns {gateway}",
        f"ip -n {gateway} link set gw0 up",
        f"ip -n {pod} link set eth0 up",
        f"ip -n {gateway} addr add {net}.1/24 dev gw0",
        f"ip -n {pod} addr add {net}.2/24 dev eth0",
        f"ip -n {pod} route add default via {net}.1",
    ):
        subprocess.run(command.split(), check=True)
    return f"{net}.1"


def _bundle_in(bench: Bench, pod: str, *args: str) -> pathlib.Path:
    folder = bench.bundle(*args)
    config = json.loads((folder / "config.json").read_text())
    spaces = [n for n in config["linux"]["namespaces"] if n["type"] != "network"]
    config["linux"]["namespaces"] = spaces + [{"type": "network", "path": f"/run/netns/{pod}"}]
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def net_probe(bench: Bench) -> pathlib.Path:
    probe = bench.rootfs / "bin/net_probe"
    if not probe.exists():
        source = bench.tree / "tests/bench/net_probe.c"
        subprocess.run(["gcc", "-O2", "-static", "-pthread", str(source), "-o", str(probe)], check=True)
    return probe


def _wait_for(gateway: str) -> None:
    """Until somebody listens there."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        seen = subprocess.run(["ip", "netns", "exec", gateway, "ss", "-Hltn"], check=True, capture_output=True, text=True)
        if f":{PORT} " in seen.stdout:
            return
    raise RuntimeError("nobody listens in the gateway's namespace")


def _run_true(bench: Bench, runtime: list[str], prefix: str, pod: str) -> None:
    """With a network and without one, first the one and then the other in turn: a machine whose speed drifts then makes a
    difference larger as often as smaller, and the median of the differences is what the network adds. Processor time differs
    less from run to run than time does, because what other programs of the machine take is not in it."""
    plain, connected = str(bench.bundle("true")), str(_bundle_in(bench, pod, "true"))
    for number in range(PAIRS):
        cost = {}
        for bundle in (plain, connected) if number % 2 == 0 else (connected, plain):
            cost[bundle] = cost_of(*runtime, "run", "--bundle", bundle, bench.fresh())
        (took, spent), (without, spent_without) = cost[connected], cost[plain]
        bench.figures.add(prefix + "run true with a network", took)
        bench.figures.add(prefix + ADDED, took - without)
        bench.figures.add(prefix + "run true with a network, processor time", spent)
        bench.figures.add(prefix + "network, processor time added to run true", spent - spent_without)


def _talk(bench: Bench, runtime: list[str], prefix: str, pod: str, address: str) -> None:
    name = bench.fresh()
    bench.run(*runtime, "run", "-d", "--bundle", str(_bundle_in(bench, pod, "sleep", "100000")), name)
    try:
        for figure, what, count in PROBES:
            said = bench.tell(*runtime, "exec", name, "net_probe", what, address, PORT, count)
            bench.figures.add(prefix + figure, float(said))
    finally:
        bench.run(*runtime, "delete", "--force", name)
    _run_true(bench, runtime, prefix, pod)


def network(bench: Bench) -> None:
    probe = net_probe(bench)
    for number, (prefix, runtime) in enumerate((("", bench.kata), ("runc: ", bench.runc))):
        pod, gateway = (f"bench-{os.getpid()}-{number}-{side}" for side in ("pod", "gw"))
        server = None
        try:
            address = _pair(number, pod, gateway)
            # pylint: disable-next=consider-using-with
            server = subprocess.Popen(["ip", "netns", "exec", gateway, str(probe), "serve", PORT])
            _wait_for(gateway)
            _talk(bench, runtime, prefix, pod, address)
            if runtime is bench.kata:
                bare_network(bench, probe, gateway, "10.210.0", PROBES, PORT)
        finally:
            if server:
                server.kill()
                server.wait()
            for name in (pod, gateway):
                subprocess.run(["ip", "netns", "delete", name], check=False)
