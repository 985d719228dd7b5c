#!/usr/bin/env bats
# Pods of containerd's CRI beside runc, as far as containerd 1.6 of Debian 12 does not know of it: with the one of a later
# Debian (make check-engines ROOT=sid). What every containerd knows is in tests/e2e/cri.bats.
# bats file_tags=engines

load ../e2e/lib/common
load ../e2e/lib/containerd
load ../e2e/lib/cri

setup() {
	[[ $(containerd --version) != *" 1.6."* ]] || skip "containerd 1.6 gives no user namespaces to pods"
	cri_setup
}

teardown() {
	cri_teardown
}

# Prints what containers of a pod with a user namespace are, and who owns their files.
users() {
	local handler=$1 pod a b
	local options="namespace_options {userns_options {mode: POD uids {host_id: 100000 container_id: 0 length: 65536}
		gids {host_id: 200000 container_id: 0 length: 65536}}}"
	pod=$(pod_run "$handler" "$handler" "security_context {$options}")
	a=$(POD_FIELDS="security_context {$options}" container_make "$pod" "a-$handler" "$options" sleep 2003)
	b=$(POD_FIELDS="security_context {$options}" container_make "$pod" "b-$handler" "$options run_as_user {value: 7}" sleep 2004)
	container_exec "$a" sh -c 'id -u; cat /proc/self/uid_map /proc/self/gid_map; stat -c "%u:%g %n" /bin /bin/busybox /proc/self'
	container_exec "$a" sh -c 'touch /made; chown 5:6 /made; stat -c "%u:%g" /made; mount -t tmpfs none /tmp 2>/dev/null || echo no mounts'
	container_exec "$b" sh -c 'id -u; cat /proc/self/uid_map; touch /made 2>/dev/null || echo not the owner'
	[ "$(container_exec "$a" readlink /proc/self/ns/user)" = "$(container_exec "$b" readlink /proc/self/ns/user)" ] && echo "one namespace"
	stat -c '%u:%g on the host' "/proc/$(container_pid "$a")/root/made"
	awk '{print $1, $2, $3}' "/proc/$(container_pid "$a")/uid_map"
	pod_remove "$pod"
}

@test "a pod with a user namespace: hostUsers false" {
	# The container's root is nobody on the host, and must get to its root file system.
	chmod 711 "$WORK"
	beside_runc users 12
}
