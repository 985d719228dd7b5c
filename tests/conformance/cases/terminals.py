"""Terminals: their size, what is typed, resizing, console sockets."""

from __future__ import annotations

import os
from collections.abc import Callable

from cases.lifecycle import SLEEP, ended, running, say
from harness.case import Case, Expect, probe, sh
from harness.runtime import Container
from harness.terminal import ConsoleSocket, Dialogue, Resize, read_all, set_size

ON_TERMINAL = {"process.terminal": True}
SECONDS = 90
# A runtime may pass the size on only after the program has started.
WITH_SIZE = "until stty size 2>/dev/null | grep -q '^[1-9]'; do sleep 0.05; done; "
ON_RESIZE = sh(WITH_SIZE + "trap 'stty size; exit 6' WINCH; echo ready; "
               "while :; do sleep 0.1; done")

SIZED = sh("until [ \"$(stty size 2>/dev/null)\" = '33 77' ]; do sleep 0.05; done; /probe tty")


def on_console(use: Callable[[Container, int], None]) -> Callable[[Container], None]:
    """create --console-socket; then `use` has the terminal."""
    def drive(c: Container) -> None:
        console = ConsoleSocket(c.home / "console")
        say(c, "create", c.create("--console-socket", str(console.path)))
        master = console.terminal()
        try:
            use(c, master)
        finally:
            os.close(master)
        c.say(c.await_status("stopped"))
        say(c, "delete", c.delete())
    return drive


def output_of_console(c: Container, master: int) -> None:
    set_size(master, 30, 90)
    c.started()
    c.say(read_all(master, SECONDS), c.wait())


def typed_on_console(c: Container, master: int) -> None:
    c.started()
    c.say(read_all(master, SECONDS, b"ready\r\n"))
    os.write(master, b"hello\n")
    c.say(read_all(master, SECONDS), c.wait())


def resized_on_console(c: Container, master: int) -> None:
    set_size(master, 30, 90)
    c.started()
    c.say(read_all(master, SECONDS, b"ready\r\n"))
    set_size(master, 40, 100)
    c.say(read_all(master, SECONDS), c.wait())


def hung_up(c: Container, master: int) -> None:
    """The terminal goes away: its session gets SIGHUP."""
    c.started()
    c.say(read_all(master, SECONDS, b"ready\r\n"))
    os.dup2(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC), master)
    c.say(c.wait())


def exec_on_terminal(c: Container) -> None:
    running(c)
    console = ConsoleSocket(c.home / "console")
    say(c, "exec", c.exec_detached("/bin/sh", "-c", "tty; echo ready; read x; echo $x; exit 3",
                                   flags=["--tty", "--console-socket", str(console.path)]))
    master = console.terminal()
    c.say(read_all(master, SECONDS, b"ready\r\n"))
    os.write(master, b"typed\n")
    c.say(read_all(master, SECONDS))
    os.close(master)
    c.say(c.wait("exec-pid"))
    ended(c)


CASES = [
    Case("terminal/size", SIZED, tty=Dialogue(33, 77)),
    Case("terminal/size_wins_over_the_configuration", SIZED,
         {"process.consoleSize": {"height": 21, "width": 43}}, tty=Dialogue(33, 77)),
    Case("terminal/no_terminal_no_size", probe("tty"),
         {"process.consoleSize": {"height": 21, "width": 43}}),
    Case("terminal/session", probe("session", "fds"), tty=Dialogue()),
    Case("terminal/devices", probe("stat:/dev/console", "ls:/dev/pts", "open:/dev/tty"),
         tty=Dialogue()),
    Case("terminal/both_streams_are_one", sh("echo out; echo err >&2"), tty=Dialogue()),
    Case("terminal/lines_are_cooked", sh("printf 'a\\nb\\n'"), tty=Dialogue()),
    # onlcr is not looked at: which end of the line it is done at cannot be told from outside.
    Case("terminal/settings", sh(
        WITH_SIZE + "stty -a | tr ' ;' '\\n\\n' | grep -v -e onlcr -e '^$' | sort"),
         tty=Dialogue()),
    Case("terminal/typed_line", sh("echo ready; read line; echo got $line"),
         tty=Dialogue(lines=[(b"ready\r\n", b"hello\n")])),
    # The shell waits in a loop, because a signal that comes right before a read does not end that.
    Case("terminal/typed_interrupt", sh(
        "trap 'echo int; exit 7' INT; echo ready; while :; do sleep 1; done"),
         tty=Dialogue(lines=[(b"ready\r\n", b"\x03")])),
    Case("terminal/typed_end_of_file", sh("echo ready; cat; echo end $?"),
         tty=Dialogue(lines=[(b"ready\r\n", b"\x04")])),
    Case("terminal/resized", ON_RESIZE, tty=Dialogue(lines=[(b"ready\r\n", Resize(50, 120))])),
    Case("terminal/commands_typed", sh(
        "echo '# '; while read -r line; do eval \"$line\"; echo '# '; done"),
         tty=Dialogue(lines=[(b"# \r\n", b"echo one\n"), (b"# \r\n", b"exit 9\n")])),
    Case("terminal/much_output", probe("burst:1,300000"), tty=Dialogue()),
    Case("terminal/exit_code", sh("exit 42"), tty=Dialogue()),
    Case("terminal/of_a_user", sh("tty; /probe session stat:/dev/pts/0"),
         {"process.user": {"uid": 1000, "gid": 1000}}, tty=Dialogue()),
    Case("terminal/run_without_one", sh("echo x"), ON_TERMINAL, expect=Expect("x\r\n")),
    Case("console/output_and_size", sh("stty size; tty; exit 5"), ON_TERMINAL,
         drive=on_console(output_of_console)),
    Case("console/typed", sh("echo ready; read x; echo got $x"), ON_TERMINAL,
         drive=on_console(typed_on_console)),
    Case("console/resized", ON_RESIZE, ON_TERMINAL, drive=on_console(resized_on_console)),
    Case("console/hung_up", sh("trap 'exit 8' HUP; echo ready; while :; do sleep 0.1; done"),
         ON_TERMINAL, drive=on_console(hung_up)),
    Case("console/size_of_the_configuration", sh("stty size"), {
        **ON_TERMINAL, "process.consoleSize": {"height": 21, "width": 43}},
         drive=on_console(lambda c, master: (c.started(), c.say(
             read_all(master, SECONDS), c.wait()))[0])),
    Case("console/missing", ["/bin/true"], ON_TERMINAL, drive=lambda c: say(
        c, "create", c.create())),
    Case("console/of_exec", SLEEP, drive=exec_on_terminal),
]
