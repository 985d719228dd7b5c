#!/usr/bin/env bats
# The server of a pod under clients that are many, wrong, or broken. One machine serves all tests of this file.

bats_require_minimum_version 1.5.0
load lib/common
load lib/pod

setup_file() {
	common_setup
	export WORK ROOT ROOTFS FENCE OUTSIDE mounts_before cgroups_before names_before
	pod_begin
}

teardown_file() {
	pod_end
	common_teardown
}

setup() {
	fence_enter
}

@test "fifty clients at once: each call for ids that nobody has, in wrong states, and twice" {
	clients refusals
}

@test "garbage and frames that are too large end their own connection only" {
	clients garbage
}

@test "while their hooks run, containers are killed, left and deleted, and no other is delayed" {
	clients creates "$WORK/pod"
}

@test "fifos that nobody reads block their process, and those that are gone nobody" {
	clients fifos
}

@test "200 execs, 20 at a time: their output and codes, and the server does not grow" {
	clients execs
}

@test "a gigabyte through stdout, to the byte" {
	clients stream $((1 << 30))
}

@test "another user is not served at the socket of a pod" {
	chmod 755 "$WORK" /run/containerd /run/containerd/s
	chmod 777 "$SOCKET"
	clients stranger
	chmod 700 /run/containerd/s
	chmod 600 "$SOCKET"
}
