#!/usr/bin/env bats
# Containers whose spec names a namespace of another one by the pid that was told for it: they join its machine.

bats_require_minimum_version 1.5.0
load lib/common

setup() {
	common_setup
}

teardown() {
	common_teardown
}

# first ID FILTER: a container that sleeps; its pid is in $WORK/ID.pid.
first() {
	kata run --detach --pid-file "$WORK/$1.pid" --bundle "$(bundle "b-$1" "$2" sleep 1000)" "$1"
}

# named_after ID TYPES: the filter by which a spec names those namespaces of container ID.
named_after() {
	local pid
	pid=$(cat "$WORK/$1.pid")
	echo ".linux.namespaces |= map(if (.type | IN($2)) then .path = \"/proc/$pid/ns/\(.type | sub(\"network\"; \"net\"))\" else . end)"
}

machines() {
	local pid n=0
	for pid in $(leftover_pids); do
		[[ $(cat "/proc/$pid/comm" 2>/dev/null) != qemu* ]] || n=$((n + 1))
	done
	echo "$n"
}

@test "a container that shares ipc and uts is in the same machine, which the last one takes along" {
	local hook=".hooks.poststop = [{path: \"/bin/sh\", args: [\"sh\", \"-c\", \"echo stopped >>$WORK/stopped\"]}]"
	first c1 '.hostname = "first"'
	kata run --detach --bundle "$(bundle b2 "$(named_after c1 '"ipc","uts"') | del(.hostname) | $hook" sleep 1000)" c2
	[ "$(machines)" = 1 ]
	[ "$(kata list --quiet)" = $'c1\nc2' ]
	[ "$(kata exec c2 hostname)" = first ]
	[ "$(kata exec c1 readlink /proc/self/ns/uts)" = "$(kata exec c2 readlink /proc/self/ns/uts)" ]
	[ "$(kata exec c1 readlink /proc/self/ns/ipc)" = "$(kata exec c2 readlink /proc/self/ns/ipc)" ]
	[ "$(kata exec c1 readlink /proc/self/ns/pid)" != "$(kata exec c2 readlink /proc/self/ns/pid)" ]
	# The first is deleted, and its id is free for a container that has a machine of its own.
	kata delete --force c1
	[ "$(kata exec c2 echo there)" = there ]
	kata run --detach --bundle "$WORK/b-c1" c1
	[ "$(machines)" = 2 ]
	kata delete --force c2
	[ "$(cat "$WORK/stopped")" = stopped ]
	[ "$(machines)" = 1 ]
	[ "$(kata exec c1 echo there)" = there ]
	kata delete --force c1
	[ "$(machines)" = 0 ]
	[ -z "$(ls -A "$ROOT")" ]
}

@test "a container that shares process ids only has a host name and message queues of its own" {
	first c1 '.hostname = "first"'
	run kata run --bundle "$(bundle b2 "$(named_after c1 '"pid"') | .hostname = \"second\"" sh -c 'hostname; ps')" c2
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = second ]
	[[ $output == *"1 root     sleep 1000"* ]]
	[ "$(kata exec c1 hostname)" = first ]
	run kata run --bundle "$(bundle b3 "$(named_after c1 '"ipc"') | .hostname = \"third\"" sh -c 'hostname; readlink /proc/self/ns/ipc')" c3
	[ "${lines[0]}" = third ]
	[ "${lines[1]}" = "$(kata exec c1 readlink /proc/self/ns/ipc)" ]
	[ "$(kata exec c1 hostname)" = first ]
}

@test "a container in two machines, one of a container that has ended, or a namespace of the host: sentences" {
	local pid
	first c1 .
	first c2 .
	run kata run --bundle "$(bundle b3 "$(named_after c1 '"ipc"') | $(named_after c2 '"uts"')" true)" c3
	[ "$status" -ne 0 ]
	[[ $output == *"two machines"* ]]
	sleep 1000 3>&- &
	pid=$!
	run kata run --bundle "$(bundle b4 ".linux.namespaces |= map(if .type == \"ipc\" then .path = \"/proc/$pid/ns/ipc\" else . end)" true)" c4
	kill "$pid"
	[ "$status" -ne 0 ]
	[[ $output == *"cannot join the host's"* ]]
	kata delete --force c2
	run kata run --bundle "$(bundle b5 "$(named_after c2 '"ipc"')" true)" c5
	[ "$status" -ne 0 ]
	[ "$(kata list --quiet)" = c1 ]
}

@test "what the host mounts after the machine was started is there for the container that joins it" {
	mkdir "$WORK/private" "$WORK/new"
	mount -t tmpfs -o size=64k tmpfs "$WORK/private"
	mount --make-private "$WORK/private"
	mkdir "$WORK/private/root" "$WORK/private/data"
	first c1 .
	mount --bind "$ROOTFS" "$WORK/private/root"
	mount -t tmpfs -o size=64k tmpfs "$WORK/private/data"
	echo late >"$WORK/private/data/file"
	run kata run --bundle "$(bundle b2 "$(named_after c1 '"ipc"') | .root.path = \"$WORK/private/root\"
		| .mounts += [{destination: \"/data\", type: \"bind\", source: \"$WORK/private/data\", options: [\"bind\"]}]" cat /data/file)" c2
	umount "$WORK/private/data" "$WORK/private/root" "$WORK/private"
	echo "$output"
	[ "$output" = late ]
}

@test "the server of two containers is killed: both are stopped, and nothing is left of them" {
	local server
	first c1 .
	kata run --detach --bundle "$(bundle b2 "$(named_after c1 '"ipc","uts"')" sleep 1000)" c2
	server=$(jq .server.pid "$ROOT/c1/sandbox.json")
	kill -9 "$server"
	wait_for 60 gone "$server"
	kata delete --force c1
	kata delete --force c2
	[ -z "$(ls -A "$ROOT")" ]
}
