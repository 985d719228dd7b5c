"""runtime.md: the state, the lifecycle and the operations."""

from __future__ import annotations

import os
import re

from harness import leaks
from harness.bundle import mount
from harness.case import sh
from harness.clause import Chapter, fails, finished, refused, require, works
from harness.runtime import Container

CHAPTER = Chapter("runtime.md")
SLEEP = ("/bin/sleep", "1000")
WRITES = tuple(sh("echo ran > /ran"))


def ran(c: Container) -> bool:
    """Whether the program of WRITES has run."""
    return (c.bundle / "rootfs/ran").exists()


@CHAPTER.must("State", "the state has ociVersion, a MAJOR.MINOR.PATCH version", SLEEP)
def state_version(c: Container) -> None:
    c.created()
    version = c.state().get("ociVersion")
    require(re.match(r"^\d+\.\d+\.\d+", str(version)), f"ociVersion is {version!r}")
    finished(c)


@CHAPTER.must("State", "the state has id, the container's", SLEEP)
def state_id(c: Container) -> None:
    c.created()
    require(c.state().get("id") == c.id, f"id is {c.state().get('id')!r}")
    finished(c)


@CHAPTER.must("State", "status is created, then running, then stopped", SLEEP)
def state_status(c: Container) -> None:
    for step, status in ((c.created, "created"), (c.started, "running")):
        step()
        require(c.status() == status, f"status is {c.status()}, want {status}")
    c.kill("KILL")
    c.wait()
    require(c.await_status("stopped") == "stopped", f"status is {c.status()}, want stopped")
    works(c.delete(), "delete")


@CHAPTER.must("State", "pid is the process while created or running", SLEEP)
def state_pid(c: Container) -> None:
    for step in (c.created, c.started):
        step()
        pid = c.state().get("pid")
        require(isinstance(pid, int) and os.path.exists(f"/proc/{pid}"), f"pid is {pid!r}")
    finished(c)


@CHAPTER.must("State", "bundle is the absolute path of the bundle", SLEEP)
def state_bundle(c: Container) -> None:
    c.created()
    require(c.state().get("bundle") == str(c.bundle), f"bundle is {c.state().get('bundle')!r}")
    finished(c)


@CHAPTER.must("State", "annotations are those of the configuration", SLEEP,
              {"annotations": {"org.example.a": "1", "org.example.b": ""}})
def state_annotations(c: Container) -> None:
    c.created()
    got = c.state().get("annotations")
    require(got == {"org.example.a": "1", "org.example.b": ""}, f"annotations are {got!r}")
    finished(c)


@CHAPTER.must("State", "without annotations they are absent or an empty map", SLEEP)
def state_annotations_none(c: Container) -> None:
    c.created()
    got = c.state().get("annotations", {})
    require(got == {}, f"annotations are {got!r}")
    finished(c)


@CHAPTER.must("Scope", "the operations work on a container for who created it, by its id", SLEEP)
def scope(c: Container) -> None:
    c.created()
    require(c.state(), "no state")
    c.started()
    finished(c)


@CHAPTER.must("Lifecycle 2", "create does not run the program", WRITES)
def create_does_not_run(c: Container) -> None:
    c.created()
    require(not ran(c), "the program ran before start")
    works(c.start(), "start")
    c.wait()
    require(ran(c), "the program did not run after start")
    c.await_status("stopped")
    works(c.delete(), "delete")


@CHAPTER.must("Lifecycle 2", "config.json changed after create has no effect",
              tuple(sh("echo first > /which")))
def config_change_has_no_effect(c: Container) -> None:
    c.created()
    path = c.bundle / "config.json"
    path.write_text(path.read_text().replace("echo first", "echo second"))
    c.started()
    c.wait()
    got = (c.bundle / "rootfs/which").read_text()
    require(got == "first\n", f"the program wrote {got!r}")
    c.await_status("stopped")
    works(c.delete(), "delete")


@CHAPTER.must("Lifecycle 2", "an environment that cannot be made is an error", edit={
    "mounts+": [mount("/mnt", "bind", "/no/such/source", "rbind")]})
def environment_error(c: Container) -> None:
    refused(c)


@CHAPTER.must("Lifecycle 8", "start runs the program as the configuration says",
              tuple(sh("echo $X $(pwd) $(id -u) > /tmp/said")),
              {"process.env": ["PATH=/bin", "X=1"], "process.cwd": "/etc",
               "process.user": {"uid": 1000, "gid": 1000}})
def program_runs(c: Container) -> None:
    c.created()
    c.started()
    c.wait()
    got = (c.bundle / "rootfs/tmp/said").read_text()
    require(got == "1 /etc 1000\n", f"it wrote {got!r}")
    c.await_status("stopped")
    works(c.delete(), "delete")


@CHAPTER.must("Lifecycle 12", "delete undoes what create made: no process, mount, cgroup, file",
              SLEEP)
def delete_undoes(c: Container) -> None:
    c.created()
    c.started()
    finished(c)
    left = leaks.after(c.id, c.home, c.patience / 3)
    require(not left, f"left behind: {'; '.join(left)}")


@CHAPTER.must("Errors", "a create that fails leaves nothing, its id can be used", edit={
    "mounts+": [mount("/mnt", "bind", "{bundle}/later", "rbind")]})
def error_leaves_nothing(c: Container) -> None:
    fails(c.create(), "create with a missing bind source")
    left = leaks.after(c.id, c.home, c.patience / 3)
    require(not left, f"left behind: {'; '.join(left)}")
    (c.bundle / "later").mkdir()
    c.created()
    works(c.delete("--force"), "delete")


@CHAPTER.must("Query State", "state without an id is an error")
def state_without_id(c: Container) -> None:
    fails(c.call("state"), "state")


@CHAPTER.must("Query State", "state of a container that does not exist is an error")
def state_of_none(c: Container) -> None:
    fails(c.call("state", c.id), "state")


@CHAPTER.must("Create", "create without an id is an error")
def create_without_id(c: Container) -> None:
    fails(c.call("create", "--bundle", str(c.bundle)), "create")


@CHAPTER.must("Create", "create without a bundle is an error")
def create_without_bundle(c: Container) -> None:
    (c.bundle / "config.json").unlink()
    fails(c.create(), "create in a directory without config.json")
    require(c.status() == "absent", "there is a container after it")


@CHAPTER.must("Create", "an id that is in use is an error, its container is untouched", SLEEP)
def create_with_id_in_use(c: Container) -> None:
    c.created()
    fails(c.create(), "second create")
    require(c.status() == "created", f"the first is {c.status()}")
    c.started()
    fails(c.create(), "create of a running one")
    require(c.status() == "running", f"the first is {c.status()}")
    finished(c)


@CHAPTER.must("Create", "an invalid id is an error and makes nothing")
def create_with_bad_id(c: Container) -> None:
    for name in ("", "../x", "a/b", "a b", "x" * 1025):
        fails(c.call("create", "--bundle", str(c.bundle), name), f"create of {name[:20]!r}")
        require(not list(c.root.iterdir()), f"something was made for {name[:20]!r}")


@CHAPTER.must("Create", "create makes a container", SLEEP)
def create_makes(c: Container) -> None:
    require(c.status() == "absent", "it exists before")
    c.created()
    require(c.status() == "created", f"status is {c.status()}")
    finished(c)


@CHAPTER.must("Create", "a property that cannot be applied is an error, nothing is created",
              edit={"linux.sysctl": {"net.ipv4.no_such_thing": "1"}})
def create_cannot_apply(c: Container) -> None:
    refused(c)


@CHAPTER.must("Start", "start without an id is an error")
def start_without_id(c: Container) -> None:
    fails(c.call("start"), "start")


@CHAPTER.must("Start", "start of a container that does not exist is an error")
def start_of_none(c: Container) -> None:
    fails(c.start(), "start")


@CHAPTER.must("Start", "start of a running container is an error and has no effect",
              tuple(sh("echo ran >> /ran; echo ready; exec sleep 1000")))
def start_of_running(c: Container) -> None:
    c.created()
    c.started()
    c.await_output(b"ready")
    fails(c.start(), "second start")
    require(c.status() == "running", f"status is {c.status()}")
    finished(c)
    require((c.bundle / "rootfs/ran").read_text() == "ran\n", "the program ran twice")


@CHAPTER.must("Start", "start of a stopped container is an error and has no effect", WRITES)
def start_of_stopped(c: Container) -> None:
    c.created()
    c.started()
    c.wait()
    c.await_status("stopped")
    (c.bundle / "rootfs/ran").unlink()
    fails(c.start(), "start of a stopped one")
    require(not ran(c) and c.status() == "stopped", "it had an effect")
    works(c.delete(), "delete")


@CHAPTER.must("Start", "without process there is an error at create or start",
              edit={"process": None})
def start_without_process(c: Container) -> None:
    if not c.create().exit:
        fails(c.start(), "start")
    c.delete("--force")


@CHAPTER.must("Kill", "kill without an id is an error")
def kill_without_id(c: Container) -> None:
    fails(c.call("kill"), "kill")


@CHAPTER.must("Kill", "kill of a container that does not exist is an error")
def kill_of_none(c: Container) -> None:
    fails(c.kill("KILL"), "kill")


@CHAPTER.must("Kill", "kill of a stopped container is an error")
def kill_of_stopped(c: Container) -> None:
    c.created()
    c.started()
    c.wait()
    c.await_status("stopped")
    fails(c.kill("TERM"), "kill of a stopped one")
    require(c.status() == "stopped", f"status is {c.status()}")
    works(c.delete(), "delete")


@CHAPTER.must("Kill", "kill sends the signal that is given to the process of the container",
              tuple(sh("trap 'echo usr2; exit 12' USR2; echo ready; while :; do sleep 0.1; done")))
def kill_sends(c: Container) -> None:
    c.created()
    c.started()
    c.await_output(b"ready")
    works(c.kill("USR2"), "kill")
    code = c.wait()
    require(code == 12 and b"usr2" in c.out(), f"exit {code}, output {c.out()!r}")
    c.await_status("stopped")
    works(c.delete(), "delete")


@CHAPTER.must("Kill", "kill reaches a created container", WRITES)
def kill_of_created(c: Container) -> None:
    c.created()
    works(c.kill("KILL"), "kill")
    c.wait()
    require(c.await_status("stopped") == "stopped" and not ran(c), f"status is {c.status()}")
    works(c.delete(), "delete")


@CHAPTER.must("Delete", "delete without an id is an error")
def delete_without_id(c: Container) -> None:
    fails(c.call("delete"), "delete")


@CHAPTER.must("Delete", "delete of a container that does not exist is an error")
def delete_of_none(c: Container) -> None:
    fails(c.delete(), "delete")


@CHAPTER.must("Delete", "delete of a created container is an error and has no effect", SLEEP)
def delete_of_created(c: Container) -> None:
    c.created()
    result = c.delete()
    status = c.status()
    if status != "absent":
        works(c.delete("--force"), "delete --force")
    fails(result, "delete")
    require(status == "created", f"status is {status}")


@CHAPTER.must("Delete", "delete of a running container is an error and has no effect", SLEEP)
def delete_of_running(c: Container) -> None:
    c.created()
    c.started()
    fails(c.delete(), "delete")
    require(c.status() == "running", f"status is {c.status()}")
    finished(c)


@CHAPTER.must("Delete", "delete keeps what the container only used: its bundle, its bind sources",
              tuple(sh("echo x > /mnt/new")),
              {"mounts+": [mount("/mnt", "bind", "{bundle}/data", "rbind")]}, {"data/old": "old"})
def delete_keeps(c: Container) -> None:
    works(c.run(), "run")
    require((c.bundle / "data/old").read_text() == "old", "a file of a bind mount is gone")
    require((c.bundle / "data/new").exists() and (c.bundle / "rootfs/bin/sh").exists(),
            "files are gone")


@CHAPTER.must("Delete", "the id of a deleted container may be used again", SLEEP)
def delete_frees_the_id(c: Container) -> None:
    for _ in range(2):
        c.created()
        finished(c)
