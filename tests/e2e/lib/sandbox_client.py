#!/usr/bin/python3
"""A pod whose machine starts and stops by calls of its own, as containerd 2.1 makes it with sandboxer = "shim":
sandbox_client.py SOCKET FOLDER CASE [ARG]...

FOLDER/pod is the sandbox's bundle, FOLDER/netns its network namespace, and FOLDER/NAME that of a container, whose
config.json lacks only what depends on the pod's process. A case prints what it has seen, and ends with 0 when all calls
were answered as they must be.
"""
from __future__ import annotations

import json
import os
import pathlib
import signal
import sys

from task_client import NOT_FOUND, OK, Client, Message, connected, decode, encode

SOCKET, FOLDER = sys.argv[1], pathlib.Path(sys.argv[2])
SANDBOX = "containerd.runtime.sandbox.v1.Sandbox"
TASK = "containerd.task.v3.Task"
POD = Client(SOCKET)  # the connection that containerd keeps as long as the pod
USAGE, USAGE_LIMIT = 32, 33
KINDS = {"ipc": "ipc", "uts": "uts", "network": "net"}


def call(client: Client, service: str, method: str, message: Message) -> dict[int, int | bytes]:
    code, words, answer = client.ask(method, message, service)
    assert code == OK, f"{method}: {code} {words}"
    return answer


def sandbox(method: str, more: Message | None = None) -> dict[int, int | bytes]:
    return call(POD, SANDBOX, method, {1: "pod", **(more or {})})


def create(wants: Message | None = None, parent: str = "") -> None:
    """@wants: namespaces of the host (NamespaceOption of CRI); @parent: where the pod's control group is to be."""
    dns = encode({1: "192.0.2.53", 2: "pods.example", 3: "ndots:5"})
    linux = encode({1: parent, 2: encode({1: encode(wants or {})}), 3: encode({1: "kernel.msgmax", 2: "4096"})})
    config = encode({2: "web", 4: dns, 7: encode({1: "some", 2: "annotation"}), 8: linux})
    options = encode({1: "runtime.v1.PodSandboxConfig", 2: config})
    sandbox("CreateSandbox", {2: str(FOLDER / "pod"), 4: options, 5: str(FOLDER / "netns")})


def status() -> tuple[str, int, dict[str, object]]:
    answer = sandbox("SandboxStatus", {2: 1})
    info = bytes(answer[4])
    return bytes(answer[3]).decode(), int(answer.get(2, 0)), json.loads(info[info.index(b"{") :])


def memory_metrics() -> dict[int, int | bytes]:
    """What the pod uses of the host (MemoryStat of cgroup v2's Metrics)."""
    data = decode(bytes(decode(bytes(sandbox("SandboxMetrics")[1]))[3]))
    assert data[1] == b"io.containerd.cgroups.v2.Metrics", data[1]
    return decode(bytes(decode(bytes(data[2]))[4]))


def begin(parent: str = "") -> int:
    """The pid of the started pod."""
    create(parent=parent)
    assert status()[:2] == ("SANDBOX_NOTREADY", 0)
    answer = sandbox("StartSandbox")
    pid = int(answer[1])
    # What containerd 2.3 and later tells its plugins.
    spec = decode(bytes(answer[3]))
    assert spec[1] == b"types.containerd.io/opencontainers/runtime-spec/1/Spec", spec[1]
    assert json.loads(bytes(spec[2]))["hostname"] == "web", spec[2]
    state, told, info = status()
    assert (state, told, info["pid"]) == ("SANDBOX_READY", pid, pid), (state, told, info)
    return pid


class Container:
    """One that was started. It has a connection of its own, as containerd opens it."""

    def __init__(self, name: str, pod: int, shares_pids: bool) -> None:
        self.name, self.client = name, Client(SOCKET)
        bundle = FOLDER / name
        config = json.loads((bundle / "config.json").read_text())
        del config["hostname"]
        namespaces = [{"type": kind, "path": f"/proc/{pod}/ns/{file}"} for kind, file in KINDS.items()]
        pids = {"type": "pid", "path": f"/proc/{pod}/ns/pid"} if shares_pids else {"type": "pid"}
        config["linux"]["namespaces"] = [{"type": "mount"}, pids, *namespaces]
        config["annotations"] = {"io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.sandbox-id": "pod"}
        (bundle / "config.json").write_text(json.dumps(config))
        assert call(self.client, SANDBOX, "Platform", {1: "pod"})[1]
        self.do("Create", {2: str(bundle), 6: f"file://{bundle}/out", 7: f"file://{bundle}/err"})
        assert int(self.do("Connect")[2]) > 0
        self.do("Start")

    def do(self, method: str, more: Message | None = None) -> dict[int, int | bytes]:
        return call(self.client, TASK, method, {1: self.name, **(more or {})})

    def wait(self) -> int:
        return int(self.do("Wait").get(1, 0))

    def delete(self) -> None:
        """Nothing else is called for it in the end: Shutdown by some versions, the verb delete by none."""
        self.do("Delete")
        self.do("Shutdown")
        self.client.close()

    def print(self) -> None:
        for line in (FOLDER / self.name / "out").read_text().splitlines():
            print(f"{self.name}: {line}")


def mounts_of_server() -> int:
    with connected(SOCKET) as client:
        pid = int(call(client, TASK, "Connect", {1: "pod"})[1])
    return len(pathlib.Path(f"/proc/{pid}/mountinfo").read_text().splitlines())


def end() -> None:
    """With a wait that is as old as the pod."""
    with connected(SOCKET) as waiter:
        waiter.send("WaitSandbox", {1: "pod"}, SANDBOX)
        sandbox("StopSandbox")
        code, _, answer = waiter.receive()
        assert code == OK and int(answer.get(1, 0)) == 0 and answer[2], (code, answer)
    assert status()[:2] == ("SANDBOX_NOTREADY", 0)
    sandbox("ShutdownSandbox")


def case_life() -> None:
    pod = begin()
    assert os.path.samefile(f"/proc/{pod}/ns/net", FOLDER / "netns")
    before = mounts_of_server()
    first = Container("first", pod, True)
    assert first.wait() == 0
    second = Container("second", pod, True)
    third = Container("third", pod, False)
    assert second.wait() == 3
    assert third.wait() == 0
    for container in (first, second, third):
        container.print()
        container.delete()
    assert mounts_of_server() == before, "what a container was lent stays with the server"
    # containerd is started again.
    with connected(SOCKET) as client:
        assert int(call(client, TASK, "Connect", {1: "pod"})[2]) == pod
        assert call(client, TASK, "Pids", {1: "pod"})[1]
        assert client.ask("State", {1: "first"}, TASK)[0] == NOT_FOUND
    sandbox("PingSandbox")
    memory = memory_metrics()
    assert int(memory[USAGE]) > 1 << 20 and USAGE_LIMIT not in memory, memory
    end()
    assert not pathlib.Path(f"/proc/{pod}").exists()


def case_counted() -> None:
    """ARG is a control group. Only the pod's own in it knows of a limit, and be it that there is none."""
    begin(sys.argv[4])
    memory = memory_metrics()
    assert int(memory[USAGE]) > 1 << 20 and int(memory[USAGE_LIMIT]) > 0, memory
    end()


def case_refused() -> None:
    """ARG is the number of a field of NamespaceOption."""
    create({int(sys.argv[4]): 2})
    code, words, _ = POD.ask("StartSandbox", {1: "pod"}, SANDBOX)
    assert code != OK
    print(words)
    sandbox("ShutdownSandbox")


def case_killed() -> None:
    """Who kills the process that stands for the pod ends the pod."""
    pod = begin()
    container = Container("forever", pod, False)
    os.kill(pod, signal.SIGKILL)
    assert int(sandbox("WaitSandbox")[1]) == 137
    assert container.wait() == 137
    assert status()[:2] == ("SANDBOX_NOTREADY", 0)
    container.delete()
    sandbox("ShutdownSandbox")


def case_left() -> None:
    """A pod that runs; prints the pids of its server and of its own process."""
    pod = begin()
    Container("forever", pod, False)
    with connected(SOCKET) as client:
        print(int(call(client, TASK, "Connect", {1: "pod"})[1]), pod)


if __name__ == "__main__":
    globals()[f"case_{sys.argv[3]}"]()
