#!/usr/bin/env bats
# kill -9 at every step: whoever is killed, the others notice, the command ends with 137 or a sentence, and delete --force
# leaves nothing. The sandbox server says which step it takes; its line is the trigger.

load lib/common

setup() {
	common_setup
	mkfifo "$WORK/log"
	exec 9<>"$WORK/log"
}

teardown() {
	stop_log
	exec 9>&-
	common_teardown
}

logged() {
	"$TREE/build/kata-runtime" --root "$ROOT" --log "$WORK/log" --debug "$@"
}

# wait_step STEP: reads the log up to it.
wait_step() {
	local line
	while read -rt 60 line <&9; do
		echo "$line" >>"$WORK/story"
		[[ $line != *"step: $1\""* ]] || return 0
	done
	echo "the step '$1' was never taken" >&2
	return 1
}

# From here on nobody waits for a step; the log must not fill up.
let_log_go() {
	sed -u '/^that is all$/q' <&9 >>"$WORK/story" 3>&- &
	drain=$!
}

stop_log() {
	[ -n "${drain:-}" ] || return 0
	echo "that is all" >&9
	wait "$drain"
	drain=
}

# pid_of NAME: the first process of that name which this test has started.
pid_of() {
	local pid
	while read -r pid; do
		if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$1" ]; then
			echo "$pid"
			return 0
		fi
	done < <(sort -n "$FENCE/cgroup.procs")
	return 1
}

# kill_at STEP VICTIM COMMAND...: the command's code is in $code, what it said in $WORK/err.
kill_at() {
	local step=$1 victim=$2 pid
	shift 2
	code=0
	# exec: the process in the background is the command itself.
	(exec "$TREE/build/kata-runtime" --root "$ROOT" --log "$WORK/log" --debug "$@") </dev/null >"$WORK/out" 2>"$WORK/err" 3>&- 9>&- &
	local command=$!
	wait_step "$step"
	pid=$command
	# At the very end it may be gone by itself.
	[ "$victim" = kata-runtime ] || pid=$(pid_of "$victim") || [ "$step" = "say goodbye" ]
	[ -z "$pid" ] || kill -9 "$pid" || [ "$step" = "say goodbye" ]
	let_log_go
	wait "$command" || code=$?
	stop_log
}

# A command that was not killed itself says what happened, or ends as if it had been.
clear_end() {
	echo "$1 killed at '$2': $code, $(cat "$WORK/err")"
	[ "$code" -eq 137 ] || { [ "$code" -ne 0 ] && [ "$(wc -l <"$WORK/err")" -eq 1 ]; }
	[ "$code" -eq 137 ] || [ "$1" != containerd-shim ] || grep -q "sandbox server.* died" "$WORK/err"
}

nothing_after_delete() {
	kata delete --force c1
	leak_check
}

# run_killed VICTIM STEP...: a container each, that is killed while `run` makes it.
run_killed() {
	local victim=$1 step
	shift
	[ -d "$WORK/b" ] || bundle b . sleep 1000 >/dev/null
	for step in "$@"; do
		kill_at "$step" "$victim" run --bundle "$WORK/b" c1
		clear_end "$victim" "$step"
		nothing_after_delete
	done
}

make_steps=("make the share" "start virtiofsd" "start the machine" "reach the agent" "make the guest's sandbox" "create the container"
	"answer create" "start the container")

@test "the sandbox server, at every step of run" {
	run_killed containerd-shim "${make_steps[@]}"
}

@test "kata-runtime, at every step of run" {
	run_killed kata-runtime "${make_steps[@]}"
}

# bats test_tags=box
@test "QEMU, at every step of run" {
	run_killed qemu-system-x86 "${make_steps[@]:3}"
}

@test "virtiofsd, at every step of run" {
	run_killed virtiofsd "${make_steps[@]:2}"
}

@test "each of them, while an exec is under way" {
	bundle b . sleep 1000 >/dev/null
	for victim in containerd-shim qemu-system-x86 virtiofsd kata-runtime; do
		logged run -d --bundle "$WORK/b" --pid-file "$WORK/pid" c1 </dev/null >/dev/null 2>&1 9>&-
		kill_at exec "$victim" exec c1 sleep 1000
		clear_end "$victim" exec
		if [ "$victim" = kata-runtime ]; then
			[ "$(kata state c1 | jq -r .status)" = running ]
		else
			wait_for 10 gone "$(cat "$WORK/pid")"
			[ "$(kata state c1 | jq -r .status)" = stopped ]
		fi
		nothing_after_delete
	done
}

@test "each of them, while a container is deleted" {
	bundle b . sleep 1000 >/dev/null
	for victim in containerd-shim qemu-system-x86 virtiofsd kata-runtime; do
		for step in "remove the container" "say goodbye"; do
			logged run -d --bundle "$WORK/b" c1 </dev/null >/dev/null 2>&1 9>&-
			kill_at "$step" "$victim" delete --force c1
			echo "$victim killed at '$step': $code, $(cat "$WORK/err")"
			# The aim is reached whatever died on the way; only who was killed cannot say so.
			[ "$victim" = kata-runtime ] || [ "$code" -eq 0 ]
			nothing_after_delete
		done
	done
}

@test "the foreground command of a container whose machine dies ends with 137" {
	bundle b . sh -c 'echo ready; sleep 1000' >/dev/null
	for victim in containerd-shim qemu-system-x86 virtiofsd; do
		"$TREE/build/kata-runtime" --root "$ROOT" run --bundle "$WORK/b" c1 </dev/null >"$WORK/out" 2>"$WORK/err" 3>&- 9>&- &
		command=$!
		wait_for 60 grep -q ready "$WORK/out"
		kill -9 "$(pid_of "$victim")"
		code=0
		wait "$command" || code=$?
		echo "$victim: $code, $(cat "$WORK/err")"
		# Only the server's own end leaves nobody who could tell the code.
		[ "$code" -eq 137 ] || { [ "$victim" = containerd-shim ] && grep -q 'sandbox server of .* died' "$WORK/err"; }
		nothing_after_delete
	done
}
