#!/usr/bin/env python3
"""Connections of TCP to one place, as containerd makes them for `kubectl port-forward`: run it in the network namespace.

dial.py say HOST PORT        sends standard input and its end, prints what comes until the end
dial.py outcome HOST PORT    what becomes of a connection over which nothing is said: refused, reset, or ended
dial.py many HOST PORT N     N connections one after the other, each sends a line and its end and wants the line back
dial.py at-once HOST PORT N  the same with N that are open at once
dial.py crowd HOST PORT N    N that are open at once and served, and one more, which is served when one of them ends
dial.py abandon HOST PORT    sends a line, reads one, then cuts the connection
dial.py stall HOST PORT N    sends until nothing more is taken, says so, waits for a line on standard input, then reads N
                             bytes back
dial.py forward URL PORT     the same as say, through containerd's streaming server, over a web socket (RFC 6455)
"""
import base64
import os
import socket
import struct
import sys
import threading
import urllib.parse

PATIENCE = 120


def dial(host, port):
    return socket.create_connection((host, int(port)), PATIENCE)


def drain(sock):
    while data := sock.recv(1 << 16):
        yield data


def say(host, port):
    sock = dial(host, port)

    def send():
        while data := os.read(0, 1 << 16):
            sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)

    # Not waited for, because nobody takes what it still has once the other end has ended.
    threading.Thread(target=send, daemon=True).start()
    for data in drain(sock):
        sys.stdout.buffer.write(data)
        sys.stdout.flush()


def outcome(host, port):
    try:
        sock = dial(host, port)
        print("ended" if not sock.recv(1) else "data")
    except ConnectionRefusedError:
        print("refused")
    except ConnectionResetError:
        print("reset")


def echo(sock, i):
    line = b"line %d\n" % i
    sock.sendall(line)
    sock.shutdown(socket.SHUT_WR)
    got = b"".join(drain(sock))
    assert got == line, (got, line)
    sock.close()


def many(host, port, n):
    for i in range(int(n)):
        echo(dial(host, port), i)
    print(n)


def at_once(host, port, n):
    socks = [dial(host, port) for _ in range(int(n))]
    for i, sock in enumerate(socks):
        echo(sock, i)
    print(n)


def is_served(sock):
    """Whether it gets back what it says, over a connection that goes on."""
    try:
        return sock.recv(5) == b"line\n"
    except TimeoutError:
        return False


def crowd(host, port, n):
    socks = []
    for _ in range(int(n)):  # each is served before the next comes, because the queue of busybox' nc is a short one
        socks.append(dial(host, port))
        socks[-1].sendall(b"line\n")
        assert is_served(socks[-1])
    more = dial(host, port)
    more.sendall(b"line\n")
    more.settimeout(2)
    assert not is_served(more)
    for i, sock in enumerate(socks):
        echo(sock, i)
    more.settimeout(PATIENCE)
    assert is_served(more)
    echo(more, 0)


def abandon(host, port):
    sock = dial(host, port)
    sock.sendall(b"line\n")
    assert sock.recv(5) == b"line\n"
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def stall(host, port, n):
    sock = dial(host, port)
    sock.settimeout(5)
    sent = 0
    try:
        while sent < int(n):
            sent += sock.send(b"x" * min(1 << 16, int(n) - sent))
    except TimeoutError:
        pass
    print("stalled" if sent < int(n) else "all was taken", flush=True)
    print(sent, file=sys.stderr)
    sys.stdin.readline()
    sock.settimeout(PATIENCE)
    sock.shutdown(socket.SHUT_WR)
    print("all came back" if sum(map(len, drain(sock))) == sent else "some was lost")


# The protocol of Kubernetes: binary messages that begin with the number of their channel, 0 for data and 1 for a sentence
# about what failed; both first say the port, in two bytes.

def frame_write(sock, opcode, data):
    head = bytes([0x80 | opcode])
    if len(data) < 126:
        head += bytes([0x80 | len(data)])
    else:
        head += bytes([0x80 | 126]) + struct.pack(">H", len(data))
    sock.sendall(head + bytes(4) + data)  # a mask of zeroes


def exactly(stream, n):
    data = stream.read(n)
    if len(data) < n:
        raise EOFError
    return data


def frame_read(stream):
    opcode, size = exactly(stream, 2)
    if size == 126:
        size, = struct.unpack(">H", exactly(stream, 2))
    elif size == 127:
        size, = struct.unpack(">Q", exactly(stream, 8))
    return opcode & 0xF, exactly(stream, size)


def upgrade(url, port):
    place = urllib.parse.urlsplit(url)
    sock = dial(place.hostname, place.port)
    sock.sendall((f"GET {place.path}?port={port} HTTP/1.1\r\nHost: {place.netloc}\r\nUpgrade: websocket\r\n"
                  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                  f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n"
                  "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n").encode())
    stream = sock.makefile("rb")
    assert b" 101 " in stream.readline()
    while stream.readline().strip():
        pass
    return sock, stream


def forward(url, port):
    sock, stream = upgrade(url, port)
    began = set()
    frame_write(sock, 2, b"\0" + sys.stdin.buffer.read())
    try:
        while True:
            opcode, data = frame_read(stream)
            if opcode == 8:
                break
            channel = data[0] if data else None
            if channel in began:
                (sys.stdout if channel == 0 else sys.stderr).buffer.write(data[1:])
            elif channel is not None:
                assert struct.unpack("<H", data[1:3]) == (int(port),)
                began.add(channel)
    except EOFError:
        pass


if __name__ == "__main__":
    globals()[sys.argv[1].replace("-", "_")](*sys.argv[2:])
