#!/usr/bin/env bats
# Much data through a pod's server. `make check-scale` runs it.

load ../e2e/lib/common
load ../e2e/lib/pod

setup() {
	common_setup
	pod_begin
}

teardown() {
	pod_end
	common_teardown
}

@test "10 GB through stdout, to the byte" {
	clients stream $((10 << 30))
}
