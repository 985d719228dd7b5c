#!/usr/bin/env bats
# What is small and stays is found by repetition. KATA_LOOPS says how often (10).

load lib/common

setup() {
	common_setup
	LOOPS=${KATA_LOOPS:-10}
}
teardown() { common_teardown; }

# What the whole machine has of everything that a run takes.
footprint() {
	leftover_mounts
	find "$FENCE" -type d
	leftover_cgroups
	ls /sys/class/net
	ls -A "$SHARES"
	ls -A "$ROOT"
}

# bats test_tags=box
@test "run and delete again and again: nothing grows" {
	dir=$(bundle b . true)
	kata run --bundle "$dir" first
	footprint >"$WORK/before"
	began=$SECONDS
	for i in $(seq "$LOOPS"); do
		kata run --bundle "$dir" "c$i"
		# It hangs up by ending: the process itself goes an instant later.
		wait_for 60 nothing_runs
	done
	footprint >"$WORK/after"
	diff "$WORK/before" "$WORK/after"
	echo "# $LOOPS runs in $((SECONDS - began)) s" >&3
}

server_pid() {
	local pid
	while read -r pid; do
		if [ "$(cat "/proc/$pid/comm")" = containerd-shim ]; then
			echo "$pid"
			return
		fi
	done < <(fence_pids)
}

rss() {
	awk '/^Rss:/ { print $2 }' "/proc/$server/smaps_rollup"
}

# By the shell alone: of the processes of a pipe one may not be there yet when they are counted.
guest_processes() {
	kata exec c1 sh -c 'set -- /proc/[0-9]*; echo $#'
}

fds() {
	local list=("/proc/$server/fd"/*)
	echo ${#list[@]}
}

# That somebody who was killed has hung up is noticed an instant later, also before the first count.
no_more_fds() {
	[ "$(fds)" -le "$fds_before" ]
}

guest_processes_are() {
	[ "$(guest_processes)" = "$1" ]
}

# stays_as_it_is WORD COMMAND...: a container whose server and guest look the same after many COMMANDs.
stays_as_it_is() {
	local what=$1
	shift
	kata run -d --bundle "$(bundle b . sleep 100000)" c1 </dev/null >/dev/null 2>&1
	server=$(server_pid)
	# The first ones fill caches.
	for i in $(seq 5); do "$@"; done
	rss_before=$(rss) fds_before=$(fds) threads_before=$(ls "/proc/$server/task") guest_before=$(guest_processes)
	for i in $(seq $((LOOPS * 10))); do "$@"; done
	rss_after=$(rss)
	echo "# $((LOOPS * 10)) $what: the sandbox server's RSS was $rss_before KiB, is $rss_after KiB" >&3
	wait_for 60 no_more_fds
	[ "$(ls "/proc/$server/task")" = "$threads_before" ]
	wait_for 60 guest_processes_are "$guest_before"
	[ $((rss_after - rss_before)) -le 128 ]
}

@test "exec again and again: the sandbox server and the guest stay as they are" {
	stays_as_it_is execs kata exec c1 true
}

# By its stand-in, as an engine does, and a signal to the container that changes nothing.
exec_and_kill() {
	kata exec -d --pid-file "$WORK/pid" c1 sleep 100000 </dev/null >/dev/null 2>&1
	kill -9 "$(cat "$WORK/pid")"
	kata kill c1 CONT
}

@test "exec and kill again and again: the same" {
	stays_as_it_is "execs that are killed" exec_and_kill
}

@test "create and delete without start, again and again" {
	dir=$(bundle b . true)
	for i in 1 2 3; do
		kata create --bundle "$dir" c1 </dev/null >/dev/null 2>&1
		kata delete c1
		# It hangs up by ending: the process itself goes an instant later.
		wait_for 60 nothing_runs
	done
}
