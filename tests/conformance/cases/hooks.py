"""Hooks: order, place, environment, state on stdin, failures and timeouts."""

from __future__ import annotations

import os
from typing import Any

from harness.bundle import script
from harness.case import Case, Expect, sh
from harness.runtime import Container

KINDS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
ON_HOST = ("prestart", "createRuntime", "poststart", "poststop")

# Each line of the trace: arguments, a variable, and if $2 asks for it, the status given on stdin.
TRACER = script(
    'state=$(cat); status=$(echo "$state" | sed -n \'s/.*"status": *"\\([a-z]*\\)".*/\\1/p\')\n'
    'echo "args=$* X=$X ${2:+status=$status}" >> "${0%/*}/trace"')


def on_host(kind: str, *args: str, **more: Any) -> dict[str, Any]:
    """A hook that is a program of the host, beside the bundle's root file system."""
    return {"path": "{bundle}/hook", "args": ["hook", kind, *args], **more}


def in_container(kind: str, command: str = "", **more: Any) -> dict[str, Any]:
    """A hook that is a program of the container; run anywhere else it does nothing."""
    inside = "test -e /probe || exit 0; " + (command or f"echo {kind} >> /trace")
    return {"path": "/bin/sh", "args": ["sh", "-c", inside], **more}


def hooks(**kinds: list[dict[str, Any]]) -> dict[str, Any]:
    return {f"hooks.{kind}": entries for kind, entries in kinds.items()}


def traced(container: Container) -> None:
    """create, start, wait, delete; says the exit code of each, then what the hooks wrote."""
    created = container.create()
    container.say("create", created.exit)
    if not created.exit:
        started, code = container.start().exit, container.wait()
        container.say("started", started)
        container.say("process", code)
    container.say("status", container.await_status("absent" if created.exit else "stopped"))
    container.say("delete", container.delete("--force").exit)
    for name in ("trace", "rootfs/trace"):
        path = container.bundle / name
        container.say(name, path.read_text() if path.exists() else "absent")
    container.say("output", container.out().decode())


def said_where(container: Container) -> None:
    """Whether a hook that wrote its UTS namespace to `where` ran in another one than we are in."""
    container.run()
    where = container.bundle / "where"
    own = os.readlink("/proc/self/ns/uts")
    container.say("a namespace of its own:", where.exists() and where.read_text().strip() != own)


def case(name: str, edit: dict[str, Any], ours: str = "") -> Case:
    return Case(f"hooks/{name}", sh("echo process >> /trace; echo ran"), edit, {"hook": TRACER},
                drive=traced, expect=Expect(ours) if ours else None)


def life(started: int = 0, process: str = "0", trace: str = "absent",
         inside: str = "absent", output: str = "") -> str:
    """What traced() says of a container that could be created."""
    return (f"create 0\nstarted {started}\nprocess {process}\nstatus stopped\ndelete 0\n"
            f"trace {trace}\nrootfs/trace {inside}\noutput {output}\n")


RAN = {"inside": "process\n", "output": "ran\n"}


FAIL = in_container("fail", "exit 3")
HOST_FAIL = {"path": "/bin/false"}

CASES = [
    *(case(f"{kind}_on_host", hooks(**{kind: [on_host(kind)]})) for kind in ON_HOST),
    *(case(f"status_for_{kind}", hooks(**{kind: [on_host(kind, "status")]}),
           life(trace="args=poststart status X= status=running\n", **RAN)
           if kind == "poststart" else "") for kind in ON_HOST),
    case("order_of_kinds", hooks(**{kind: [on_host(kind)] for kind in ON_HOST})),
    case("order_within_a_kind", hooks(createRuntime=[on_host("first"), on_host("second"),
                                                     on_host("third")])),
    case("arguments_and_environment", hooks(createRuntime=[
        on_host("kind", "a b", "", "*", env=["X=value with blanks", "Y=2"])])),
    case("environment_absent", hooks(createRuntime=[{"path": "/bin/sh", "args": [
        "sh", "-c", "echo $CONFORMANCE > {bundle}/trace"]}]), life(trace="\n", **RAN)),
    case("start_container_inside", hooks(startContainer=[in_container("startContainer")])),
    case("start_container_twice", hooks(startContainer=[
        in_container("one"), in_container("two")])),
    case("start_container_sees_namespaces", hooks(startContainer=[
        in_container("x", "hostname >> /trace; pwd >> /trace; ls /dev/null >> /trace")])),
    case("start_container_gets_the_state", hooks(startContainer=[
        in_container("x", "grep -o '\"status\": *\"[a-z]*\"' | tr -d ' ' >> /trace")])),
    case("start_container_with_environment", hooks(startContainer=[
        in_container("x", "echo $X $Y >> /trace", env=["X=1", "Y=2"])])),
    # Its path is one of the host, it runs in the container's namespaces.
    case("create_container_sees_the_host", hooks(createContainer=[{
        "path": "{bundle}/hook", "args": ["hook", "createContainer"]}])),
    Case("hooks/create_container_runs_in_the_namespaces", edit=hooks(createContainer=[{
        "path": "{bundle}/rootfs/bin/busybox", "args": [
            "busybox", "sh", "-c", "readlink /proc/self/ns/uts > {bundle}/where"]}]),
         drive=lambda c: said_where(c), expect=Expect("a namespace of its own: False\n")),
    *(case(f"{kind}_fails", hooks(**{kind: [HOST_FAIL]}),
           life(**RAN) if kind == "poststart" else "") for kind in ON_HOST),
    case("start_container_fails", hooks(startContainer=[FAIL]), life(1, "1")),
    case("create_container_fails", hooks(createContainer=[{
        "path": "{bundle}/rootfs/bin/busybox", "args": ["false"]}])),
    case("later_ones_do_not_run_after_a_failure", hooks(
        createRuntime=[on_host("first"), HOST_FAIL, on_host("third")])),
    case("later_poststop_runs_after_a_failure", hooks(
        poststop=[on_host("first"), HOST_FAIL, on_host("third")]),
         life(trace="args=first X= \nargs=third X= \n", **RAN)),
    case("timeout_on_host", hooks(createRuntime=[{
        "path": "/bin/sleep", "args": ["sleep", "1000"], "timeout": 1}])),
    case("timeout_inside", hooks(startContainer=[
        {"path": "/bin/sleep", "args": ["sleep", "1000"], "timeout": 1}]), life(1, "1")),
    case("within_its_timeout", hooks(createRuntime=[on_host("quick", timeout=60)])),
    case("missing_program", hooks(createRuntime=[{"path": "/no/such/hook"}])),
    case("missing_program_inside", hooks(startContainer=[{"path": "/no/such/hook"}]),
         life(1, "1")),
    Case("hooks/relative_path", edit=hooks(createRuntime=[{"path": "hook"}]), files={
        "hook": TRACER}, refused=True),
]
