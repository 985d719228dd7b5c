#!/usr/bin/python3
"""A pod whose machine starts and stops by calls of its own, as containerd 2.1 makes it with sandboxer = "shim":
sandbox_client.py SOCKET FOLDER CASE [ARG]...

FOLDER/pod is the sandbox's bundle, FOLDER/netns its network namespace, and FOLDER/NAME that of a container, whose
config.json lacks only what depends on the pod's process. A case prints what it has seen, and ends with 0 when all calls
were answered as they must be.
"""
from __future__ import annotations

import hashlib
import json
import os
import pathlib
import signal
import struct
import sys
import threading

from task_client import INVALID_ARGUMENT, NOT_FOUND, OK, UNIMPLEMENTED, Client, Message, connected, decode, encode

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

    def __init__(self, name: str, pod: int, shares_pids: bool, io: Message | None = None) -> None:
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
        self.do("Create", {2: str(bundle), **(io or {6: f"file://{bundle}/out", 7: f"file://{bundle}/err"})})
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


class Stream:
    """A standard stream that containerd carries over its connection to the shim (io_type = "streaming"): what is sent is
    input, what is read is output. Whoever reads says how much it takes."""

    WINDOW = 65536

    def __init__(self, name: str, client: Client | None = None) -> None:
        self.client = client or Client(SOCKET)
        self.number = self.client.stream
        self.client.stream += 2
        self.window = 0  # of what is sent
        self.left = 0  # of what is read
        opening = encode({1: "containerd.services.streaming.v1.Streaming", 2: "Stream"})
        self._frame(1, 2, opening)
        self.say("containerd.services.streaming.v1.StreamInit", encode({1: name}))
        assert self.hear()[0] == "google.protobuf.Empty"

    def _frame(self, kind: int, flags: int, body: bytes) -> None:
        self.client.socket.sendall(struct.pack(">IIBB", len(body), self.number, kind, flags) + body)

    def say(self, kind: str, value: bytes) -> None:
        self._frame(3, 0, encode({1: kind, 2: value}))

    def hear(self) -> tuple[str, bytes]:
        """The next message; no type: the stream has ended."""
        size, number, kind, flags = struct.unpack(">IIBB", self.client._receive(10))
        body = self.client._receive(size)
        assert (number, kind) == (self.number, 3), (number, kind, body)
        if flags & 1:
            return "", b""
        answer = decode(body)
        return bytes(answer[1]).decode(), bytes(answer.get(2, b""))

    def read(self, size: int) -> bytes:
        """As much as that, or all until the end."""
        data = b""
        while len(data) < size:
            if self.left == 0:
                self.left = min(self.WINDOW, size - len(data))
                self.say("containerd.types.transfer.WindowUpdate", encode({1: self.left}))
            kind, value = self.hear()
            if not kind:
                break
            assert kind == "containerd.types.transfer.Data", kind
            part = bytes(decode(value)[1])
            assert len(part) <= min(self.left, 32 << 10), len(part)
            self.left -= len(part)
            data += part
        return data

    def write(self, data: bytes) -> None:
        while data:
            while self.window == 0:
                kind, value = self.hear()
                assert kind == "containerd.types.transfer.WindowUpdate", kind
                self.window += int(decode(value)[1])
            part = data[: min(self.window, 32 << 10)]
            self.say("containerd.types.transfer.Data", encode({1: part}))
            self.window -= len(part)
            data = data[len(part) :]

    def end(self) -> None:
        """Sends no more."""
        self._frame(3, 1 | 4, b"")


def streamed(name: str, *kinds: str) -> Message:
    numbers = {"stdin": 5, "stdout": 6, "stderr": 7}
    return {numbers[kind]: f"ttrpc+unix://{SOCKET}?streaming_id={name}-{kind}" for kind in kinds}


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


def case_streams() -> None:
    """Streams of containerd 2 with io_type = "streaming"."""
    pod = begin()
    # All there before the container is.
    stdin, stdout, stderr = (Stream(f"first-{kind}") for kind in ("stdin", "stdout", "stderr"))
    first = Container("first", pod, False, streamed("first", "stdin", "stdout", "stderr"))
    stdin.write(b"a line\n")
    assert stdout.read(7) == b"A LINE\n"
    assert stderr.read(6) == b"error\n"
    # More than fits anywhere: nothing is lost, and nobody keeps it all.
    data = hashlib.shake_128(b"streams").hexdigest(1 << 21).encode()
    writer = threading.Thread(target=lambda: (stdin.write(data), stdin.end()))
    writer.start()
    assert stdout.read(1 << 21) == data[: 1 << 21].upper()
    # containerd is started again: the same stream goes on.
    stdout.client.close()
    stdout = Stream("first-stdout")
    rest = stdout.read(1 << 30)
    assert rest == data[1 << 21 :].upper(), len(rest)
    writer.join()
    assert stderr.read(1) == b""
    assert first.wait() == 0
    first.delete()
    # A client that closes its end of the output is as one that has closed a pipe.
    stdout = Stream("second-stdout")
    second = Container("second", pod, False, streamed("second", "stdout"))
    assert stdout.read(2) == b"y\n"
    stdout.end()
    assert second.wait() == 0
    second.delete()
    # More than was asked for, and what is no stream.
    stdin = Stream("third-stdin")
    stdin.say("containerd.types.transfer.Data", encode({1: b"too early"}))
    code = stdin.client.receive()[0]
    assert code == INVALID_ARGUMENT, code
    code, words, _ = POD.ask("Stream", {}, "containerd.services.streaming.v1.Streaming")
    assert code == UNIMPLEMENTED, (code, words)
    print("streams went on")
    end()


def case_left() -> None:
    """A pod that runs; prints the pids of its server and of its own process."""
    pod = begin()
    Container("forever", pod, False)
    with connected(SOCKET) as client:
        print(int(call(client, TASK, "Connect", {1: "pod"})[1]), pod)


if __name__ == "__main__":
    globals()[f"case_{sys.argv[3]}"]()
