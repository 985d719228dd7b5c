"""A client of containerd's task service: ttRPC by hand, so that a test can also say what no client would."""
from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator

SERVICE = "containerd.task.v2.Task"
REQUEST, RESPONSE = 1, 2
OK = 0
NOT_FOUND, ALREADY_EXISTS, FAILED_PRECONDITION, UNIMPLEMENTED = 5, 6, 9, 12
INVALID_ARGUMENT, RESOURCE_EXHAUSTED, CANCELLED = 3, 8, 1

Value = str | int | bytes
Message = dict[int, Value]


def _varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def encode(message: Message) -> bytes:
    """By field number: text and bytes, and numbers that are not negative."""
    out = b""
    for number, value in message.items():
        if isinstance(value, int):
            out += _varint(number << 3) + _varint(value)
        else:
            data = value.encode() if isinstance(value, str) else value
            out += _varint(number << 3 | 2) + _varint(len(data)) + data
    return out


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def decode(data: bytes) -> dict[int, int | bytes]:
    """The last value of each field."""
    fields: dict[int, int | bytes] = {}
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        if tag & 7 == 0:
            fields[tag >> 3], at = _read_varint(data, at)
        else:
            size, at = _read_varint(data, at)
            fields[tag >> 3] = data[at : at + size]
            at += size
    return fields


class Client:
    """One connection, one call at a time."""

    def __init__(self, path: str, timeout: float = 120) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.stream = 1

    def close(self) -> None:
        self.socket.close()

    def _receive(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise ConnectionError("the server hung up")
            data += part
        return data

    def send(self, method: str, message: Message, service: str = SERVICE) -> None:
        request = encode({1: service, 2: method, 3: encode(message)})
        self.socket.sendall(struct.pack(">IIBB", len(request), self.stream, REQUEST, 0) + request)
        self.stream += 2

    def receive(self) -> tuple[int, str, dict[int, int | bytes]]:
        """The code, the words of a refusal, the fields of the answer."""
        size, _, kind, _ = struct.unpack(">IIBB", self._receive(10))
        answer = decode(self._receive(size))
        assert kind == RESPONSE, kind
        status = decode(bytes(answer.get(1, b"")))
        return int(status.get(1, OK)), bytes(status.get(2, b"")).decode(), decode(bytes(answer.get(2, b"")))

    def ask(self, method: str, message: Message, service: str = SERVICE) -> tuple[int, str, dict[int, int | bytes]]:
        self.send(method, message, service)
        return self.receive()

    def do(self, method: str, message: Message) -> dict[int, int | bytes]:
        """The answer of a call that must succeed."""
        code, words, answer = self.ask(method, message)
        assert code == OK, f"{method}: {code} {words}"
        return answer


@contextlib.contextmanager
def connected(path: str) -> Iterator[Client]:
    client = Client(path)
    try:
        yield client
    finally:
        client.close()
