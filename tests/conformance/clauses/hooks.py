"""Hooks: runtime.md says when they run and what a failure means, config.md where and with what."""

from __future__ import annotations

import json
import os
from typing import Any

from harness.bundle import script
from harness.case import sh
from harness.clause import Chapter, fails, require, works
from harness.runtime import Container

CHAPTER = Chapter("config.md")
CREATING = ("prestart", "createRuntime")  # on the host, during create
# In the container; run anywhere else it does nothing.
INSIDE = {"path": "/bin/sh", "args": [
    "sh", "-c", "test -e /probe && echo startContainer >> /trace"]}
# On the host: appends its name to the trace, keeps the state it was given.
HOOK = {"hook": script('cat > "${0%/*}/state-$1"\necho "$1" >> "${0%/*}/rootfs/trace"')}
PROGRAM = tuple(sh("echo program >> /trace"))


def on_host(name: str, **more: Any) -> dict[str, Any]:
    return {"path": "{bundle}/hook", "args": ["hook", name], **more}


def failing(kind: str) -> dict[str, Any]:
    return {f"hooks.{kind}": [on_host("before"), {"path": "/bin/false"}, on_host("after")]}


def trace(c: Container) -> list[str]:
    """Who wrote to the trace so far."""
    path = c.bundle / "rootfs/trace"
    return path.read_text().split() if path.exists() else []


def lived(c: Container) -> list[str]:
    """Creates, starts, waits for and deletes the container; returns the trace."""
    c.created()
    works(c.start(), "start")
    c.wait()
    c.await_status("stopped")
    works(c.delete(), "delete")
    return trace(c)


for kind in ("prestart", "createRuntime", "poststart", "poststop"):
    @CHAPTER.must("POSIX-platform hooks", f"{kind} hooks run, as programs of the host", PROGRAM,
                  {f"hooks.{kind}": [on_host(kind)]}, HOOK, name=f"hook_{kind}")
    def hook_runs(c: Container, name: str = kind) -> None:
        require(sorted(lived(c)) == sorted([name, "program"]), f"the trace is {trace(c)}")


@CHAPTER.must("createContainer", "createContainer hooks resolve on the host and run in the "
              "container's namespaces", ["/bin/true"], {"hooks.createContainer": [{
                  "path": "{bundle}/rootfs/bin/busybox", "args": [
                      "busybox", "sh", "-c", "readlink /proc/self/ns/uts > {bundle}/where"]}]})
def hook_create_container(c: Container) -> None:
    works(c.run(), "run")
    require((c.bundle / "where").exists(), "it did not run where the host's files are")
    where = (c.bundle / "where").read_text().strip()
    require(where != os.readlink("/proc/self/ns/uts"), "it ran in the UTS namespace of the host")


@CHAPTER.must("startContainer", "startContainer hooks resolve and run in the container, before the "
              "program", PROGRAM, {"hooks.startContainer": [INSIDE]})
def hook_start_container(c: Container) -> None:
    c.created()
    require(trace(c) == [], "it ran during create")
    works(c.start(), "start")
    c.wait()
    require(trace(c) == ["startContainer", "program"], f"the trace is {trace(c)}")
    c.await_status("stopped")
    works(c.delete(), "delete")


@CHAPTER.must("POSIX-platform hooks", "hooks run in the order of their list", PROGRAM,
              {"hooks.createRuntime": [on_host(name) for name in "abcd"]}, HOOK)
def hooks_in_order(c: Container) -> None:
    require(lived(c) == ["a", "b", "c", "d", "program"], f"the trace is {trace(c)}")


@CHAPTER.must("Prestart", "prestart and createRuntime hooks run during create, in this order",
              PROGRAM, {f"hooks.{name}": [on_host(name)] for name in CREATING[::-1]}, HOOK)
def hooks_during_create(c: Container) -> None:
    c.created()
    require(trace(c) == list(CREATING), f"after create the trace is {trace(c)}")
    works(c.delete("--force"), "delete")


@CHAPTER.must("createContainer", "createContainer hooks run during create", PROGRAM,
              {"hooks.createContainer": [{
                  "path": "{bundle}/rootfs/bin/busybox", "args": ["busybox", "false"]}]})
def hook_create_container_during_create(c: Container) -> None:
    result = c.create()
    c.delete("--force")
    fails(result, "create with a createContainer hook that fails")


@CHAPTER.must("Poststart", "poststart hooks run after the program was started, before start "
              "returns", tuple(sh("echo program >> /trace; exec sleep 1000")),
              {"hooks.poststart": [on_host("poststart")]}, HOOK)
def hook_poststart_before_return(c: Container) -> None:
    c.created()
    require(trace(c) == [], f"after create the trace is {trace(c)}")
    works(c.start(), "start")
    require("poststart" in trace(c), f"after start the trace is {trace(c)}")
    works(c.delete("--force"), "delete")


@CHAPTER.must("Poststop", "poststop hooks run after the container is deleted, before delete "
              "returns", PROGRAM, {"hooks.poststop": [on_host("poststop")]}, HOOK)
def hook_poststop_before_return(c: Container) -> None:
    c.created()
    works(c.start(), "start")
    c.wait()
    c.await_status("stopped")
    require(trace(c) == ["program"], f"before delete the trace is {trace(c)}")
    works(c.delete(), "delete")
    require(trace(c) == ["program", "poststop"], f"after delete the trace is {trace(c)}")


@CHAPTER.must("POSIX-platform hooks", "hooks are given the state on stdin", PROGRAM,
              {f"hooks.{name}": [on_host(name)] for name in (
                  "createRuntime", "poststart", "poststop")}, HOOK)
def hooks_get_the_state(c: Container) -> None:
    lived(c)
    for name in ("createRuntime", "poststart", "poststop"):
        state = json.loads((c.bundle / f"state-{name}").read_text())
        require(state["id"] == c.id and state["bundle"] == str(c.bundle) and state["ociVersion"],
                f"the state for {name} is {state}")
        require(name == "poststop" or state["pid"] > 0, f"the state for {name} has no pid: {state}")


@CHAPTER.must("POSIX-platform hooks", "args and env are those of the hook", PROGRAM,
              {"hooks.createRuntime": [{"path": "/bin/sh", "env": ["A=1", "B=x y"], "args": [
                  "zero", "-c", "echo $0 $1 $A $B > {bundle}/said", "argv0", "one"]}]})
def hook_arguments(c: Container) -> None:
    lived(c)
    said = (c.bundle / "said").read_text()
    require(said == "argv0 one 1 x y\n", f"it said {said!r}")


CHAPTER.refuses("hook_path_relative", "POSIX-platform hooks", "path must be absolute",
                {"hooks.createRuntime": [{"path": "hook"}]}, HOOK)
CHAPTER.refuses("hook_timeout_0", "POSIX-platform hooks", "timeout must be greater than zero",
                {"hooks.createRuntime": [{"path": "/bin/true", "timeout": 0}]})
CHAPTER.refuses("hook_timeout_is_kept", "POSIX-platform hooks", "a hook is aborted at its timeout",
                {"hooks.createRuntime": [{"path": "/bin/sleep", "args": ["sleep", "1000"],
                                          "timeout": 1}]})

RUNTIME = Chapter("runtime.md")

for kind in CREATING:
    @RUNTIME.must("Lifecycle 3 to 5", f"a failing {kind} hook is an error and stops the container",
                  PROGRAM, failing(kind), HOOK, name=f"hook_{kind}_fails")
    def hook_fails(c: Container) -> None:
        result = c.create()
        status = c.status()
        c.delete("--force")
        fails(result, "create")
        require(status in ("stopped", "absent"), f"the container is {status}")
        require("after" not in trace(c) and "program" not in trace(c), f"the trace is {trace(c)}")


@RUNTIME.must("Lifecycle 7", "a failing startContainer hook is an error and stops the container",
              PROGRAM, {"hooks.startContainer": [{"path": "/bin/false"}, INSIDE]})
def hook_start_container_fails(c: Container) -> None:
    c.created()
    result = c.start()
    code = c.wait()
    require(c.await_status("stopped") == "stopped", f"the container is {c.status()}")
    require(trace(c) == [], f"the trace is {trace(c)}")
    works(c.delete("--force"), "delete")
    require(result.exit or code, "neither start nor the process shows an error")


@RUNTIME.must("Lifecycle 9", "a failing poststart hook is a warning, the rest goes on (to 1.2)",
              PROGRAM, failing("poststart"), HOOK)
def hook_poststart_fails(c: Container) -> None:
    require(sorted(lived(c)) == ["after", "before", "program"], f"the trace is {trace(c)}")


@RUNTIME.must("Lifecycle 13", "a failing poststop hook is a warning, the rest goes on", PROGRAM,
              failing("poststop"), HOOK)
def hook_poststop_fails(c: Container) -> None:
    require(lived(c) == ["program", "before", "after"], f"the trace is {trace(c)}")
