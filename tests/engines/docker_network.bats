#!/usr/bin/env bats
# Networks of Docker beside runc: what lib/cases_network.bash says, in a room of its own (make check-engines).
# bats file_tags=engines

bats_require_minimum_version 1.5.0
load lib/engines
load lib/docker
load lib/cases_processes
load lib/cases_network

setup_file() {
	network_setup_file
	engines_setup_file
}

teardown_file() {
	engines_teardown_file
}

setup() {
	engines_setup
}

teardown() {
	engines_teardown
}

@test "docker network: containers of both runtimes reach each other" {
	containers_of_a_network_reach_each_other
}

@test "docker network: a container that is restarted is in it again" {
	a_network_survives_a_restart
}

@test "docker network: two at once" {
	a_container_is_in_two_networks
}
