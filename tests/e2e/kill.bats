#!/usr/bin/env bats
# kill -9 at every step: whoever is killed, the others notice, the command ends with 137 or a sentence, and delete --force
# leaves nothing. The sandbox server says which step it takes; its line is the trigger.

load lib/common
load lib/kill

setup() {
	common_setup
	# One that starts from a template boots when its QEMU or virtiofsd is killed, so the story would be another.
	cold_machines
	story_open
}

teardown() {
	story_close
	common_teardown
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

make_steps=("make the cgroup" "make the share" "start virtiofsd" "start the machine" "reach the agent" "make the guest's sandbox"
	"create the container" "answer create" "start the container")

@test "the sandbox server, at every step of run" {
	run_killed containerd-shim "${make_steps[@]}"
}

@test "kata-runtime, at every step of run" {
	run_killed kata-runtime "${make_steps[@]}"
}

# bats test_tags=box
@test "QEMU, at every step of run" {
	run_killed qemu-system-x86 "${make_steps[@]:4}"
}

@test "virtiofsd, at every step of run" {
	run_killed virtiofsd "${make_steps[@]:3}"
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
			wait_for 60 gone "$(cat "$WORK/pid")"
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
		# Emptied here, because the words of the container before would be taken for this one's.
		: >"$WORK/out"
		"$TREE/build/kata-runtime" --root "$ROOT" run --bundle "$WORK/b" c1 </dev/null >"$WORK/out" 2>"$WORK/err" 3>&- 9>&- &
		command=$!
		wait_for 60 grep -q ready "$WORK/out"
		kill -9 "$(pid_of "$victim")"
		code=0
		wait "$command" || code=$?
		echo "$victim: $code, $(cat "$WORK/err")"
		# Only the server's own end leaves nobody who could tell the code.
		[ "$code" -eq 137 ] || { [ "$victim" = containerd-shim ] && grep -q 'sandbox server of .* died' "$WORK/err"; }
		# Not without a word: what happened to the machine.
		[ "$(wc -l <"$WORK/err")" -eq 1 ]
		nothing_after_delete
	done
}

state_is_empty() {
	[ -z "$(ls -A "$ROOT")" ]
}

# stop_at STEP SIGNAL: run gets the signal there, and nothing of the container is left, without a delete.
stop_at() {
	local command
	code=0
	env --default-signal=INT,HUP "$TREE/build/kata-runtime" --root "$ROOT" --log "$WORK/log" --debug run --bundle "$WORK/b" c1 </dev/null >"$WORK/out" 2>"$WORK/err" 3>&- 9>&- &
	command=$!
	wait_step "$1"
	kill -s "$2" "$command"
	let_log_go
	wait "$command" || code=$?
	stop_log
	echo "$2 at '$1': $code, $(cat "$WORK/err")"
	[ "$code" -gt 128 ]
	wait_for 60 state_is_empty
	leak_check
	story_forget
}

@test "a signal to run while it makes the container leaves nothing, the id least of all" {
	bundle b . sleep 1000 >/dev/null
	stop_at "start the machine" INT
	stop_at "reach the agent" TERM
	stop_at "make the guest's sandbox" HUP
	stop_at "start virtiofsd" KILL
	stop_at "reach the agent" KILL
	stop_at "answer create" KILL
	stop_at "start the container" KILL
}

@test "a signal to exec while the process is made ends it" {
	bundle b . sleep 1000 >/dev/null
	logged run -d --bundle "$WORK/b" c1 </dev/null >/dev/null 2>&1 9>&-
	only_one() { [ "$(kata exec c1 ps | grep -c '[s]leep')" -eq 1 ]; }
	for signal in TERM KILL; do
		env --default-signal=INT "$TREE/build/kata-runtime" --root "$ROOT" --log "$WORK/log" --debug exec c1 sleep 2000 </dev/null >/dev/null 2>&1 3>&- 9>&- &
		command=$!
		wait_step exec
		kill -s "$signal" "$command"
		code=0
		wait "$command" || code=$?
		[ "$code" -gt 128 ]
		wait_for 60 only_one
	done
	let_log_go
	nothing_after_delete
}

@test "the foreground exec in a machine that dies says why it ended" {
	bundle b . sleep 1000 >/dev/null
	kata run -d --bundle "$WORK/b" c1 </dev/null >/dev/null 2>&1 9>&-
	"$TREE/build/kata-runtime" --root "$ROOT" exec c1 sh -c 'echo ready; sleep 1000' </dev/null >"$WORK/out" 2>"$WORK/err" 3>&- 9>&- &
	command=$!
	wait_for 60 grep -q ready "$WORK/out"
	kill -9 "$(pid_of qemu-system-x86)"
	code=0
	wait "$command" || code=$?
	cat "$WORK/err"
	[ "$code" -eq 137 ]
	grep -q 'kata-runtime: .*killed' "$WORK/err"
	nothing_after_delete
}
