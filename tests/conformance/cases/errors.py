"""Configurations that are broken, odd, or extended."""

from __future__ import annotations

import copy
import json
import os
from typing import Any

from harness.bundle import BASE, DROP, edited
from harness.case import Case, Expect, sh
from harness.runtime import Container


def text(**edit: Any) -> bytes:
    """The base configuration as bytes, for cases that break them."""
    return json.dumps(edited(BASE, edit)).encode()


def broken(name: str, raw: bytes) -> Case:
    return Case(f"config/{name}", raw=raw, refused=True)


def passed_by_the_reference(name: str, raw: bytes) -> Case:
    """What the reference takes, or falls over, although it is no JSON object."""
    return Case(f"config/{name}", raw=raw, refused=True, expect=Expect(exit=1))


def wrong_type(path: str, value: Any) -> Case:
    """A field with a value of a type the specification does not have for it."""
    kind = {str: "string", int: "number", bool: "bool", list: "list", dict: "object"}[type(value)]
    return Case(f"config/{path}_is_a_{kind}", edit={path: value}, refused=True)


def without_config(c: Container) -> None:
    (c.bundle / "config.json").unlink()
    result = c.run()
    c.say(result.exit, len(result.stderr.decode().splitlines()) == 1)


def with_pipe(c: Container) -> None:
    """config.json is a pipe that nobody writes to."""
    path = c.bundle / "config.json"
    path.unlink()
    os.mkfifo(path)
    result = c.run()
    c.say(result.exit, "not a regular file" in result.stderr.decode())


def duplicate_keys() -> bytes:
    return text().replace(b'{"ociVersion"', b'{"hostname": "first", "ociVersion"', 1)


BASE_TEXT = text()
LONG = copy.deepcopy(BASE)
LONG["annotations"] = {f"org.example.{i}": "x" * 1000 for i in range(10000)}

CASES = [
    Case("config/absent", drive=without_config),
    # The reference waits for ever.
    Case("config/is_a_pipe", drive=with_pipe, reference=False, expect=Expect("1 True\n")),
    broken("empty", b""),
    broken("blank", b"  \n"),
    broken("truncated", BASE_TEXT[:len(BASE_TEXT) // 2]),
    broken("truncated_by_one_byte", BASE_TEXT[:-1]),
    broken("not_json", b"\x7fELF\0\0\0"),
    broken("a_list", b"[]"),
    broken("a_string", b'"config"'),
    passed_by_the_reference("null", b"null"),
    broken("empty_object", b"{}"),
    broken("deep_lists", b"[" * 10000 + b"]" * 10000),
    broken("deep_objects", b'{"a":' * 10000 + b"1" + b"}" * 10000),
    broken("deep_value_of_unknown_field",
           b'{"x":' + b"[" * 10000 + b"]" * 10000 + b"," + BASE_TEXT[1:]),
    passed_by_the_reference("garbage_behind", BASE_TEXT[:-1] + b"}}"),
    passed_by_the_reference("not_utf_8_hostname", BASE_TEXT.replace(
        b'"conformance"', b'"\xff\xfe"')),
    broken("number_too_large", BASE_TEXT.replace(b'"soft": 1024', b'"soft": 1e400')),
    wrong_type("process", "text"),
    wrong_type("process.args", "/bin/true"),
    wrong_type("process.args", {"0": "/bin/true"}),
    wrong_type("process.env", "A=1"),
    wrong_type("process.cwd", 5),
    wrong_type("process.user", "root"),
    wrong_type("process.user.uid", "0"),
    wrong_type("process.user.uid", -1),
    wrong_type("process.terminal", "no"),
    wrong_type("process.capabilities", ["CAP_CHOWN"]),
    wrong_type("process.rlimits", {"type": "RLIMIT_NOFILE"}),
    wrong_type("root", "rootfs"),
    wrong_type("root.readonly", 1),
    wrong_type("mounts", {"destination": "/proc"}),
    wrong_type("hostname", 5),
    wrong_type("hooks", "none"),
    wrong_type("annotations", ["a"]),
    wrong_type("annotations", {"a": 5}),
    wrong_type("linux", "yes"),
    wrong_type("linux.namespaces", ["pid"]),
    wrong_type("linux.resources.memory", {"limit": "64M"}),
    wrong_type("linux.maskedPaths", "/proc/keys"),
    wrong_type("linux.seccomp", "default"),
    Case("config/process_absent", edit={"process": DROP}, refused=True),
    Case("config/unknown_fields", sh("echo ran"), {
        "unknown": {"a": [1, {"b": None}]}, "process.unknown": "x", "linux.unknown": 5,
        "root.unknown": False, "linux.resources.unknown": {"limit": 1}}),
    Case("config/null_fields", sh("echo ran"), {
        "hooks": None, "annotations": None, "process.rlimits": None, "linux.sysctl": None,
        "linux.seccomp": None, "linux.devices": None}),
    Case("config/annotations", sh("echo ran"), {"annotations": {
        "org.example.key": "value", "empty": "", "utf": "äöü", "long": "x" * 10000}}),
    Case("config/10_mb", raw=json.dumps(edited(LONG, {
        "process.args": ["/bin/echo", "ran"]})).encode(), drive=lambda c: large(c)),
    passed_by_the_reference("key_given_twice", duplicate_keys()),
    Case("config/case_of_keys", raw=BASE_TEXT.replace(b'"hostname"', b'"HOSTNAME"').replace(
        b'"/bin/true"', b'"/bin/hostname"')),
    Case("config/escapes_in_strings", raw=BASE_TEXT.replace(
        b'"/bin/true"', b'"/bin/echo", "\\u00e4\\n\\ud83d\\ude00\\t\\"\\\\\\/"')),
    Case("config/version_of_the_future", sh("echo ran"), {"ociVersion": "1.99.0"}),
    *(Case(f"config/version_is_{name}", edit={"ociVersion": value}, refused=True,
           expect=Expect(exit=1))
      for name, value in (("absent", DROP), ("2", "2.0.0"), ("nonsense", "one"))),
    Case("config/windows_section", edit={"windows": {"layerFolders": ["C:\\x"]}}, refused=True,
         expect=Expect(exit=1)),
    Case("config/byte_order_mark", raw=b"\xef\xbb\xbf" + BASE_TEXT, refused=True),
]


def large(c: Container) -> None:
    """10 MB are either run or refused by one sentence, and neither takes long."""
    result = c.run()
    ran = not result.exit and result.stdout == b"ran\n"
    refused = result.exit == 1 and len(result.stderr.decode().splitlines()) == 1
    c.say("ran or refused:", ran or refused)
