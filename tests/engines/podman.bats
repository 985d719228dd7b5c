#!/usr/bin/env bats
# Podman beside runc: what lib/cases_*.bash say, in a room of its own (make check-engines).
# bats file_tags=engines

bats_require_minimum_version 1.5.0
load lib/engines
load lib/podman
load lib/cases_processes
load lib/cases_container
load lib/cases_boundary

setup_file() {
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

@test "podman exec: exit codes" {
	exec_gives_exit_codes
}

@test "podman exec: what cannot be run is 127 or 126" {
	exec_says_what_cannot_be_run
}

@test "podman exec: stdout and stderr stay apart" {
	exec_keeps_streams_apart
}

@test "podman exec -i: bytes to the end of stdin, and back" {
	exec_takes_stdin_to_its_end
}

@test "podman exec without -i reads nothing" {
	exec_without_stdin_reads_nothing
}

@test "podman exec: user, folder, environment" {
	exec_has_user_folder_and_environment
}

@test "podman exec -it: a terminal, and the exit code" {
	exec_has_a_terminal
}

@test "podman exec -d" {
	exec_in_the_background
}

@test "podman exec sees the container's first process" {
	exec_sees_the_first_process
}

@test "podman logs: all lines, streams apart" {
	logs_are_complete
}

@test "podman logs --follow ends with the container, --tail" {
	logs_follow_to_the_end
}

@test "podman logs of a running container" {
	logs_of_a_running_container
}

@test "podman run: streams and exit code" {
	run_passes_streams_and_exit_code
}

@test "podman run -i: stdin" {
	run_takes_stdin
}

@test "podman run -t: a terminal, and wait" {
	run_has_a_terminal
}

@test "podman run: a program that is not there" {
	run_says_what_cannot_be_run
}

@test "podman run: an end by a signal" {
	run_ends_by_a_signal
}

@test "podman attach: streams, and the exit code by wait" {
	attach_passes_streams
}

@test "podman start --attach" {
	start_attaches
}

@test "podman attach and detach by keys" {
	attach_and_detach
}

@test "podman kill --signal: a trap in the container" {
	signals_reach_the_process
}

@test "podman kill: 137" {
	kill_ends_with_137
}

@test "podman stop: TERM, then KILL" {
	stop_is_term_then_kill
}

@test "podman pause and unpause" {
	pause_stops_everything
}

@test "podman inspect: state and pid" {
	inspect_says_the_state
}

@test "podman restart" {
	restart_begins_anew
}

@test "podman restart policy on-failure" {
	restart_policy_counts
}

@test "podman limits stand in the container's /sys/fs/cgroup" {
	limits_stand_in_the_container
}

@test "podman update --memory" {
	update_reaches_the_container
}

@test "podman commit" {
	commit_takes_the_files
}

@test "podman diff" {
	diff_names_the_files
}

@test "podman export" {
	export_has_the_files
}

@test "podman events" {
	events_are_told
}

@test "podman rm and rm --force of a running container" {
	rm_removes_a_running_one
}

@test "podman run: user, folder, environment, host name, entry point" {
	options_of_identity
}

@test "podman run: capabilities and no-new-privileges" {
	options_of_rights
}

@test "podman run: read-only root, tmpfs, read-only volume" {
	options_of_files
}

@test "podman volumes, one of them read-only" {
	volumes_are_shared_with_the_host
}

@test "podman stats --no-stream: of the container" {
	stats_are_the_containers
}

@test "podman stats of all" {
	stats_are_of_all
}

@test "podman a health check is run in the container" {
	health_is_asked_inside
}

@test "podman cp in: into the container, not onto the host" {
	cp_into_reaches_the_container_only
}

@test "podman cp out: the container's file, not the host's" {
	cp_out_reads_the_containers
}

@test "podman cp out of what only the host has" {
	cp_of_what_only_the_host_has_fails
}

@test "podman cp of a folder, in and out" {
	cp_keeps_a_folder_as_it_is
}

@test "podman cp of a tar stream" {
	cp_speaks_tar
}

@test "podman cp into a volume" {
	cp_into_a_volume_is_on_the_host
}

@test "podman cp into a read-only volume" {
	cp_into_a_read_only_volume_fails
}

@test "podman cp through links" {
	cp_through_a_link_stays_inside
}

@test "podman cp with a stopped container" {
	cp_with_a_stopped_container
}

@test "podman top: the container's processes, none of the host's" {
	top_shows_the_containers
}

@test "podman --pid container: not the host's" {
	pid_namespace_is_not_the_hosts
}

@test "podman --network container: not the host's" {
	network_namespace_is_not_the_hosts
}

@test "podman --ipc container: not the host's" {
	ipc_namespace_is_not_the_hosts
}

@test "podman --uts container: not the host's" {
	uts_namespace_is_not_the_hosts
}

@test "podman nsenter -t PID -a is not on the host" {
	nsenter_is_not_on_the_host
}

@test "podman /proc/PID/root is the container's" {
	root_of_the_pid_is_the_containers
}
