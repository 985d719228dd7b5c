#!/usr/bin/env bats
# Many small things through a container's network. `make check-scale` runs it.

bats_require_minimum_version 1.5.0
load ../e2e/lib/common
load ../e2e/lib/network

setup() {
	network_setup
}

teardown() {
	network_teardown
}

@test "10,000 short connections, requests and datagrams in either direction: none is lost" {
	pod_network
	crowd 10000
}
