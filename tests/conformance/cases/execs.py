"""exec: processes in a container that runs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

from cases.lifecycle import SLEEP, ended, running, say
from harness.case import Case, Expect
from harness.runtime import Container, Result


def executed(*runs: Callable[[Container], Result]) -> Callable[[Container], None]:
    """exec's in a container that sleeps."""
    def drive(c: Container) -> None:
        running(c)
        for run in runs:
            result = run(c)
            c.say(result.exit, result.text, result.stderr.decode() if result.exit < 125 else "")
        ended(c)
    return drive


def exec_refused(c: Container) -> None:
    running(c)
    say(c, "missing", c.exec("/no/such/file"))
    say(c, "not executable", c.exec("/etc/passwd"))
    say(c, "not in PATH", c.exec("nosuch"))
    say(c, "bad cwd", c.exec("/bin/true", flags=["--cwd", "relative"]))
    say(c, "bad user", c.exec("/bin/true", flags=["--user", "x:y"]))
    c.say(c.status())
    ended(c)


def exec_detached(c: Container) -> None:
    running(c)
    say(c, "exec", c.exec_detached("/bin/sh", "-c", "echo out; exit 9"))
    c.say("process", c.wait("exec-pid"), c.out())
    ended(c)


def exec_outlives_nothing(c: Container) -> None:
    running(c)
    say(c, "exec", c.exec_detached("/bin/sleep", "1000"))
    c.kill("KILL")
    # In this order: a pid namespace ends when all of its processes were waited for.
    c.say("exec", c.wait("exec-pid"), "process", c.wait(), c.await_status("stopped"))
    say(c, "delete", c.delete())


PROCESS = {"args": ["/bin/sh", "-c", "id -u; pwd; echo $X; exit 4"], "cwd": "/etc",
           "env": ["PATH=/bin", "X=from file"], "user": {"uid": 1000, "gid": 1000}}


def exec_process_file(c: Container) -> None:
    running(c)
    (c.home / "process.json").write_text(json.dumps(PROCESS))
    result = c.exec(flags=["--process", str(c.home / "process.json")])
    c.say(result.exit, result.text)
    ended(c)


def exec_process_file_alone(c: Container) -> None:
    """What a process.json does not say about privileges is not the container's."""
    running(c)
    for part in ({"noNewPrivileges": False}, {}, {"noNewPrivileges": True}):
        process = {**PROCESS, "args": ["/bin/grep", "NoNewPrivs", "/proc/self/status"], **part}
        (c.home / "process.json").write_text(json.dumps(process))
        result = c.exec(flags=["--process", str(c.home / "process.json")])
        c.say(result.exit, result.text)
    ended(c)


def preserved(c: Container) -> None:
    """A descriptor given to exec is number 3 of its process."""
    running(c)
    read, write = os.pipe()
    result = c.call("exec", "--preserve-fds", "1", c.id, "/bin/sh", "-c", "echo through >&3",
                    third=write)
    os.close(write)
    c.say(result.exit, os.read(read, 100))
    os.close(read)
    ended(c)


CASES = [
    Case("exec/exit_codes", SLEEP, drive=executed(
        lambda c: c.exec("/bin/true"), lambda c: c.exec("/bin/false"),
        lambda c: c.exec("/bin/sh", "-c", "exit 42"),
        lambda c: c.exec("/bin/sh", "-c", "kill -9 $$"))),
    Case("exec/streams", SLEEP, drive=executed(
        lambda c: c.exec("/bin/sh", "-c", "echo out; echo err >&2"),
        lambda c: c.exec("/bin/cat", stdin=bytes(range(32, 127))),
        lambda c: c.exec("/probe", "hash", stdin=b"x" * 300000),
        lambda c: c.exec("/probe", "burst:1,3000"))),
    Case("exec/inherits_the_process", SLEEP, {"process.user": {
        "uid": 1000, "gid": 1000, "additionalGids": [5]}, "process.cwd": "/etc"}, drive=executed(
        lambda c: c.exec("/probe", "id", "caps", "env", "rlimits:NOFILE", "oom", "host"))),
    Case("exec/options", SLEEP, drive=executed(
        lambda c: c.exec("/probe", "id", flags=["--cwd", "/tmp", "--user", "1000:2000"]),
        lambda c: c.exec("/probe", "env", flags=["-e", "A=1", "-e", "B=2"]),
        lambda c: c.exec("/probe", "caps", flags=["--cap", "CAP_SYS_ADMIN"]),
        lambda c: c.exec("/probe", "caps", flags=["--no-new-privs"]),
        lambda c: c.exec("/probe", "id", flags=["--additional-gids", "7", "-u", "1000"]))),
    Case("exec/shares_namespaces", SLEEP, drive=executed(
        lambda c: c.exec("/bin/sh", "-c", "hostname; ls -d /proc/1 /dev/pts; cat /proc/1/comm"),
        lambda c: c.exec("/probe", "session", "grouppath", "fds"))),
    Case("exec/process_file", SLEEP, drive=exec_process_file),
    Case("exec/process_file_without_new_privileges", SLEEP, {"process.noNewPrivileges": True},
         drive=exec_process_file_alone),
    Case("exec/detached", SLEEP, drive=exec_detached),
    Case("exec/refused", SLEEP, drive=exec_refused),
    Case("exec/is_killed_with_the_container", SLEEP, drive=exec_outlives_nothing),
    Case("exec/preserved_descriptor", SLEEP, drive=preserved, expect=Expect(
        "255 b''\nprocess 137 stopped\ndelete exit 0\nstatus absent\n")),
]
