#!/usr/bin/env bats
# A pod with a user namespace, as containerd makes one for `hostUsers: false`: the others name that of the pod's process.

bats_require_minimum_version 1.5.0
load lib/common
load lib/containerd

setup() {
	common_setup
	containerd_begin
}

teardown() {
	tail -n 20 "$WORK/containerd.log" || true
	containerd_end
	common_teardown
}

MAPS=(--uidmap 0:100000:65536 --gidmap 0:100000:65536)

# member NAME NAMESPACES ARG...: a container in the pod's user namespace and in those that are named.
member() {
	local name=$1 type pid with=()
	pid=$(c task ls | awk '$1 == "pod" { print $2 }')
	for type in user $2; do
		with+=(--with-ns "$type:/proc/$pid/ns/$type")
	done
	shift 2
	c run -d "${KATA[@]}" "${MAPS[@]}" "${with[@]}" --annotation io.kubernetes.cri.container-type=container \
		--annotation io.kubernetes.cri.sandbox-id=pod "$IMAGE" "$name" "$@"
}

inside() {
	local name=$1
	shift
	c task exec --exec-id "x$RANDOM" "$name" "$@"
}

@test "the containers of a pod share its user namespace, message queues and process ids, whoever of them comes and goes" {
	c run -d "${KATA[@]}" "${MAPS[@]}" --annotation io.kubernetes.cri.container-type=sandbox \
		--annotation io.kubernetes.cri.sandbox-id=pod "$IMAGE" pod sleep 1000
	member a 'ipc uts pid' sleep 2001
	member b 'ipc uts pid' sleep 2002
	member own 'ipc uts' sleep 2003
	local users ipc
	users=$(inside a readlink /proc/self/ns/user)
	ipc=$(inside a readlink /proc/self/ns/ipc)
	[ "$(inside b readlink /proc/self/ns/user)" = "$users" ]
	[ "$(inside own readlink /proc/self/ns/user)" = "$users" ]
	[ "$(inside b readlink /proc/self/ns/ipc)" = "$ipc" ]
	[ "$(inside own readlink /proc/self/ns/ipc)" = "$ipc" ]
	[ "$(inside b cat /proc/self/uid_map | tr -s ' ')" = " 0 100000 65536" ]
	inside b ps | grep 'sleep 2001'
	run ! inside own sh -c 'ps | grep "[s]leep 2001"'
	# Files are those of root inside; the guest's kernel is out of reach.
	[ "$(inside a stat -c %u:%g /bin)" = 0:0 ]
	run ! inside a sh -c 'echo 1 >/proc/sys/vm/swappiness'
	run ! inside a mount -t devtmpfs dev /tmp
	# The first goes, and comes again.
	c task kill --signal KILL a
	wait_for 60 task_is a STOPPED
	c task delete a || true
	c container delete a
	member a 'ipc uts pid' sleep 2004
	[ "$(inside a readlink /proc/self/ns/user)" = "$users" ]
	inside b ps | grep 'sleep 2004'
	for name in a b own pod; do
		c task kill --signal KILL "$name"
		wait_for 60 task_is "$name" STOPPED
		c task delete "$name" >/dev/null 2>&1 || true
		c container delete "$name"
	done
}
