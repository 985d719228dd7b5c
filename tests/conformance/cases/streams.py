"""stdin, stdout, stderr and exit codes: byte for byte."""

from __future__ import annotations

import random

from harness.bundle import namespaces
from harness.case import Case, probe, sh

MIB = 1 << 20
EVERY_BYTE = bytes(range(256)) * 64
NOISE = random.Random(1).randbytes(MIB)
NO_PID_NAMESPACE = {"linux.namespaces": namespaces(drop=["pid"])}

CASES = [
    Case("exit/0", ["/bin/true"]),
    Case("exit/1", ["/bin/false"]),
    Case("exit/42", sh("exit 42")),
    Case("exit/126", sh("/etc/passwd")),
    Case("exit/127", sh("no-such-command")),
    Case("exit/255", ["/probe", "exit:255"]),
    Case("exit/256_is_0", ["/probe", "exit:256"]),
    Case("exit/crash_is_132", probe("crash")),
    Case("exit/killed_by_kill_is_137", sh("kill -9 $$"), NO_PID_NAMESPACE),
    Case("exit/killed_by_term_is_143", sh("kill -15 $$"), NO_PID_NAMESPACE),
    Case("exit/killed_by_realtime_signal", probe("die:40"), NO_PID_NAMESPACE),
    Case("exit/pid_1_is_immune_to_its_own_signals", sh("kill -9 $$; kill -15 $$; echo alive")),
    Case("exit/children_are_killed_with_pid_1", sh("sleep 1000 & echo started")),

    Case("streams/separate", sh("echo out; echo err >&2; echo out again")),
    Case("streams/no_newline_at_the_end", ["/bin/printf", "%s", "no newline"]),
    Case("streams/every_byte_out", ["/bin/cat"], stdin=EVERY_BYTE),
    Case("streams/every_byte_err", sh("cat >&2"), stdin=EVERY_BYTE),
    Case("streams/stdin_1_mib_hashed", probe("hash"), stdin=NOISE),
    Case("streams/stdin_1_mib_echoed", ["/bin/cat"], stdin=NOISE),
    Case("streams/stdin_empty", probe("hash"), stdin=b""),
    Case("streams/stdin_dev_null", probe("hash")),
    Case("streams/stdin_closed", probe("hash"), closed_stdin=True),
    Case("streams/stdin_not_read", ["/bin/true"], stdin=NOISE),
    Case("streams/stdin_read_in_part", ["/bin/head", "-c", "1000"], stdin=NOISE),
    Case("streams/stdin_lines_to_shell", ["/bin/sh"], stdin=b"echo one\necho two >&2\nexit 3\n"),
    Case("streams/stdout_8_mib", probe(f"burst:1,{8 * MIB}")),
    Case("streams/stderr_8_mib", probe(f"burst:2,{8 * MIB}")),
    Case("streams/both_at_once", sh(f"/probe burst:2,{MIB} & /probe burst:1,{MIB}; wait")),
    Case("streams/written_just_before_exit", sh("/probe burst:1,60000 exit:7")),
    Case("streams/written_just_before_death", sh("/probe burst:1,60000 die:9; echo $? >&2")),
    Case("streams/stdout_closed_early", sh("exec >&-; echo lost; echo $? >&2")),
    Case("streams/dev_stdout_can_be_opened", sh("echo out > /dev/stdout; echo err > /dev/stderr")),
    Case("streams/dev_stdin_can_be_opened", sh("cat < /dev/stdin"), stdin=b"again"),
    Case("streams/opened_by_another_user", sh("echo out > /proc/self/fd/1"),
         {"process.user": {"uid": 1000, "gid": 1000}}),
    Case("streams/many_small_writes", sh("for i in $(seq 2000); do echo $i; done")),
    Case("streams/output_after_stdin_ended", sh("cat; echo tail"), stdin=b"head\n"),
    Case("streams/descriptors", probe("fds"), stdin=b""),
]
