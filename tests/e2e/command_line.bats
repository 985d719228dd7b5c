#!/usr/bin/env bats
# What callers write on the command line, beyond the life of a container.

bats_require_minimum_version 1.5.0
load lib/common

setup() { common_setup; }
teardown() { common_teardown; }

@test "relative --root and --config mean the caller's folder, not the bundle" {
	dir=$(bundle b . sleep 1000)
	cp "$TREE/build/configuration.toml" "$WORK/mine.toml"
	cd "$WORK"
	"$TREE/build/kata-runtime" --root state --config mine.toml run --detach --bundle "$dir" c1 </dev/null >/dev/null 2>&1
	# The server's notes, by which a later delete finds what a killed server leaves.
	[ -s "$ROOT/c1/sandbox.json" ]
	[ ! -e "$dir/state" ]
	"$TREE/build/kata-runtime" --root state delete --force c1
	[ ! -e "$ROOT/c1" ]
}

# What `run` gets is what the container gets, as under runc.
@test "run passes on every signal that is not its own" {
	signals="HUP USR1 CONT TSTP TTIN TTOU URG XCPU VTALRM PROF IO PWR PIPE 35 64"
	# shellcheck disable=SC2016
	dir=$(bundle b . sh -c 'for s in '"$signals"'; do trap "echo got-$s" $s; done
		echo ready; trap "exit 3" TERM; while :; do sleep 0.1; done')
	"$TREE/build/kata-runtime" --root "$ROOT" run --bundle "$dir" c1 </dev/null >"$WORK/out" 2>"$WORK/err" &
	pid=$!
	wait_for 60 grep -q ready "$WORK/out"
	kill -s URG "$pid"
	# One after the other: a stop signal that waits takes the place of a SIGCONT that does, and the other way round.
	for signal in $signals; do
		[ "$signal" != URG ] || continue
		kill -s "$signal" "$pid"
		wait_for 60 grep -qx "got-$signal" "$WORK/out"
	done
	kill -s TERM "$pid"
	rc=0
	wait "$pid" || rc=$?
	cat "$WORK/out" "$WORK/err"
	[ "$rc" -eq 3 ]
	run -1 grep -q got-URG "$WORK/out"
}

@test "container_pipe_size of the configuration is told to the agent" {
	sed 's/^container_pipe_size = 0/container_pipe_size = 4096/' "$TREE/build/configuration.toml" >"$WORK/small.toml"
	run kata --config "$WORK/small.toml" run --bundle "$(bundle b . cat /proc/cmdline)" c1
	[ "$status" -eq 0 ]
	[[ $output == *" agent.container_pipe_size=4096"* ]]
}

@test "env tells what is set and not supported" {
	sed '/^\[hypervisor.qemu\]/a memory_slots = 3' "$TREE/build/configuration.toml" >"$WORK/slots.toml"
	kata --config "$WORK/slots.toml" env | grep -q "^# not supported: hypervisor.qemu.memory_slots .*# $WORK/slots.toml:[0-9]"
	kata --config "$WORK/slots.toml" env --json | jq -e '.settings["hypervisor.qemu.memory_slots"].supported == false'
}

@test "update reads its limits from a stdin that is a socket" {
	run /usr/bin/python3 -c '
import socket, subprocess, sys
ours, theirs = socket.socketpair()
ours.sendall(b"{\"pids\": {\"limit\": -7.5}}")
ours.close()
sys.exit(subprocess.run(sys.argv[1:], stdin=theirs).returncode)' "$TREE/build/kata-runtime" --root "$ROOT" update -r - c1
	[ "$status" -eq 1 ]
	[[ $output == *pids.limit* ]]
}

@test "--rootless is true, false or auto" {
	kata --rootless auto list
	kata --rootless=false list
	run kata --rootless nonsense list
	[ "$status" -eq 1 ]
	[[ $output == *"--rootless is true, false or auto, not 'nonsense'"* ]]
}

@test "completion knows the value of every global option from a verb" {
	eval "$(kata completion bash)"
	for option in $(kata help | sed -n 's/^   --\([a-z-]*\) [A-Z].*/\1/p'); do
		COMP_WORDS=(kata-runtime "--$option" state "") COMP_CWORD=3 COMPREPLY=()
		_kata_runtime
		[[ " ${COMPREPLY[*]} " == *" create "* ]] || {
			echo "$option"
			return 1
		}
	done
	[ "$option" = criu ]
}

has_lines() {
	[ "$(wc -l <"$2")" -ge "$1" ]
}

# bats test_tags=box
@test "events tells when the container runs out of memory, at once and to who comes later" {
	dir=$(bundle b '.linux.resources.memory.limit = 33554432' sh -c \
		'until [ -e /tmp/go ]; do sleep 0.1; done; dd if=/dev/zero of=/dev/null bs=128M count=1; exec sleep 1000')
	kata run --bundle "$dir" --detach c1 </dev/null >/dev/null 2>&1
	"$TREE/build/kata-runtime" --root "$ROOT" events --interval 1h c1 >"$WORK/events" 2>&1 &
	watcher=$!
	wait_for 60 grep -q '"type":"stats"' "$WORK/events"
	run -1 grep -q oom "$WORK/events"
	touch "$ROOTFS/tmp/go"
	wait_for 60 grep -qx '{"type":"oom","id":"c1"}' "$WORK/events"
	"$TREE/build/kata-runtime" --root "$ROOT" events --interval 100ms c1 >"$WORK/later" 2>&1 &
	later=$!
	wait_for 60 grep -qx '{"type":"oom","id":"c1"}' "$WORK/later"
	wait_for 60 has_lines 4 "$WORK/later"
	kill "$watcher" "$later"
	kata delete --force c1
}

@test "what cannot be printed is a failure, whichever verb prints" {
	dir=$(bundle b . true)
	for words in list "list -f json" features version env help "help run" "run --help" "completion bash" check --version; do
		# shellcheck disable=SC2086
		run -0 --separate-stderr kata $words
		# shellcheck disable=SC2086
		if kata $words >/dev/full 2>"$WORK/err"; then
			echo "$words: 0"
			return 1
		fi
		grep -q "write to standard output" "$WORK/err"
	done
	kata run -d --bundle "$(bundle c . sleep 1000)" c1 </dev/null >/dev/null 2>&1
	for words in "state c1" "ps c1" "ps -f json c1" "events --stats c1" "list -q"; do
		# shellcheck disable=SC2086
		if kata $words >/dev/full 2>"$WORK/err"; then
			echo "$words: 0"
			return 1
		fi
		grep -q "write to standard output" "$WORK/err"
	done
	if "$TREE/build/containerd-shim-kata-v2" -version >/dev/full 2>"$WORK/err"; then return 1; fi
	grep -q "write to standard output" "$WORK/err"
}
