"""Makes a map of struct_ops (congestion control of TCP as a BPF program) in the kernel that runs it, which looks for the types of such
maps by name when the first is asked for, and one of a type that is none. Prints what became of the two."""
import ctypes
import os
import struct

LIBC = ctypes.CDLL(None, use_errno=True)
BPF_SYSCALL = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
MAP_CREATE, BTF_LOAD, STRUCT_OPS = 0, 18, 26
INT, STRUCT = 1, 4
# Bytes behind each kind's struct btf_type: in all, and for each of its members.
BEHIND = {1: (4, 0), 3: (12, 0), 4: (0, 12), 5: (0, 12), 6: (0, 8), 13: (0, 8), 14: (4, 0), 15: (0, 12), 17: (4, 0), 19: (0, 12)}


def bpf(command: int, attributes: bytes) -> int:
    """The descriptor, or a negative errno."""
    buffer = ctypes.create_string_buffer(attributes.ljust(128, b"\0"))
    result = LIBC.syscall(BPF_SYSCALL, command, buffer, 128)
    return result if result >= 0 else -ctypes.get_errno()


def struct_of(name: bytes) -> tuple[int, int]:
    """Number and size of a structure of the kernel."""
    data = open("/sys/kernel/btf/vmlinux", "rb").read()
    header, types, types_bytes, strings = struct.unpack_from("<4xIIII", data)
    at, number = header + types, 0
    while at < header + types + types_bytes:
        name_offset, info, size = struct.unpack_from("<III", data, at)
        kind, members = info >> 24 & 31, info & 0xFFFF
        number += 1
        start = header + strings + name_offset
        if kind == STRUCT and data[start:start + len(name) + 1] == name + b"\0":
            return number, size
        fixed, each = BEHIND.get(kind, (0, 0))
        at += 12 + fixed + each * members
    raise SystemExit(f"there is no structure {name.decode()}")


def own_btf() -> int:
    """The kernel wants to be shown types of the maker's own, too: one int."""
    types = struct.pack("<IIII", 1, INT << 24, 4, 1 << 24 | 32)
    strings = b"\0int\0"
    data = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings)) + types + strings
    buffer = ctypes.create_string_buffer(data, len(data))
    return bpf(BTF_LOAD, struct.pack("<QQI", ctypes.addressof(buffer), 0, len(data)))


def make_map(btf: int, number: int, size: int) -> str:
    made = bpf(MAP_CREATE, struct.pack("<IIIIIII16sIIIII", STRUCT_OPS, 4, size, 1, 0, 0, 0, b"", 0, btf, 0, 0, number))
    return "made" if made >= 0 else os.strerror(-made)


ours = own_btf()
print("congestion control:", make_map(ours, *struct_of(b"bpf_struct_ops_tcp_congestion_ops")))
print("task_struct:", make_map(ours, *struct_of(b"task_struct")))
