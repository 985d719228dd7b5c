#!/usr/bin/env bats
# Docker beside runc: what lib/cases_*.bash say, in a room of its own (make check-engines).
# bats file_tags=engines

bats_require_minimum_version 1.5.0
load lib/engines
load lib/docker
load lib/cases_processes
load lib/cases_container
load lib/cases_boundary
load lib/cases_options
load lib/cases_daily

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

@test "docker exec: exit codes" {
	exec_gives_exit_codes
}

@test "docker exec: what cannot be run is 127 or 126" {
	exec_says_what_cannot_be_run
}

@test "docker exec: stdout and stderr stay apart" {
	exec_keeps_streams_apart
}

@test "docker exec -i: bytes to the end of stdin, and back" {
	exec_takes_stdin_to_its_end
}

@test "docker exec without -i reads nothing" {
	exec_without_stdin_reads_nothing
}

@test "docker exec: user, folder, environment" {
	exec_has_user_folder_and_environment
}

@test "docker exec -it: a terminal, and the exit code" {
	exec_has_a_terminal
}

@test "docker exec -d" {
	exec_in_the_background
}

@test "docker exec sees the container's first process" {
	exec_sees_the_first_process
}

@test "docker logs: all lines, streams apart" {
	logs_are_complete
}

@test "docker logs --follow ends with the container, --tail" {
	logs_follow_to_the_end
}

@test "docker logs of a running container" {
	logs_of_a_running_container
}

@test "docker run: streams and exit code" {
	run_passes_streams_and_exit_code
}

@test "docker run -i: stdin" {
	run_takes_stdin
}

@test "docker run -t: a terminal, and wait" {
	run_has_a_terminal
}

@test "docker run: a program that is not there" {
	run_says_what_cannot_be_run
}

@test "docker run: an end by a signal" {
	run_ends_by_a_signal
}

@test "docker attach: streams, and the exit code by wait" {
	attach_passes_streams
}

@test "docker start --attach" {
	start_attaches
}

@test "docker kill --signal: a trap in the container" {
	signals_reach_the_process
}

@test "docker kill: 137" {
	kill_ends_with_137
}

@test "docker stop: TERM, then KILL" {
	stop_is_term_then_kill
}

@test "docker pause and unpause" {
	pause_stops_everything
}

@test "docker inspect: state and pid" {
	inspect_says_the_state
}

@test "docker restart" {
	restart_begins_anew
}

@test "docker restart policy on-failure" {
	restart_policy_counts
}

@test "docker limits stand in the container's /sys/fs/cgroup" {
	limits_stand_in_the_container
}

@test "docker update --memory" {
	update_reaches_the_container
}

@test "docker commit" {
	commit_takes_the_files
}

@test "docker diff" {
	diff_names_the_files
}

@test "docker export" {
	export_has_the_files
}

@test "docker events" {
	events_are_told
}

@test "docker rm and rm --force of a running container" {
	rm_removes_a_running_one
}

@test "docker run: user, folder, environment, host name, entry point" {
	options_of_identity
}

@test "docker run: capabilities and no-new-privileges" {
	options_of_rights
}

@test "docker run: read-only root, tmpfs, read-only volume" {
	options_of_files
}

@test "docker volumes, one of them read-only" {
	volumes_are_shared_with_the_host
}

@test "docker stats of all" {
	stats_are_of_all
}

@test "docker a health check is run in the container" {
	health_is_asked_inside
}

@test "docker cp in: into the container, not onto the host" {
	cp_into_reaches_the_container_only
}

@test "docker cp out: the container's file, not the host's" {
	cp_out_reads_the_containers
}

@test "docker cp out of what only the host has" {
	cp_of_what_only_the_host_has_fails
}

@test "docker cp of a folder, in and out" {
	cp_keeps_a_folder_as_it_is
}

@test "docker cp of a tar stream" {
	cp_speaks_tar
}

@test "docker cp into a volume" {
	cp_into_a_volume_is_on_the_host
}

@test "docker cp into a read-only volume" {
	cp_into_a_read_only_volume_fails
}

@test "docker cp through links" {
	cp_through_a_link_stays_inside
}

@test "docker cp with a stopped container" {
	cp_with_a_stopped_container
}

@test "docker top: the container's processes, none of the host's" {
	top_shows_the_containers
}

@test "docker top with an exec" {
	[ "${DOCKER_RUNTIME-}" != shim ] || skip "containerd is told of one process of the host, which stands for the container"
	top_shows_an_exec
}

@test "docker --pid container: not the host's" {
	pid_namespace_is_not_the_hosts
}

@test "docker --network container: not the host's" {
	network_namespace_is_not_the_hosts
}

@test "docker --ipc container: not the host's" {
	ipc_namespace_is_not_the_hosts
}

@test "docker nsenter -t PID -a is not on the host" {
	nsenter_is_not_on_the_host
}

@test "docker /proc/PID/root is the container's" {
	root_of_the_pid_is_the_containers
}

@test "docker run: --ulimit" {
	ulimits_hold
}

@test "docker run: --sysctl of the network" {
	sysctls_of_the_network_hold
}

@test "docker run: --sysctl of ipc" {
	sysctls_of_ipc_hold
}

@test "docker run: --shm-size" {
	shared_memory_has_its_size
}

@test "docker run: --device" {
	devices_are_there
}

@test "docker run: --device of a disk" {
	disks_are_lent
}

@test "docker run: --mount type=tmpfs" {
	tmpfs_has_mode_and_size
}

@test "docker run: --add-host, --hostname" {
	hosts_and_names_are_written
}

@test "docker run: --env-file" {
	environment_comes_from_a_file
}

@test "docker run: --group-add" {
	groups_are_added
}

@test "docker run: --oom-score-adj" {
	oom_score_is_adjusted
}

@test "docker run: --cpuset-cpus" {
	processors_are_chosen
}

@test "docker run: --pids-limit" {
	processes_are_limited
}

@test "docker run: seccomp on and off" {
	seccomp_can_be_off
}

@test "docker run: users by name" {
	users_have_names
}

@test "docker run: --ipc none" {
	ipc_can_be_none
}

@test "docker run: a file as a volume" {
	a_file_is_a_volume
}

@test "docker run: anonymous volumes" {
	anonymous_volumes_go_with_it
}

@test "docker run: named volumes" {
	named_volumes_stay
}

@test "docker run: --volumes-from" {
	volumes_come_from_another
}

@test "docker run: an exit code above 255" {
	codes_are_of_one_byte
}

@test "docker run: what runs on when the container ends" {
	the_end_takes_what_is_left
}

@test "docker run: much output" {
	much_output_arrives
}

@test "docker --ipc container: the same machine" {
	ipc_is_shared
}

@test "docker --pid container: the same machine" {
	processes_are_shared
}

@test "docker --network container: the same machine" {
	network_is_shared
}

@test "docker run --init: the first process" {
	init_is_the_first_process
}

@test "docker restart policy always, until it is stopped" {
	restart_policy_always_ends_with_stop
}

@test "docker stop signal, rename, start again" {
	stop_signal_and_name_can_be_chosen
}

@test "docker update --cpus --pids-limit --cpuset-cpus" {
	update_of_processors_and_processes
}

@test "docker cp with a paused container" {
	cp_with_a_paused_container
}

@test "docker build: steps in machines" {
	build_runs_its_steps
}

@test "docker build: a step that fails" {
	build_ends_with_the_code_of_its_step
}

@test "docker compose up, exec, down" {
	compose_brings_up_and_down
}
