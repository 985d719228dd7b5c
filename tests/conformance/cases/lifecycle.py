"""The verbs of the command line beyond `run`, and the states a container goes through."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable

from harness.case import Case, Expect, sh
from harness.runtime import Container, Result

WAIT_TO_BE_KILLED = sh("trap 'echo term; exit 5' TERM; trap 'echo usr1' USR1; echo ready; "
                       "while :; do sleep 0.1; done")
SLEEP = ["/bin/sleep", "1000"]


def say(c: Container, what: str, result: Result) -> None:
    """The exit code; of a failure also that it is one sentence; of a success what it printed."""
    c.say(what, "exit", result.exit)
    if result.exit:
        c.say("  one sentence:", len(result.stderr.decode().splitlines()) == 1)
    elif result.stdout:
        c.say("  " + result.text)


def running(c: Container) -> None:
    c.created()
    c.started()


def ended(c: Container) -> None:
    """Kills and deletes; the code of the process is compared too."""
    c.kill("KILL")
    c.say("process", c.wait(), c.await_status("stopped"))
    say(c, "delete", c.delete())
    c.say("status", c.status())


def states(c: Container) -> None:
    c.say(c.status())
    c.created()
    c.say(c.status(), c.out())
    c.started()
    c.say(c.status())
    c.await_output(b"ready")
    ended(c)


def state_fields(c: Container) -> None:
    c.created()
    for _ in range(2):
        state = c.state()
        c.say(state["id"], state["bundle"], state["status"],
              sorted(state["annotations"].items()))
        c.say("pid is the one of the pid file:", state["pid"] == c.pid())
        c.say("is a process:", os.path.exists(f"/proc/{c.pid()}"))
        c.say("version is one:", bool(re.match(r"^\d+\.\d+\.\d+", state["ociVersion"])))
        c.started() if state["status"] == "created" else None
    ended(c)


def signals(c: Container) -> None:
    running(c)
    c.await_output(b"ready")
    say(c, "usr1", c.kill("USR1"))
    c.await_output(b"usr1")
    say(c, "SIGUSR1", c.kill("SIGUSR1"))
    say(c, "10", c.kill("10"))
    say(c, "nonsense", c.kill("NOSUCH"))
    say(c, "default", c.kill())
    c.say("process", c.wait(), b"term" in c.out())
    c.say(c.await_status("stopped"))
    say(c, "late", c.kill("TERM"))
    say(c, "delete", c.delete())


def wrong_states(c: Container) -> None:
    say(c, "start of none", c.start())
    say(c, "kill of none", c.kill("KILL"))
    say(c, "delete of none", c.delete())
    say(c, "delete --force of none", c.delete("--force"))
    say(c, "exec in none", c.exec("/bin/true"))
    c.created()
    c.started()
    say(c, "second start", c.start())
    say(c, "delete of running", c.delete())
    c.say(c.status())
    c.kill("KILL")
    c.say(c.wait(), c.await_status("stopped"))
    say(c, "start of stopped", c.start())
    say(c, "exec in stopped", c.exec("/bin/true"))
    say(c, "delete", c.delete())


def created_paused(c: Container) -> None:
    c.created()
    c.say("pause", c.call("pause", c.id).exit, c.status())
    c.say("resume", c.call("resume", c.id).exit, c.status())
    say(c, "delete --force", c.delete("--force"))


def created_deleted(c: Container) -> None:
    c.created()
    say(c, "delete --force", c.delete("--force"))
    c.say("process", c.wait(), c.status(), c.out())


def created_killed(c: Container) -> None:
    c.created()
    say(c, "kill", c.kill("KILL"))
    c.say("process", c.wait(), c.await_status("stopped"))
    say(c, "delete", c.delete())


def running_force_deleted(c: Container) -> None:
    running(c)
    say(c, "delete --force", c.delete("--force"))
    c.say("process", c.wait(), c.status())


def id_again(c: Container) -> None:
    running(c)
    say(c, "create", c.create())
    c.say(c.status())
    ended(c)
    running(c)
    c.say(c.status())
    ended(c)


def silent(c: Container) -> bytes | None:
    """The output once nothing has been added to it for half a second; None if that never is.

    A container that is not frozen writes five lines in that time. What it wrote before it was
    frozen may still be on its way.
    """
    deadline = time.monotonic() + c.patience
    while time.monotonic() < deadline:
        before = c.out()
        time.sleep(0.5)
        if c.out() == before:
            return before
    return None


def paused(c: Container) -> None:
    running(c)
    c.await_output(b"2")
    say(c, "pause", c.call("pause", c.id))
    c.say(c.status())
    before = silent(c)
    c.say("wrote while paused:", before is None)
    say(c, "resume", c.call("resume", c.id))
    c.say(c.status())
    c.await_output(b"\n" + str(c.out().count(b"\n") + 2).encode())
    ended(c)


def listed(c: Container) -> None:
    say(c, "quiet", c.call("list", "--quiet"))
    running(c)
    say(c, "quiet", c.call("list", "-q"))
    entries = json.loads(c.call("list", "--format", "json").stdout)
    c.say([(e["id"], e["status"], e["bundle"], e["pid"] == c.pid()) for e in entries])
    c.say(c.call("list").text.split()[:6])
    ended(c)
    say(c, "quiet", c.call("list", "-q"))


def processes(c: Container) -> None:
    running(c)
    pids = json.loads(c.call("ps", "--format", "json", c.id).stdout)
    c.say("pids", len(pids), all(isinstance(pid, int) for pid in pids))
    c.say("header and one line:", len(c.call("ps", c.id).text.splitlines()))
    ended(c)


def events(c: Container) -> None:
    running(c)
    event = json.loads(c.call("events", "--stats", c.id).stdout)
    data = event["data"]
    c.say(event["type"], event["id"], data["pids"]["current"] >= 1,
          data["memory"]["usage"]["usage"] > 0, data["cpu"]["usage"]["total"] > 0)
    ended(c)


def updated(c: Container) -> None:
    running(c)
    for flags in (["--memory", "50331648"], ["--pids-limit", "77"], ["--cpu-share", "512"],
                  ["--cpu-quota", "20000", "--cpu-period", "40000"]):
        say(c, "update " + " ".join(flags), c.call("update", *flags, c.id))
    c.say(c.exec("/probe", "memory", "pids", "cpu").text)
    say(c, "stdin", c.call("update", "--resources", "-", c.id, stdin=json.dumps(
        {"memory": {"limit": 33554432}, "pids": {"limit": 55}}).encode()))
    c.say(c.exec("/probe", "memory", "pids").text)
    say(c, "bad", c.call("update", "--resources", "-", c.id, stdin=b"{"))
    ended(c)


def no_bundle(c: Container) -> None:
    say(c, "run", c.call("run", "--bundle", "/no/such/bundle", c.id))
    say(c, "create", c.call("create", "--bundle", "/no/such/bundle", c.id))
    say(c, "without id", c.call("create", "--bundle", str(c.bundle)))
    c.say(c.status())


def ids(c: Container) -> None:
    for name in ("", "../x", "a/b", "/a", "a b", "a\n", "x" * 1025, "ä", ".", "..", "-x"):
        result = c.call("run", "--bundle", str(c.bundle), "--", name)
        c.say(repr(name)[:20], result.exit, len(result.stderr.decode().splitlines()) == 1)
        c.say(sorted(os.listdir(c.root)), os.path.exists(c.root.parent / "x"))


def detached(c: Container) -> None:
    say(c, "run --detach", c.run_detached())
    c.await_output(b"ready")
    c.say(c.status())
    ended(c)


def kept(c: Container) -> None:
    say(c, "run --keep", c.call("run", "--keep", "--bundle", str(c.bundle), c.id))
    c.say(c.status())
    say(c, "delete", c.delete())


def two_at_once(c: Container) -> None:
    running(c)
    other = Container(c.argv, c.id + "-2", c.home)
    config = (c.bundle / "config.json").read_text()
    (c.bundle / "config.json").write_text(config.replace("1000", "0.1"))
    say(c, "second", other.call("run", "--bundle", str(c.bundle), other.id))
    c.say(c.status(), other.status())
    ended(c)


def config_changes_later(c: Container) -> None:
    c.created()
    text = (c.bundle / "config.json").read_text()
    (c.bundle / "config.json").write_text(text.replace("from create", "from later"))
    c.started()
    c.say(c.wait(), c.out().decode(), c.await_status("stopped"))
    say(c, "delete", c.delete())


def printed(*verb: str) -> Callable[[Container], None]:
    """That a verb which needs no container succeeds and prints JSON with the usual keys."""
    def drive(c: Container) -> None:
        result = c.call(*verb)
        keys = {"ociVersion", "process", "root", "mounts", "linux", "hooks", "mountOptions"}
        c.say(result.exit, sorted(keys & set(json.loads(result.stdout or b"{}"))))
    return drive


def spec_written(c: Container) -> None:
    (c.bundle / "config.json").unlink()
    say(c, "spec", c.call("spec"))
    config = json.loads((c.bundle / "config.json").read_text())
    c.say(sorted(config), config["process"]["args"], config["root"], sorted(config["process"]))
    say(c, "again", c.call("spec"))


CASES = [
    Case("verbs/states", WAIT_TO_BE_KILLED, drive=states),
    Case("verbs/state_fields", SLEEP, {"annotations": {"org.example.key": "value", "e": ""}},
         drive=state_fields),
    Case("verbs/kill_with_names_and_numbers", WAIT_TO_BE_KILLED, drive=signals),
    Case("verbs/in_the_wrong_state", SLEEP, drive=wrong_states),
    Case("verbs/pause_of_created", SLEEP, drive=created_paused,
         expect=Expect("pause 1 created\nresume 1 created\ndelete --force exit 0\n")),
    Case("verbs/delete_of_created", sh("echo must not run"), drive=created_deleted),
    Case("verbs/kill_of_created", sh("echo must not run"), drive=created_killed),
    Case("verbs/delete_force_of_running", SLEEP, drive=running_force_deleted),
    Case("verbs/id_in_use_and_used_again", SLEEP, drive=id_again),
    Case("verbs/two_containers", SLEEP, drive=two_at_once),
    Case("verbs/run_detached", WAIT_TO_BE_KILLED, drive=detached),
    Case("verbs/kept", ["/bin/true"], drive=kept),
    Case("verbs/config_changed_after_create", sh("echo from create"), drive=config_changes_later),
    Case("verbs/pause_and_resume", sh("i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done"),
         drive=paused),
    Case("verbs/list", SLEEP, drive=listed),
    Case("verbs/ps", SLEEP, drive=processes),
    Case("verbs/events_stats", SLEEP, drive=events),
    Case("verbs/update", SLEEP, drive=updated),
    Case("verbs/without_bundle_or_id", drive=no_bundle),
    Case("verbs/bad_ids", drive=ids),
    Case("verbs/spec", drive=spec_written),
    Case("verbs/features", drive=printed("features")),
]
