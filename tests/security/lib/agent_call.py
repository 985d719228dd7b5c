#!/usr/bin/python3
"""agent_call CID PORT [SOURCE-PORT]: asks the agent of a guest for its health over vsock.

Prints `answered`, `hung up` (no answer and the end of the line), `refused` (no line at all), or `silent` when nothing
has come within the limit.
"""

from __future__ import annotations

import socket
import struct
import sys

LIMIT_S = 10


def field(number: int, data: bytes) -> bytes:
    """A string of a protobuf message, shorter than 128 bytes."""
    return bytes([number << 3 | 2, len(data)]) + data


def request() -> bytes:
    """A ttRPC request: length, stream, type 1, no flags, and service and method in protobuf."""
    body = field(1, b"grpc.Health") + field(2, b"Check")
    return struct.pack(">IIBB", len(body), 1, 1, 0) + body


def main() -> str:
    """One try."""
    with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as line:
        line.settimeout(LIMIT_S)
        if len(sys.argv) > 3:
            line.bind((socket.VMADDR_CID_ANY, int(sys.argv[3])))
        try:
            line.connect((int(sys.argv[1]), int(sys.argv[2])))
            line.sendall(request())
            return "answered" if line.recv(10) else "hung up"
        except socket.timeout:
            return "silent"
        except (ConnectionResetError, BrokenPipeError):
            return "hung up"
        except OSError as e:
            print(e, file=sys.stderr)
            return "refused"


if __name__ == "__main__":
    print(main())
