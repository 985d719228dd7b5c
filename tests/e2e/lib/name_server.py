#!/usr/bin/env python3
"""name_server.py ADDRESS NAME=ADDRESS...: answers questions for the IPv4 addresses of these names (RFC 1035)."""
import socket
import struct
import sys


def question_of(message):
    """The name that is asked for, and where its question ends."""
    labels, at = [], 12
    while message[at]:
        labels.append(message[at + 1:at + 1 + message[at]].decode())
        at += 1 + message[at]
    return ".".join(labels), at + 5


def answer(message, known):
    name, end = question_of(message)
    address = known.get(name.lower())
    is_address = message[end - 4:end - 2] == b"\0\1"
    records = b""
    if address and is_address:
        records = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 30, 4) + socket.inet_aton(address)
    flags = 0x8180 if address else 0x8183
    return message[:2] + struct.pack("!HHHHH", flags, 1, 1 if records else 0, 0, 0) + message[12:end] + records


def main():
    known = dict(word.split("=") for word in sys.argv[2:])
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((sys.argv[1], 53))
    print("listening", flush=True)
    while True:
        message, asker = server.recvfrom(4096)
        server.sendto(answer(message, known), asker)


main()
