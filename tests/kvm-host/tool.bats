#!/usr/bin/env bats
# kvm-host itself: what it promises of streams, exit codes, deadlines and what is inside.

bats_require_minimum_version 1.5.0

setup() {
	RESULTS=$BATS_TEST_TMPDIR/results
	cd "$BATS_TEST_DIRNAME" || return 1
}

box() {
	./kvm-host run --results "$RESULTS" "$@"
}

@test "a command has its streams and its exit code, the devices of a KVM host, and cannot write to the tree" {
	rc=0
	box --timeout 120 -- bash -c '
		echo out; echo err >&2
		test -c /dev/kvm -a -c /dev/vhost-vsock -a -c /dev/vhost-net || exit 1
		grep -qw memory /sys/fs/cgroup/cgroup.controllers || exit 2
		touch Makefile 2>/dev/null && exit 3
		for tool in runc crun containerd podman qemu-system-x86_64 bats gdb strace jq; do command -v $tool || exit 4; done >&2
		head -c 3000000 /dev/zero
		echo here >/results/file
		exit 42' >"$RESULTS.out" 2>"$RESULTS.err" || rc=$?
	cat "$RESULTS.err"
	[ "$rc" -eq 42 ]
	[ "$(head -n 1 "$RESULTS.out")" = out ]
	[ "$(stat -c %s "$RESULTS.out")" -eq 3000004 ]
	[ "$(head -n 1 "$RESULTS.err")" = err ]
	[ "$(cat "$RESULTS/file")" = here ]
}

@test "the older layouts of control groups" {
	run -0 box --timeout 120 --cgroups v1 -- sh -c '[ -f /sys/fs/cgroup/memory/memory.limit_in_bytes ] && [ ! -e /sys/fs/cgroup/unified ]'
	run -0 box --timeout 120 --cgroups hybrid -- sh -c '[ -f /sys/fs/cgroup/memory/cgroup.procs ] && [ -f /sys/fs/cgroup/unified/cgroup.procs ]'
}

@test "after the deadline the box is gone, and its console is shown" {
	run -124 box --timeout 60 -- sh -c 'echo last words >/dev/console; sleep 1000'
	[[ $output == *"the box did not finish within 60.0 s"* ]]
	[[ $output == *"last words"* ]]
	grep -q "last words" "$RESULTS/console.log"
}

@test "a box that dies says so" {
	run -125 box --timeout 120 -- busybox poweroff -f
	[[ $output == *"the box ended before its command did"* ]]
	run -125 box --memory nonsense -- true
	[[ $output == *"the box did not come up"*nonsense* ]]
}

@test "a box that dies can be replaced, a command that fails is not repeated" {
	run -125 box --tries 2 --timeout 120 -- busybox poweroff -f
	[ "$(grep -c "trying again" <<<"$output")" -eq 1 ]
	run -3 box --tries 2 --timeout 120 -- sh -c 'exit 3'
	[[ $output != *"trying again"* ]]
}
