#!/usr/bin/python3
"""What many clients, and broken ones, do to the server of one pod: pod_client.py SOCKET FOLDER CASE [ARG]...

The container "pod" runs `sleep` in it. A case prints what it has measured, and ends with 0 when all was as it must be.
"""
from __future__ import annotations

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import sys
import time

import task_client as tc
from task_client import Client, connected

SOCKET, FOLDER = sys.argv[1], pathlib.Path(sys.argv[2])
CLIENTS = 50
RUNNING, STOPPED = 2, 3  # of containerd.v1.types.Status


def process(*args: str) -> bytes:
    """An Any with the process of an exec."""
    spec = {"args": args, "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}}
    kind = "types.containerd.io/opencontainers/runtime-spec/1/Process"
    return tc.encode({1: kind, 2: json.dumps(spec)})


def status(client: Client, name: str) -> int:
    return int(client.do("State", {1: name}).get(4, 0))


def server() -> int:
    with connected(SOCKET) as client:
        return int(client.do("Connect", {1: "pod"})[1])


def usage() -> tuple[int, int]:
    """Descriptors and KiB of written memory of the server."""
    pid = server()
    rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    written = re.findall(r"^Private_Dirty:\s+(\d+) kB", rollup, re.M)[0]
    return len(os.listdir(f"/proc/{pid}/fd")), int(written)


def usage_down_to(descriptors: int) -> tuple[int, int]:
    """The same, once the server has closed what its clients have closed: at the latest after a minute."""
    end = time.monotonic() + 60
    while (now := usage())[0] > descriptors and time.monotonic() < end:
        time.sleep(0.1)
    return now


def at_once(count: int, one: concurrent.futures.thread.ThreadPoolExecutor | object) -> list[object]:
    """Calls @one with 0, 1, ... in as many threads; the first failure is raised."""
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return [f.result() for f in [pool.submit(one, i) for i in range(count)]]  # type: ignore[arg-type]


# Method, what it says beside the id, and how it is answered for: an id that nobody has, the running container, a process that
# the container does not have. None: not asked.
REFUSALS: list[tuple[str, tc.Message, tuple[int, ...] | None, tuple[int, ...] | None, tuple[int, ...] | None]] = [
    ("State", {}, (tc.NOT_FOUND,), (tc.OK,), (tc.NOT_FOUND,)),
    ("Start", {}, (tc.NOT_FOUND,), (tc.FAILED_PRECONDITION,), (tc.NOT_FOUND,)),
    ("Delete", {}, (tc.NOT_FOUND,), (tc.FAILED_PRECONDITION,), (tc.NOT_FOUND,)),
    ("Pids", {}, (tc.NOT_FOUND,), (tc.OK,), None),
    ("Resume", {}, (tc.NOT_FOUND,), (tc.FAILED_PRECONDITION,), None),
    ("Checkpoint", {}, (tc.UNIMPLEMENTED, tc.NOT_FOUND), (tc.UNIMPLEMENTED,), None),
    ("Kill", {3: 0}, (tc.INVALID_ARGUMENT,), (tc.INVALID_ARGUMENT,), (tc.INVALID_ARGUMENT,)),
    ("Kill", {3: 4000000000}, (tc.INVALID_ARGUMENT,), (tc.INVALID_ARGUMENT,), (tc.INVALID_ARGUMENT,)),
    ("Kill", {3: 9}, (tc.NOT_FOUND,), None, (tc.NOT_FOUND,)),
    ("Exec", {}, (tc.INVALID_ARGUMENT,), (tc.INVALID_ARGUMENT,), (tc.INVALID_ARGUMENT,)),
    ("Exec", {7: tc.encode({1: "x", 2: "no JSON"})}, None, None, (tc.INVALID_ARGUMENT,)),
    ("Exec", {7: process("true")}, (tc.INVALID_ARGUMENT,), None, None),
    ("ResizePty", {3: 80, 4: 25}, (tc.NOT_FOUND,), None, (tc.NOT_FOUND,)),
    ("CloseIO", {3: 1}, (tc.NOT_FOUND,), (tc.OK,), (tc.NOT_FOUND,)),
    ("Update", {2: tc.encode({1: "x", 2: "{}"})}, (tc.NOT_FOUND,), (tc.OK,), None),
    ("Update", {2: tc.encode({1: "x", 2: "{"})}, (tc.INVALID_ARGUMENT,), (tc.INVALID_ARGUMENT,), None),
    ("Wait", {}, (tc.NOT_FOUND,), None, (tc.NOT_FOUND,)),
    ("Stats", {}, (tc.NOT_FOUND,), (tc.OK,), None),
    ("Create", {2: "relative"}, (tc.INVALID_ARGUMENT,), (tc.ALREADY_EXISTS,), None),
    ("Create", {2: "/no/such/bundle"}, (tc.NOT_FOUND,), (tc.ALREADY_EXISTS,), None),
    ("Connect", {}, None, (tc.OK,), None),
    ("Shutdown", {}, (tc.OK,), (tc.OK,), None),
    ("NoSuchMethod", {}, (tc.UNIMPLEMENTED,), (tc.UNIMPLEMENTED,), None),
]


def refuse_all(number: int) -> int:
    calls = 0
    with connected(SOCKET) as client:
        for _ in range(2):
            for method, more, unknown, known, process_of in REFUSALS:
                asked = ((unknown, {1: f"nobody-{number}"}), (known, {1: "pod"}), (process_of, {1: "pod", 2: "none"}))
                for want, who in asked:
                    if want is None:
                        continue
                    code, words, _ = client.ask(method, {**who, **more})
                    assert code in want, f"{method} {who} {more}: {code} {words}"
                    assert code == tc.OK or words, f"{method}: a refusal without words"
                    calls += 1
            code, _, _ = client.ask("State", {1: "pod"}, "no.such.Service")
            assert code == tc.UNIMPLEMENTED, code
    return calls


def case_refusals() -> None:
    refuse_all(0)  # what is allocated once
    before = usage()
    calls = sum(at_once(CLIENTS, refuse_all))  # type: ignore[arg-type]
    after = usage_down_to(before[0])
    print(f"{calls} calls of {CLIENTS} clients; descriptors {before[0]} -> {after[0]}, written KiB {before[1]} -> {after[1]}")
    assert after[0] <= before[0]
    assert after[1] <= before[1] + 512


def say_garbage(number: int) -> None:
    noise = hashlib.shake_128(str(number).encode()).digest(70000)
    first = [
        noise,
        b"\xff" * 10,
        b"\0" * 64,
        b"\x00\x00\x00\x05\x00\x00\x00\x01\x01\x00\xff\xff\xff\xff\xff",
        b"\x00\x00\x10\x00\x00\x00\x00\x01\x01\x00" + noise[:100],  # promises more than it sends
        b"\x7f\xff\xff\xff\x00\x00\x00\x01\x01\x00" + noise,
        b"\x00\x00",
    ]
    client = Client(SOCKET)
    try:
        client.socket.sendall(first[number % len(first)])
    except (ConnectionResetError, BrokenPipeError):
        pass
    client.close()


def say_too_much(_: int) -> None:
    client = Client(SOCKET)
    try:
        code, _, _ = client.ask("Exec", {1: "pod", 2: "large", 7: tc.encode({1: "x", 2: b"[" * (5 << 20)})})
        assert code == tc.RESOURCE_EXHAUSTED, code
    except (ConnectionError, BrokenPipeError):
        pass  # the server may also hang up
    client.close()


def case_garbage() -> None:
    say_too_much(0)
    before = usage()
    at_once(CLIENTS, say_garbage)
    at_once(10, say_too_much)
    with connected(SOCKET) as client:
        # As large as a frame may be, and nonsense.
        code, _, _ = client.ask("Exec", {1: "pod", 2: "large", 7: tc.encode({1: "x", 2: b"[" * (4000 << 10)})})
        assert code == tc.INVALID_ARGUMENT, code
        assert status(client, "pod") == RUNNING
    after = usage_down_to(before[0])
    print(f"descriptors {before[0]} -> {after[0]}, written KiB {before[1]} -> {after[1]}")
    assert after[0] <= before[0]


def slow_bundle(name: str) -> tuple[str, str]:
    """A bundle like the pod's whose hook reads a fifo, and the fifo."""
    gate = fifo(f"{name}.gate")
    folder = FOLDER / name
    folder.mkdir()
    config = json.loads(pathlib.Path(sys.argv[4], "config.json").read_text())
    config["hooks"] = {"createRuntime": [{"path": "/bin/cat", "args": ["cat", gate]}]}
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder), gate


def begin_create(name: str) -> tuple[Client, int]:
    """A Create whose hook runs until the descriptor is closed."""
    folder, gate = slow_bundle(name)
    client = Client(SOCKET)
    client.send("Create", {1: name, 2: folder})
    return client, os.open(gate, os.O_WRONLY)


def case_creates() -> None:
    killed, _ = begin_create("killed")
    left, _ = begin_create("left")
    deleted, gate = begin_create("deleted")
    with connected(SOCKET) as client, connected(SOCKET) as deleter:
        # One slow hook delays nobody.
        for name in ("killed", "left", "deleted"):
            client.do("State", {1: name})
        assert run("beside", "echo", "beside") == (0, b"beside\n")
        deleter.send("Delete", {1: "deleted"})
        left.close()
        client.do("Kill", {1: "killed", 3: 9})
        code, words, _ = killed.receive()
        assert code == tc.CANCELLED and "killed while it was being created" in words, (code, words)
        for name in ("killed", "left"):
            code, words, _ = client.ask("Delete", {1: name})
            assert code == tc.NOT_FOUND, (name, code, words)
        os.close(gate)
        assert deleted.receive()[0] == tc.OK
        assert deleter.receive()[0] == tc.OK
        assert client.ask("State", {1: "deleted"})[0] == tc.NOT_FOUND
        assert status(client, "pod") == RUNNING


def execute(name: str, *args: str, stdout: str = "", stderr: str = "") -> Client:
    """Starts an exec; its client is left connected."""
    client = Client(SOCKET, timeout=600)
    client.do("Exec", {1: "pod", 2: name, 5: stdout, 6: stderr, 7: process(*args)})
    client.do("Start", {1: "pod", 2: name})
    return client


def end_of(client: Client, name: str) -> int:
    code = int(client.do("Wait", {1: "pod", 2: name}).get(1, 0))
    client.do("Delete", {1: "pod", 2: name})
    client.close()
    return code


def fifo(name: str) -> str:
    path = FOLDER / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    return str(path)


def read_all(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def run(name: str, *args: str) -> tuple[int, bytes]:
    """Runs a process to its end, whose output goes through a fifo."""
    path = fifo(name)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        output = pool.submit(read_all, path)
        code = end_of(execute(name, *args, stdout=path), name)
        text = output.result(120)
    os.unlink(path)
    return code, text


def case_fifos() -> None:
    blocked = [execute(f"blocked-{i}", "yes", stdout=fifo(f"blocked-{i}"), stderr=fifo(f"blocked-{i}.err")) for i in range(3)]
    deleted = fifo("unlinked")
    lost = execute("lost", "sh", "-c", "echo to nobody; exit 4", stdout=deleted)
    os.unlink(deleted)
    code, words, _ = Client(SOCKET).ask("Exec", {1: "pod", 2: "none", 5: "/no/such/fifo", 7: process("true")})
    if code == tc.OK:
        code, words, _ = Client(SOCKET).ask("Start", {1: "pod", 2: "none"})
        Client(SOCKET).do("Delete", {1: "pod", 2: "none"})
    assert code == tc.NOT_FOUND and "/no/such/fifo" in words, (code, words)
    # Nobody else notices.
    for i in range(5):
        assert run(f"quick-{i}", "sh", "-c", f"echo {i}; exit {i}") == (i, f"{i}\n".encode())
    assert end_of(lost, "lost") == 4
    for i, client in enumerate(blocked):
        assert int(client.do("State", {1: "pod", 2: f"blocked-{i}"})[4]) == RUNNING
        client.do("Kill", {1: "pod", 2: f"blocked-{i}", 3: 9})
        assert end_of(client, f"blocked-{i}") == 137


def case_execs() -> None:
    def one(number: int) -> None:
        want = number * 7 % 100
        got = run(f"exec-{number}", "sh", "-c", f"echo output of {number}; exit {want}")
        assert got == (want, f"output of {number}\n".encode()), got

    seen = []
    for _ in range(10):
        at_once(20, one)
        seen.append(usage_down_to(seen[0][0]) if seen else usage())
    for n, (descriptors, written) in enumerate(seen):
        print(f"after {20 * (n + 1)} execs: {descriptors} descriptors, {written} KiB written")
    assert seen[-1][0] <= seen[0][0]
    # A leak of a kilobyte for each exec would be 160.
    assert seen[-1][1] <= seen[1][1] + 160


def case_stream() -> None:
    """A block of noise again and again: each place of the output is known without a copy of it."""
    block = hashlib.shake_128(b"block").digest(16 << 20)
    times = int(sys.argv[4]) // len(block)
    (FOLDER.parent / "rootfs/root/block").write_bytes(block)
    path = fifo("stream")
    client = execute("stream", "cat", *["/root/block"] * times, stdout=path)
    began, got, sum_of, want = time.monotonic(), 0, hashlib.sha256(), hashlib.sha256()
    with open(path, "rb") as file:
        while data := file.read(1 << 20):
            got += len(data)
            sum_of.update(data)
    seconds = time.monotonic() - began
    assert end_of(client, "stream") == 0
    assert got == times * len(block), got
    for _ in range(times):
        want.update(block)
    assert sum_of.digest() == want.digest()
    print(f"{got} bytes, {got / seconds / (1 << 20):.0f} MiB/s, checksum right")


def case_stranger() -> None:
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    client = Client(SOCKET)
    try:
        client.ask("State", {1: "pod"})
    except (ConnectionError, BrokenPipeError):
        return
    raise AssertionError("another user was served")


def case_begin() -> None:
    """Two containers, asked for at once: the second waits for the machine that the first makes."""

    def create(number: int) -> None:
        with connected(SOCKET) as client:
            client.do("Create", {1: ("pod", "second")[number], 2: sys.argv[4]})

    at_once(2, create)
    with connected(SOCKET) as client:
        client.do("Start", {1: "pod"})


def case_end() -> None:
    with connected(SOCKET) as client:
        client.do("Kill", {1: "pod", 3: 9})
        assert client.do("Wait", {1: "pod"})[1] == 137
        for name in ("second", "pod"):
            client.do("Delete", {1: name})
        client.do("Shutdown", {1: "pod"})


def main() -> None:
    globals()[f"case_{sys.argv[3]}"]()


if __name__ == "__main__":
    main()
