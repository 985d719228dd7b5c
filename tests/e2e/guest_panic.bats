#!/usr/bin/env bats
# The guest's kernel panics under a verb: nobody on the host is killed, and what was under way still ends with 137 or a
# sentence, at once. A container that may write to /proc/sysrq-trigger is the one who does it, for the agent is the guest's
# PID 1 and cannot be killed from inside. kill.bats has the other victims.

load lib/common

setup() {
	common_setup
	# Mode 0200 and root's: no capability is asked for, the path is what is forbidden.
	writable='.linux.readonlyPaths = []'
}

teardown() { common_teardown; }

panic='echo c >/proc/sysrq-trigger; sleep 1000'

status_is() {
	[ "$(kata state c1 | jq -r .status)" = "$1" ]
}

# ended CODE: as a process that was killed, or with one sentence.
clear_end() {
	echo "$1, $(cat "$WORK/err")"
	[ "$1" -eq 137 ] || { [ "$1" -ne 0 ] && [ "$(wc -l <"$WORK/err")" -eq 1 ]; }
}

nothing_after_delete() {
	kata delete --force c1
	leak_check
}

@test "a container that panics its machine ends with 137" {
	code=0
	kata run --bundle "$(bundle b "$writable" sh -c "echo ready; $panic")" c1 </dev/null >"$WORK/out" 2>"$WORK/err" || code=$?
	grep -q ready "$WORK/out"
	echo "$code, $(cat "$WORK/err")"
	[ "$code" -eq 137 ]
	leak_check
}

@test "a panic ends the container and all its processes, and is the cause of later refusals" {
	kata --log "$WORK/log" run -d --pid-file "$WORK/pid" --bundle "$(bundle b "$writable" sleep 1000)" c1 </dev/null >/dev/null 2>&1
	kata exec c1 sh -c 'echo ready; sleep 1000' </dev/null >"$WORK/other" 2>&1 3>&- &
	other=$!
	wait_for 60 grep -q ready "$WORK/other"
	code=0
	kata exec c1 sh -c "$panic" </dev/null >"$WORK/out" 2>"$WORK/err" || code=$?
	clear_end "$code"
	code=0
	wait "$other" || code=$?
	[ "$code" -eq 137 ]
	wait_for 60 gone "$(cat "$WORK/pid")"
	status_is stopped
	cat "$WORK/log"
	grep -q "guest kernel panicked: .*sysrq" "$WORK/log"
	code=0
	kata exec c1 true </dev/null >"$WORK/out" 2>"$WORK/err" || code=$?
	[ "$code" -ne 137 ]
	clear_end "$code"
	# Without --force: it has ended.
	kata delete c1
	leak_check
}

# The hook runs in the guest after StartContainer was asked for and before it is answered.
@test "a panic while a container is started" {
	mkdir -p "$ROOTFS/hook"
	printf '#!/bin/sh\n%s\n' "$panic" >"$ROOTFS/hook/panic"
	chmod +x "$ROOTFS/hook/panic"
	dir=$(bundle b "$writable"' | .hooks.startContainer = [{"path": "/hook/panic"}]' sleep 1000)
	kata create --bundle "$dir" --pid-file "$WORK/pid" c1 </dev/null >/dev/null 2>&1
	code=0
	kata start c1 </dev/null >"$WORK/out" 2>"$WORK/err" || code=$?
	clear_end "$code"
	grep -q "panicked" "$WORK/err"
	wait_for 60 gone "$(cat "$WORK/pid")"
	status_is stopped
	nothing_after_delete
	code=0
	kata run --bundle "$dir" c1 </dev/null >"$WORK/out" 2>"$WORK/err" || code=$?
	clear_end "$code"
	nothing_after_delete
}
