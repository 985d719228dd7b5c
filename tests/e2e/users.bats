#!/usr/bin/env bats
# User namespaces: who is root in the container is nobody in particular outside, as under runc.

bats_require_minimum_version 1.5.0
load lib/common

setup() {
	common_setup
	chmod 711 "$WORK" # a root in a user namespace must get to its bundle
}

teardown() {
	common_teardown
}

MAPPED='.linux.namespaces += [{type: "user"}]
	| .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
	| .linux.gidMappings = [{containerID: 0, hostID: 200000, size: 65536}]'

# first ID: a container with a user namespace that sleeps; its pid is in $WORK/ID.pid.
first() {
	kata run --detach --pid-file "$WORK/$1.pid" --bundle "$(bundle "b-$1" "$MAPPED" sleep 1000)" "$1"
}

# joins ID TYPES: the filter by which a spec names those namespaces of container ID.
joins() {
	local pid
	pid=$(cat "$WORK/$1.pid")
	echo ".linux.namespaces += [{type: \"user\"}]
		| .linux.namespaces |= map(if (.type | IN($2)) then .path = \"/proc/$pid/ns/\(.type | sub(\"network\"; \"net\"))\" else . end)"
}

# is_in_another PID: whether it has a user namespace of its own.
is_in_another() {
	[ "$(readlink "/proc/$1/ns/user")" != "$(readlink /proc/self/ns/user)" ]
}

words() {
	tr -s ' \n' ' ' <"$1"
}

@test "the process behind the pid is root of a user namespace with the container's mappings" {
	local pid
	first c1
	pid=$(cat "$WORK/c1.pid")
	is_in_another "$pid"
	[ "$(words "/proc/$pid/uid_map")" = " 0 100000 65536 " ]
	[ "$(words "/proc/$pid/gid_map")" = " 0 200000 65536 " ]
	[ "$(awk '/^Uid:/ { print $2, $3, $4, $5 }' "/proc/$pid/status")" = '100000 100000 100000 100000' ]
	[ "$(awk '/^Gid:/ { print $2, $3, $4, $5 }' "/proc/$pid/status")" = '200000 200000 200000 200000' ]
	# It has no capability even there.
	[ "$(awk '/^Cap(Prm|Eff|Bnd|Inh|Amb):/ { print $2 }' "/proc/$pid/status" | sort -u)" = 0000000000000000 ]
	kill -KILL "$pid"
	wait_for 60 gone "$pid"
}

@test "a container that names the user namespace of another one shares it: mappings, message queues, rights" {
	first c1
	run kata run --bundle "$(bundle b2 "$(joins c1 '"user","ipc","uts","network","pid"')" sh -c '
		readlink /proc/self/ns/user; readlink /proc/self/ns/ipc; tr -s " " </proc/self/uid_map; tr -s " " </proc/self/gid_map
		ps | grep -c "[s]leep 1000"; id -u')" c2
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "$(kata exec c1 readlink /proc/self/ns/user)" ]
	[ "${lines[1]}" = "$(kata exec c1 readlink /proc/self/ns/ipc)" ]
	[ "${lines[2]}" = " 0 100000 65536" ]
	[ "${lines[3]}" = " 0 200000 65536" ]
	[ "${lines[4]}" = 1 ]
	[ "${lines[5]}" = 0 ]
}

@test "mappings beside a path that are not those of the namespace are refused; without any they are taken from it" {
	first c1
	run kata run --bundle "$(bundle b2 "$(joins c1 '"user"') | .linux.uidMappings = [{containerID: 0, hostID: 7, size: 1}]
		| .linux.gidMappings = [{containerID: 0, hostID: 200000, size: 65536}]" true)" c2
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *"linux.uidMappings: they are not those of '/proc/"* ]]
	[ "$(kata list --quiet)" = c1 ]
}

@test "a user namespace of the host by its path: its mappings are those inside; the host's own is refused" {
	local holder
	unshare --user sleep 1000 3>&- &
	holder=$!
	wait_for 60 is_in_another "$holder"
	echo 0 100000 1000 >"/proc/$holder/uid_map"
	echo 0 200000 1000 >"/proc/$holder/gid_map"
	run kata run --bundle "$(bundle b1 ".linux.namespaces += [{type: \"user\", path: \"/proc/$holder/ns/user\"}]" \
		sh -c 'tr -s " " </proc/self/uid_map')" c1
	kill "$holder"
	echo "$output"
	[ "$output" = " 0 100000 1000" ]
	run kata run --bundle "$(bundle b2 '.linux.namespaces += [{type: "user", path: "/proc/1/ns/user"}]' true)" c2
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *"linux.namespaces["*"].path: '/proc/1/ns/user' is the host's own user namespace"* ]]
}
