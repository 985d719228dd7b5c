"""An interface that comes while nobody listens to the kernel's events, and one that comes while this does. Prints whether the first
was counted, and what was said of the second."""
import socket
import subprocess

KOBJECT_UEVENT = 15


def number() -> int:
    return int(open("/sys/kernel/uevent_seqnum").read())


def make(name: str) -> None:
    subprocess.run(["ip", "link", "add", name, "type", "dummy"], check=True)


before = number()
make("unheard")
print("unheard:", "counted" if number() > before else "not counted")
with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, KOBJECT_UEVENT) as listener:
    listener.bind((0, 1))
    listener.settimeout(20)
    make("heard")
    print("\n".join(listener.recv(4096).decode().rstrip("\0").split("\0")))
