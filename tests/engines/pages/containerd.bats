#!/usr/bin/env bats
# docs/engines/containerd.md, line by line; its part on Kubernetes is what tests/e2e/cri.bats configures containerd with.
# bats file_tags=engines

load lib
load ../../e2e/lib/containerd
export PAGE=containerd.md
IMAGE=docker.io/library/busybox:latest

c() {
	ctr "$@"
}

setup_file() {
	machine_begin /var/lib/containerd
	setsid containerd >"$WORK/containerd.log" 2>&1 </dev/null 3>&- &
	echo $! >"$WORK/containerd.pid"
	wait_for 60 ctr version >/dev/null 2>&1
	image_make "$IMAGE" "$WORK/image"
}

teardown_file() {
	kill "$(cat "$WORK/containerd.pid")"
}

@test "containerd: run" {
	follow 'ctr run --rm --runtime io.containerd.kata.v2 docker.io/library/busybox:latest demo'
	is_of_a_guest
}

@test "containerd: a log that is a file" {
	follow 'ctr run -d --runtime io.containerd.kata.v2 --log-uri'
	output=$(wait_for 60 grep Linux /var/log/demo.log)
	is_of_a_guest
	wait_for 60 ctr container rm demo
}

@test "containerd: several containers in one machine" {
	follow 'IMAGE pod sleep'
	follow 'IMAGE second hostname'
	ctr task kill --signal KILL pod
	wait_for 60 ctr container rm pod
}

@test "containerd: every line of the page was followed" {
	# An image comes from a registry; here it is imported.
	no_line_is_left 'ctr image pull docker.io/library/busybox:latest'
}
