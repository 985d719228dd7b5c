#!/usr/bin/env bats
# Pods, as Kubernetes makes them: containerd's CRI with our shim as a handler and beside it with runc.

load lib/common
load lib/containerd
load lib/cri

setup() {
	cri_setup
}

teardown() {
	cri_teardown
}

# Prints what the containers of a pod see of each other.
life() {
	local handler=$1 pod a b c
	pod=$(pod_run "$handler" "$handler")
	echo "pod: $(cri PodSandboxStatus <<<"pod_sandbox_id: '$pod'" | fields name | head -1 | sed "s/$handler/NAME/")"
	a=$(container_make "$pod" "a-$handler" '' pod_member wait)
	b=$(container_make "$pod" "b-$handler" '' sh -c 'echo out; echo err >&2; trap "echo asked; exit 4" TERM; httpd -p 127.0.0.1:8080 -h /etc; while :; do sleep 1; done')
	c=$(container_make "$pod" "c-$handler" '' sh -c 'exit 7')

	wait_for 60 log_has "a-$handler" ready
	container_exec "$b" pod_member tell 'from b'
	wait_for 60 container_is "$a" CONTAINER_EXITED
	echo "a: $(container_status "$a")"
	container_log "a-$handler"
	wait_for 60 container_is "$c" CONTAINER_EXITED
	echo "c: $(container_status "$c")"

	# The same name once more, and localhost.
	container_remove "$c"
	c=$(container_make "$pod" "c-$handler" '' sleep 1000)
	wait_for 60 container_exec "$c" wget -qO /tmp/page http://127.0.0.1:8080/passwd
	container_exec "$c" sh -c 'cat /tmp/page; hostname; exit 3' | sed "s/$handler/NAME/" || true
	container_exec "$c" sh -c 'echo quoted \"words\" >&2; exit 3' || echo "exec: $?"
	container_exec "$c" ls /dev/shm

	kill -9 "$CONTAINERD"
	wait "$CONTAINERD" 2>/dev/null || true
	containerd_start
	wait_for 60 cri_answers
	cri ListContainers <<<'' | grep -A 30 "$c" | fields state | head -1
	cri ListContainers <<<'' | fields id | wc -l
	container_exec "$b" echo after

	container_stop "$b" 100
	echo "b: $(container_status "$b")"
	container_log "b-$handler" | sort
	pod_remove "$pod"
	cri ListPodSandbox <<<''
	cri ListContainers <<<''
}

@test "a pod of three: shared memory, semaphores, messages, localhost, host name, logs, exec, restarts, an end in peace" {
	beside_runc life 15
}

# Prints which processes containers see.
processes() {
	local handler=$1 pod a b own debugger
	pod=$(pod_run "$handler" "$handler" "sysctls {key: 'kernel.msgmax' value: '4096'} sysctls {key: 'net.ipv4.ip_unprivileged_port_start' value: '7'}")
	a=$(container_make "$pod" "a-$handler" 'namespace_options {pid: POD}' sleep 2001)
	b=$(container_make "$pod" "b-$handler" 'namespace_options {pid: POD}' sh -c 'trap "exit 5" TERM; while :; do sleep 1; done')
	container_exec "$b" sh -c 'ps -o args | grep "[s]leep 2001"; test $$ -ne 1 && echo "not the first"; cat /proc/sys/kernel/msgmax /proc/sys/net/ipv4/ip_unprivileged_port_start'
	# Whoever came first goes, and comes again.
	container_stop "$a"
	echo "a: $(container_status "$a")"
	container_remove "$a"
	container_exec "$b" sh -c 'ps -o args | grep -c "[s]leep 2001"' || true
	a=$(container_make "$pod" "a-$handler" 'namespace_options {pid: POD}' sleep 2002)
	container_exec "$b" sh -c 'ps -o args | grep "[s]leep 2002"'

	own=$(container_make "$pod" "own-$handler" 'namespace_options {pid: CONTAINER}' sleep 3001)
	container_exec "$own" ps -o pid,args | grep '[s]leep'
	debugger=$(container_make "$pod" "debugger-$handler" "namespace_options {pid: TARGET target_id: '$own'}" sh -c 'ps -o pid,args | grep "[s]leep 3001"; sleep 4001')
	wait_for 60 log_has "debugger-$handler" 'sleep 3001'
	container_log "debugger-$handler"
	# The target's first process takes all along that is in its namespace.
	container_stop "$own"
	wait_for 60 container_is "$debugger" CONTAINER_EXITED
	echo "debugger: $(container_status "$debugger")"
	container_stop "$b" 100
	echo "b: $(container_status "$b")"
	container_status "$a"
	pod_remove "$pod"
}

@test "process ids: shared by a pod, of a container's own, and those of a container that is debugged; sysctls" {
	beside_runc processes 12
}

@test "what a pod in a virtual machine cannot have of the host is refused with the reason, and nothing is left" {
	local kind handler
	for handler in $(cri_handlers); do
		for kind in network:hostNetwork pid:hostPID ipc:hostIPC; do
			# containerd 2.1 dies of it before it asks us.
			[ "$handler:$kind" != kata-sandbox:network:hostNetwork ] || continue
			run pod_run "$handler" "${kind%:*}" "security_context {namespace_options {${kind%:*}: NODE}}"
			echo "$output"
			[[ $output == *"(${kind#*:}): a pod in a virtual machine cannot have the host's"* ]]
			# UNIMPLEMENTED (12) would be a method that is not there, and containerd 2.4 would ask once more by an older one.
			run grep -i '^grpc-status: 12' "$WORK"/call-*/headers
			[ "$status" -eq 1 ]
		done
	done
	wait_for 60 nothing_but_containerd
	[ -z "$(cri ListPodSandbox <<<'')" ]
}

nothing_but_containerd() {
	local pid
	for pid in $(leftover_pids); do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = containerd ] || return 1
	done
}

machine() {
	local pid
	for pid in $(leftover_pids); do
		[[ $(cat "/proc/$pid/comm") != qemu-system* ]] || echo "$pid"
	done
}

sandbox_is() {
	[ "$(cri PodSandboxStatus <<<"pod_sandbox_id: '$1'" | fields state)" = "$2" ]
}

# No program of the pod's own container, where containerd makes one.
own_container() {
	! c task exec --exec-id e1 "$1" true 2>"$WORK/refusal" || return 1
	grep "stands for its pod: no program runs in it" "$WORK/refusal"
	[ "$(c task metrics "$1" | awk '$1 == "pids.current" {print $2}')" -gt 1 ]
}

host_pids() {
	local handler=$1 pod n seen pids=() ids=() jobs=()
	local POD_FIELDS='security_context {privileged: true}'
	pod=$(pod_run "$handler" pids "$POD_FIELDS")
	pids+=("$(container_pid "$pod" PodSandboxStatus pod_sandbox_id)")
	# All at once.
	for n in 1 2 3; do
		container_make "$pod" "c$n" '' sleep 1000 >"$WORK/id.$n" &
		jobs+=($!)
	done
	for n in 1 2 3; do
		wait "${jobs[n - 1]}"
		ids+=("$(cat "$WORK/id.$n")")
		pids+=("$(container_pid "${ids[n - 1]}")")
	done
	[ "$(machine | wc -l)" -eq 1 ]
	[ "$(printf '%s\n' "${pids[@]}" | sort -u | wc -l)" -eq 4 ]
	for n in 1 2 3; do
		[ "$(tr '\0' ' ' <"/proc/${pids[n]}/cmdline")" = "sleep 1000 " ]
		for kind in net ipc uts; do
			[ "$(readlink "/proc/${pids[n]}/ns/$kind")" = "$(readlink "/proc/${pids[0]}/ns/$kind")" ]
			[ "$(readlink "/proc/${pids[n]}/ns/$kind")" != "$(readlink "/proc/self/ns/$kind")" ]
		done
		[ "$(readlink "/proc/${pids[n]}/ns/mnt")" != "$(readlink "/proc/${pids[0]}/ns/mnt")" ]
	done
	[ "$(ls "/proc/${pids[0]}/root")" = proc ]
	[ "$handler" != kata ] || own_container "$pod"

	# Who has every right in the machine finds nothing in the process that holds the pod's process ids.
	n=$(container_make "$pod" c4 'privileged: true namespace_options {pid: POD}' sleep 1000)
	seen=$(container_exec "$n" sh -c 'grep -E "^(Name|CapEff|Seccomp):" /proc/1/status; ls -A /proc/1/root; ls /proc/1/fd | wc -l')
	diff <(tr -s '[:blank:]' ' ' <<<"$seen") <(printf '%s\n' 'Name: pause' 'CapEff: 0000000000000000' 'Seccomp: 1' 4)

	kill -TERM "${pids[1]}"
	kill -9 "${pids[2]}"
	wait_for 60 container_is "${ids[0]}" 'CONTAINER_EXITED 143'
	wait_for 60 container_is "${ids[1]}" 'CONTAINER_EXITED 137'
	container_is "${ids[2]}" CONTAINER_RUNNING
	kill -9 "$(machine)"
	wait_for 60 container_is "${ids[2]}" 'CONTAINER_EXITED 137'
	wait_for 60 sandbox_is "$pod" SANDBOX_NOTREADY
	pod_remove "$pod"
	wait_for 60 nothing_but_containerd
}

@test "pids of the host, and their ends: of a container, of the machine" {
	local handler
	for handler in $(cri_handlers); do
		host_pids "$handler"
	done
}

# quota POD: of the cgroup of its machine, in microseconds.
quota() {
	local found
	found=$(find /sys/fs/cgroup/cpu /sys/fs/cgroup -maxdepth 4 -type d -name "kata_$1" 2>/dev/null | head -1)
	cut -d' ' -f1 "$found/cpu.cfs_quota_us" 2>/dev/null || cut -d' ' -f1 "$found/cpu.max"
}

# cpu_update CONTAINER QUOTA
cpu_update() {
	cri UpdateContainerResources <<<"container_id: '$1' linux {cpu_period: 100000 cpu_quota: $2}"
}

@test "a pod whose containers may use more, or less, than at first may do so on the host" {
	local pod a b
	pod=$(pod_run kata resized "cgroup_parent: '$(sed -n 's/^[0-9]*:cpu://p' /proc/self/cgroup)/pod' resources {cpu_period: 100000 cpu_quota: 50000}")
	a=$(CONTAINER_FIELDS='resources {cpu_period: 100000 cpu_quota: 20000}' container_make "$pod" a '' sleep 1000)
	b=$(CONTAINER_FIELDS='resources {cpu_period: 100000 cpu_quota: 30000}' container_make "$pod" b '' sleep 1000)
	# A quarter of a CPU is the machine's.
	[ "$(quota "$pod")" = 75000 ]
	cpu_update "$a" 60000
	[ "$(quota "$pod")" = 115000 ]
	[ "$(container_exec "$a" cut -d' ' -f1 /sys/fs/cgroup/cpu.max)" = 60000 ]
	cpu_update "$b" 10000
	[ "$(quota "$pod")" = 95000 ]
	cpu_update "$a" -1
	[[ "$(quota "$pod")" =~ ^(-1|max)$ ]]
	cpu_update "$a" 10000
	[ "$(quota "$pod")" = 45000 ]
	pod_remove "$pod"
}

# Prints what two containers of a pod do with a disk that both have (volumeDevices of Kubernetes).
raw_volume() {
	local handler=$1 pod a b c
	pod=$(pod_run "$handler" "$handler")
	dd if=/dev/zero of="$DISK" bs=4096 count=4 conv=fsync status=none
	a=$(CONFIG_FIELDS="devices {container_path: '/dev/raw' host_path: '$DISK' permissions: 'mrw'}" \
		container_make "$pod" "a-$handler" '' sleep 1000)
	b=$(CONFIG_FIELDS="devices {container_path: '/dev/same' host_path: '$DISK' permissions: 'mrw'}" \
		container_make "$pod" "b-$handler" "mounts {container_path: '/srv/bound' host_path: '$DISK'}" sleep 1000)
	c=$(CONFIG_FIELDS="devices {container_path: '/dev/raw' host_path: '$DISK' permissions: 'r'}" \
		container_make "$pod" "c-$handler" '' sleep 1000)
	container_exec "$a" sh -c 'echo from a >/dev/raw; blockdev --getsize64 /dev/raw'
	container_exec "$b" sh -c 'head -c 6 /dev/same; echo; echo from b >/srv/bound; sync'
	container_exec "$c" sh -c 'head -c 6 /dev/raw; echo; (echo no >/dev/raw) 2>&1 | sed "s/.*: //"'
	head -c 6 "$DISK"
	echo
	container_stop "$a"
	container_remove "$a"
	# Who shares it has it still.
	container_exec "$b" sh -c 'head -c 6 /dev/same; echo'
	container_stop "$b"
	container_remove "$b"
	container_exec "$c" sh -c 'head -c 6 /dev/raw; echo'
	pod_remove "$pod"
}

@test "a disk of the host in several containers of a pod: what one writes the others read, until the last is gone" {
	truncate -s 8M "$WORK/disk"
	DISK=$(losetup --find --show "$WORK/disk") || skip "this host gives no loop device"
	beside_runc raw_volume 6 || {
		losetup -d "$DISK"
		return 1
	}
	losetup -d "$DISK"
	[ -z "$(losetup -j "$WORK/disk")" ]
}
