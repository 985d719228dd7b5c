#!/usr/bin/env bats
# Podman beside runc: what lib/cases_*.bash say, in a room of its own (make check-engines).
# bats file_tags=engines

bats_require_minimum_version 1.5.0
load lib/engines
load lib/podman
load lib/cases_processes
load lib/cases_container
load lib/cases_boundary
load lib/cases_options
load lib/cases_daily
load lib/cases_pods
load lib/cases_buildah

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

@test "podman run: --ulimit" {
	ulimits_hold
}

@test "podman run: --sysctl of the network" {
	sysctls_of_the_network_hold
}

@test "podman run: --sysctl of ipc" {
	sysctls_of_ipc_hold
}

@test "podman run: --shm-size" {
	shared_memory_has_its_size
}

@test "podman run: --device" {
	devices_are_there
}

@test "podman run: --device of a disk" {
	disks_are_lent
}

@test "podman run: --mount type=tmpfs" {
	tmpfs_has_mode_and_size
}

@test "podman run: --add-host, --hostname" {
	hosts_and_names_are_written
}

@test "podman run: --env-file" {
	environment_comes_from_a_file
}

@test "podman run: --group-add" {
	groups_are_added
}

@test "podman run: --oom-score-adj" {
	oom_score_is_adjusted
}

@test "podman run: --cpuset-cpus" {
	processors_are_chosen
}

@test "podman run: --pids-limit" {
	processes_are_limited
}

@test "podman run: seccomp on and off" {
	seccomp_can_be_off
}

@test "podman run: users by name" {
	users_have_names
}

@test "podman run: --ipc none" {
	ipc_can_be_none
}

@test "podman run: a file as a volume" {
	a_file_is_a_volume
}

@test "podman run: anonymous volumes" {
	anonymous_volumes_go_with_it
}

@test "podman run: named volumes" {
	named_volumes_stay
}

@test "podman run: --volumes-from" {
	volumes_come_from_another
}

@test "podman run: an exit code above 255" {
	codes_are_of_one_byte
}

@test "podman run: what runs on when the container ends" {
	the_end_takes_what_is_left
}

@test "podman run: much output" {
	much_output_arrives
}

@test "podman --ipc container: the same machine" {
	ipc_is_shared
}

@test "podman --pid container: the same machine" {
	processes_are_shared
}

@test "podman --network container: the same machine" {
	network_is_shared
}

@test "podman pod: ipc, uts and network" {
	pod_shares_its_namespaces
}

@test "podman pod --share pid" {
	pod_shares_process_ids
}

@test "podman pod stop, start, pause" {
	pod_stops_and_starts
}

@test "podman play kube: init container, volumes, configuration" {
	pod_has_what_kubernetes_says
}

@test "podman generate kube, play kube" {
	pod_is_generated_and_played
}

@test "podman run --init: the first process" {
	init_is_the_first_process
}

@test "podman restart policy always, until it is stopped" {
	restart_policy_always_ends_with_stop
}

@test "podman stop signal, rename, start again" {
	stop_signal_and_name_can_be_chosen
}

@test "podman update --cpus --pids-limit --cpuset-cpus" {
	update_of_processors_and_processes
}

@test "podman cp with a paused container" {
	cp_with_a_paused_container
}

@test "podman build: steps in machines" {
	build_runs_its_steps
}

@test "podman build: a step that fails" {
	build_ends_with_the_code_of_its_step
}

@test "podman compose up, exec, down" {
	compose_brings_up_and_down
}

@test "buildah run: codes, stdin, users, volumes" {
	buildah_runs_a_step
}

@test "buildah commit" {
	buildah_commits_what_ran
}
