"""seccomp: actions, argument operators, flags and what is refused."""

from __future__ import annotations

from typing import Any

from harness.bundle import DROP
from harness.case import Case, Expect, probe, sh

ARG_FD = 1  # dup3's second argument: the new descriptor


def filtered(*rules: dict[str, Any], default: str = "ALLOW", **more: Any) -> dict[str, Any]:
    return {"linux.seccomp": {"defaultAction": f"SCMP_ACT_{default}", "syscalls": rules, **more}}


def rule(action: str, *names: str, **more: Any) -> dict[str, Any]:
    return {"names": names, "action": f"SCMP_ACT_{action}", **more}


def when(op: str, value: int, **more: int) -> dict[str, Any]:
    return {"args": [{"index": ARG_FD, "op": f"SCMP_CMP_{op}", "value": value, **more}]}


TRY_DUP = probe("try:dup10,dup20")
TRY_MKDIR = sh("/probe try:mkdir; echo $?")

ACTIONS = [
    Case("seccomp/absent", probe("caps")),
    Case("seccomp/empty_filter", probe("caps"), filtered()),
    Case("seccomp/errno", TRY_MKDIR, filtered(rule("ERRNO", "mkdir", "mkdirat"))),
    Case("seccomp/errno_given", TRY_MKDIR, filtered(rule("ERRNO", "mkdir", errnoRet=38))),
    Case("seccomp/errno_0", TRY_MKDIR, filtered(rule("ERRNO", "mkdir", errnoRet=0))),
    Case("seccomp/allow_in_default_errno", probe("try:mkdir,sync,sethostname"), filtered(
        rule("ALLOW", "mkdir", "sync"), rule("ERRNO", "sethostname", errnoRet=99))),
    Case("seccomp/kill", TRY_MKDIR, filtered(rule("KILL", "mkdir"))),
    Case("seccomp/kill_thread", TRY_MKDIR, filtered(rule("KILL_THREAD", "mkdir"))),
    Case("seccomp/kill_process", TRY_MKDIR, filtered(rule("KILL_PROCESS", "mkdir"))),
    Case("seccomp/kill_process_of_pid_1", probe("try:mkdir"),
         filtered(rule("KILL_PROCESS", "mkdir"))),
    Case("seccomp/trap", TRY_MKDIR, filtered(rule("TRAP", "mkdir"))),
    Case("seccomp/trace_without_tracer", TRY_MKDIR, filtered(rule("TRACE", "mkdir"))),
    Case("seccomp/log", TRY_MKDIR, filtered(rule("LOG", "mkdir"))),
    Case("seccomp/many_names", probe("try:mkdir,sync,personality,socket_unix"), filtered(
        rule("ERRNO", "mkdir", "sync", "personality", "socket"))),
    Case("seccomp/unknown_call_is_skipped", TRY_MKDIR, filtered(
        rule("ERRNO", "no_such_call", "mkdir"))),
    Case("seccomp/without_no_new_privs", TRY_MKDIR, {
        **filtered(rule("ERRNO", "mkdir")), "process.noNewPrivileges": DROP}),
    Case("seccomp/of_a_user", probe("try:mkdir", "caps"), {
        **filtered(rule("ERRNO", "mkdir")), "process.user": {"uid": 1000, "gid": 1000}}),
    Case("seccomp/architectures", TRY_MKDIR, filtered(
        rule("ERRNO", "mkdir"), architectures=["SCMP_ARCH_X86_64", "SCMP_ARCH_X86",
                                               "SCMP_ARCH_X32"])),
    Case("seccomp/flag_log", TRY_MKDIR, filtered(
        rule("ERRNO", "mkdir"), flags=["SECCOMP_FILTER_FLAG_LOG"]), reference=False,
         expect=Expect("try mkdir: EPERM\n0\n")),
    Case("seccomp/children_inherit", sh("sh -c '/probe try:mkdir caps' | tail -3"),
         filtered(rule("ERRNO", "mkdir"))),
]

OPERATORS = [
    Case("seccomp_args/eq", TRY_DUP, filtered(rule("ERRNO", "dup3", **when("EQ", 10)))),
    Case("seccomp_args/ne", TRY_DUP, filtered(rule("ERRNO", "dup3", **when("NE", 10)))),
    Case("seccomp_args/lt", TRY_DUP, filtered(rule("ERRNO", "dup3", **when("LT", 20)))),
    Case("seccomp_args/le", TRY_DUP, filtered(rule("ERRNO", "dup3", **when("LE", 10)))),
    Case("seccomp_args/gt", TRY_DUP, filtered(rule("ERRNO", "dup3", **when("GT", 10)))),
    Case("seccomp_args/ge", TRY_DUP, filtered(rule("ERRNO", "dup3", **when("GE", 20)))),
    Case("seccomp_args/masked_eq", TRY_DUP, filtered(
        rule("ERRNO", "dup3", **when("MASKED_EQ", 0x1c, valueTwo=0x14)))),
    Case("seccomp_args/two_must_both_match", TRY_DUP, filtered(rule("ERRNO", "dup3", args=[
        {"index": 0, "op": "SCMP_CMP_EQ", "value": 0},
        {"index": 1, "op": "SCMP_CMP_EQ", "value": 20}]))),
    Case("seccomp_args/same_index_twice_is_either", TRY_DUP, filtered(rule("ERRNO", "dup3", args=[
        {"index": 1, "op": "SCMP_CMP_EQ", "value": 10},
        {"index": 1, "op": "SCMP_CMP_EQ", "value": 20}]))),
    Case("seccomp_args/family_of_socket", probe("try:socket_unix,socket_inet"), filtered(
        rule("ERRNO", "socket", args=[{"index": 0, "op": "SCMP_CMP_EQ", "value": 2}],
             errnoRet=97))),
    Case("seccomp_args/personality", probe("try:personality,personality8"), filtered(
        rule("ERRNO", "personality", args=[{"index": 0, "op": "SCMP_CMP_EQ", "value": 8}]))),
]

REFUSALS = [
    Case("seccomp_bad/action", edit=filtered(rule("NOSUCH", "mkdir")), refused=True),
    Case("seccomp_bad/default_action", edit=filtered(default="NOSUCH"), refused=True),
    Case("seccomp_bad/architecture", edit=filtered(architectures=["SCMP_ARCH_NOSUCH"]),
         refused=True),
    Case("seccomp_bad/flag", edit=filtered(flags=["SECCOMP_FILTER_FLAG_NOSUCH"]), refused=True),
    Case("seccomp_bad/operator", edit=filtered(rule("ERRNO", "dup3", **when("NOSUCH", 1))),
         refused=True),
    Case("seccomp_bad/argument_index", edit=filtered(rule("ERRNO", "dup3", args=[
        {"index": 6, "op": "SCMP_CMP_EQ", "value": 1}])), refused=True),
    Case("seccomp_bad/notify_without_listener", edit=filtered(rule("NOTIFY", "mkdir")),
         refused=True),
]

CASES = [*ACTIONS, *OPERATORS, *REFUSALS]
