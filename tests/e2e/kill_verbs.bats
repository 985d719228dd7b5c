#!/usr/bin/env bats
# kill -9 while a caller takes the steps one by one, as engines do: create, start, exec, delete. kill.bats goes through
# every step of `run`, which makes the machine by the same code; here are the points where another process is there, or
# waits for something else: the stand-in, a caller that has gone, a container that was made and not started.

load lib/common
load lib/kill

setup() {
	common_setup
	# One that starts from a template boots when its QEMU or virtiofsd is killed, so the story would be another.
	cold_machines
	story_open
	bundle b . sleep 1000 >/dev/null
}

teardown() {
	story_close
	common_teardown
}

helpers=(containerd-shim qemu-system-x86 virtiofsd)

created() {
	logged create --bundle "$WORK/b" --pid-file "$WORK/pid" c1 </dev/null >/dev/null 2>&1 3>&- 9>&-
}

running() {
	logged run -d --bundle "$WORK/b" --pid-file "$WORK/pid" c1 </dev/null >/dev/null 2>&1 3>&- 9>&-
}

status_is() {
	[ "$(kata state c1 | jq -r .status)" = "$1" ]
}

# Whoever watches the pid is told, and the state says the same.
seen_to_end() {
	wait_for 60 gone "$(cat "$WORK/pid")"
	wait_for 60 status_is stopped
}

# refused VERB...: it fails with a sentence.
refused() {
	local rc=0
	"$@" >"$WORK/out" 2>"$WORK/err" </dev/null || rc=$?
	echo "$*: $rc, $(cat "$WORK/err")"
	[ "$rc" -ne 0 ] && [ "$(wc -l <"$WORK/err")" -eq 1 ]
}

# killed_in_create STEP VICTIM
killed_in_create() {
	kill_at "$1" "$2" create --bundle "$WORK/b" --pid-file "$WORK/pid" c1
	# shellcheck disable=SC2154 # kill_at() sets it
	if [ "$code" -eq 0 ]; then
		# The answer was faster, as it always is in a host that is translated: it was right when it was given.
		echo "$2 killed at '$1': created"
		if [ "$2" = kata-runtime ]; then
			# It had ended by itself.
			status_is created
		else
			seen_to_end
			refused kata start c1
		fi
	else
		clear_end "$2" "$1"
	fi
	nothing_after_delete
}

# The middle, in which all of them run and the caller waits; and the end, at which the stand-in is already there. QEMU and
# virtiofsd are killed right behind the end in the next test.
@test "each of them, while a container is created" {
	for victim in "${helpers[@]}" kata-runtime; do
		killed_in_create "make the guest's sandbox" "$victim"
	done
	for victim in containerd-shim kata-runtime; do
		killed_in_create "answer create" "$victim"
	done
}

@test "each of them, while a created container waits to be started" {
	for victim in "${helpers[@]}" kata-container; do
		created
		kill -9 "$(pid_of "$victim")"
		echo "$victim killed"
		seen_to_end
		refused kata start c1
		nothing_after_delete
	done
}

# A hook in the guest keeps StartContainer under way until the kill has come.
slow_start() {
	jq '.hooks.startContainer = [{"path": "/bin/sleep", "args": ["sleep", "2"]}]' "$WORK/b/config.json" >"$WORK/slow"
	mv "$WORK/slow" "$WORK/b/config.json"
}

@test "each of them, while a container is started" {
	slow_start
	for victim in "${helpers[@]}" kata-container; do
		created
		kill_at "start the container" "$victim" start c1
		clear_end "$victim" start
		seen_to_end
		nothing_after_delete
	done
}

@test "a caller that dies while its container is started hurts nobody" {
	slow_start
	created
	kill_at "start the container" kata-runtime start c1
	[ "$code" -eq 137 ]
	wait_for 60 status_is running
	[ "$(kata exec c1 echo alive)" = alive ]
	nothing_after_delete
}

# The exec's stand-in is what an engine watches. That of the container is killed in "while a created container waits".
@test "each of them, while a detached exec is made" {
	for victim in "${helpers[@]}" kata-runtime; do
		running
		kill_at exec "$victim" exec -d --pid-file "$WORK/exec-pid" c1 sleep 1000
		echo "$victim killed at exec: $code, $(cat "$WORK/err")"
		if [ "$victim" = kata-runtime ]; then
			status_is running
		else
			[ "$code" -eq 0 ] || clear_end "$victim" exec
			[ ! -s "$WORK/exec-pid" ] || wait_for 60 gone "$(cat "$WORK/exec-pid")"
			seen_to_end
		fi
		nothing_after_delete
	done
}

# Without --force, of a container that has ended by itself, at the steps that kill.bats does not stop at. QEMU and virtiofsd
# are about to end there anyway.
@test "the sandbox server and kata-runtime, while a stopped container is deleted" {
	for victim in containerd-shim kata-runtime; do
		for step in "stop the machine" "remove the share" "close the management socket"; do
			running
			kata kill c1 KILL
			seen_to_end
			kill_at "$step" "$victim" delete c1
			echo "$victim killed at '$step' of delete: $code, $(cat "$WORK/err")"
			[ "$victim" = kata-runtime ] || [ "$code" -eq 0 ] || clear_end "$victim" "$step"
			nothing_after_delete
		done
	done
}
