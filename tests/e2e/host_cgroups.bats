#!/usr/bin/env bats
# Which cgroup of the host each process of a sandbox is in, what limits it there, and that nothing stays.
#
# The quick box runs those in which version 2 of cgroups has other files, limits or words than version 1.

load lib/common
load lib/containerd

setup() {
	common_setup
	PARENT=/hc-${WORK##*-}
}

teardown() {
	[ -z "${CONTAINERD:-}" ] || containerd_end
	# The folder on the way to a cgroup stays, as with runc.
	find /sys/fs/cgroup -depth -type d -path "*$PARENT*" -exec rmdir {} + 2>/dev/null || true
	common_teardown
}

# Cgroup v2 is alone, or v1 has the controllers.
unified() {
	[ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]
}

# folder CONTROLLER PATH: the cgroup's folder.
folder() {
	if unified; then
		echo "/sys/fs/cgroup$2"
	else
		echo "/sys/fs/cgroup/$1$2"
	fi
}

# group PID [CONTROLLER]: where it is.
group() {
	if unified; then
		sed -n 's/^0:://p' "/proc/$1/cgroup"
	else
		sed -n "s/^[0-9]*:\([^:]*,\)\?${2:-memory}\(,[^:]*\)\?://p" "/proc/$1/cgroup"
	fi
}

# container ID FILTER: makes one that sleeps, in $PARENT/ID.
container() {
	kata --log "$WORK/log" run --detach --pid-file "$WORK/$1.pid" \
		--bundle "$(bundle "b-$1" ".linux.cgroupsPath = \"$PARENT/$1\" | $2" sleep 1000)" "$1"
}

# Each process in a folder: its name, without numbers, and without the kernel's own for KVM and vhost.
members() {
	local pid
	while read -r pid; do
		cat "/proc/$pid/comm"
	done <"$1/cgroup.procs" | grep -vE '^(kvm-|vhost-)' | sed 's/^qemu-system-.*/qemu/' | sort | xargs | tee /dev/stderr
}

no_groups() {
	[ -z "$(find /sys/fs/cgroup -type d -path "*$PARENT/*" 2>/dev/null)" ]
}

# bats test_tags=box
@test "every process of a container is in the cgroup that its engine has named, and it goes with it" {
	local at
	touch "$WORK/log"
	container c1 .
	at=$(folder memory "$PARENT/c1")
	[ "$(members "$at")" = "containerd-shim kata-container qemu virtiofsd" ]
	if ! unified; then
		for at in /sys/fs/cgroup/{cpu,cpuset,pids,freezer}; do
			[ ! -d "$at" ] || [ "$(members "$at$PARENT/c1")" = "containerd-shim kata-container qemu virtiofsd" ]
		done
	fi
	# Another one, of an exec, joins it.
	kata exec --detach --pid-file "$WORK/e.pid" c1 sleep 1000
	[ "$(group "$(cat "$WORK/e.pid")")" = "$PARENT/c1" ]
	kata delete --force c1
	no_groups
}

@test "the caller stays where it is" {
	local before
	before=$(cat /proc/self/cgroup)
	touch "$WORK/log"
	container c1 .
	[ "$(cat /proc/self/cgroup)" = "$before" ]
	kata delete --force c1
}

# bats test_tags=box
@test "the limits of a container are the machine's, with room for what serves the guest" {
	local at
	touch "$WORK/log"
	container c1 '.linux.resources.cpu = {quota: 10000, period: 100000, shares: 512, cpus: "0"}
		| .linux.resources.memory = {limit: 134217728}'
	at=$(folder cpu "$PARENT/c1")
	[ "$(cat "$(folder cpuset "$PARENT/c1")/cpuset.cpus")" = 0 ]
	if unified; then
		[ "$(cat "$at/cpu.max")" = "35000 100000" ]
		[ "$(cat "$at/cpu.weight")" = 20 ]
		[ "$(cat "$at/memory.max")" -gt 134217728 ]
	else
		[ "$(cat "$at/cpu.cfs_quota_us")" = 35000 ]
		[ "$(cat "$at/cpu.shares")" = 512 ]
		[ "$(cat "$(folder memory "$PARENT/c1")/memory.limit_in_bytes")" -gt 134217728 ]
	fi
	kata delete --force c1
}

# bats test_tags=box
@test "what is given to the cgroup above, as the kubelet does for a pod, holds for the machine" {
	local at
	touch "$WORK/log"
	container c1 .
	at=$(folder cpu "$PARENT")
	if unified; then
		echo "20000 100000" >"$at/cpu.max"
	else
		echo 20000 >"$at/cpu.cfs_quota_us"
	fi
	kata exec --detach c1 sh -c 'while :; do :; done'
	wait_for 120 throttled "$at"
	kata delete --force c1
}

# bats test_tags=box
@test "update changes the limits of the host, too" {
	local at
	touch "$WORK/log"
	container c1 '.linux.resources.cpu = {quota: 10000, period: 50000}'
	at=$(folder cpu "$PARENT/c1")
	kata update --cpu-quota 40000 c1
	if unified; then
		[ "$(cat "$at/cpu.max")" = "52500 50000" ]
	else
		[ "$(cat "$at/cpu.cfs_quota_us"):$(cat "$at/cpu.cfs_period_us")" = 52500:50000 ]
	fi
	kata update --cpu-quota -1 c1
	if unified; then
		[ "$(cat "$at/cpu.max")" = "max 50000" ]
	else
		[ "$(cat "$at/cpu.cfs_quota_us")" = -1 ]
	fi
	kata delete --force c1
}

# threads_in FOLDER: names of threads.
threads_in() {
	local tid
	while read -r tid; do
		cat /proc/[0-9]*/task/"$tid"/comm 2>/dev/null | grep -vE '^(kvm-|vhost-)' || true
	done <"$1/$(unified && echo cgroup.threads || echo tasks)"
}

# bats test_tags=box
@test "sandbox_cgroup_only = false: the virtual CPUs alone, and the rest in the cgroup of overheads" {
	local own over
	sed 's/^sandbox_cgroup_only = .*/sandbox_cgroup_only = false/' "$TREE/build/configuration.toml" >"$WORK/configuration.toml"
	export KATA_CONF_FILE=$WORK/configuration.toml
	touch "$WORK/log"
	container c1 .
	own=$(folder cpu "$PARENT/c1")
	over=$(folder cpu /kata_overhead/c1)
	if unified; then
		[ "$(members "$own")" = "kata-container qemu" ]
		[ "$(members "$over")" = "containerd-shim virtiofsd" ]
	else
		[ "$(members "$over")" = "containerd-shim qemu virtiofsd" ]
		# One thread of QEMU has left the others.
		[ "$(threads_in "$own" | sed 's/^CPU 0.*/cpu/; s/^qemu-system-.*/cpu/' | sort | xargs)" = "cpu kata-container" ]
	fi
	kata exec c1 true
	kata delete --force c1
	no_groups
	[ ! -e "$(folder cpu /kata_overhead)" ]
	# Not only of a server that removes it itself.
	container c1 .
	kill -9 "$(jq .server.pid "$ROOT/c1/sandbox.json")"
	kata delete --force c1
	no_groups
	[ ! -e "$(folder cpu /kata_overhead)" ]
}

# metric ID NAME: of ctr.
metric() {
	c task metrics "$1" | awk -v name="$2" '$1 == name {print $2}'
}

# bats test_tags=box
@test "statistics: of a container what it uses of its guest, of the one that is the pod's what the pod uses of the host" {
	local of_container of_pod
	containerd_begin
	c run -d "${KATA[@]}" --cgroup "$PARENT/ours" "$IMAGE" ours sleep 1000
	c run -d "${KATA[@]}" --cgroup "$PARENT/pod" --annotation io.kubernetes.cri.container-type=sandbox "$IMAGE" pod sleep 1000
	of_container=$(metric ours memory.usage)
	of_pod=$(metric pod memory.usage)
	echo "$of_container $of_pod"
	# A sleep is less than a machine with its kernel, and that is less than the memory that it has.
	[ "$of_container" -gt 0 ] && [ "$of_container" -lt 20000000 ]
	[ "$of_pod" -gt 40000000 ] && [ "$of_pod" -lt 2147483648 ]
	[ "$of_pod" -le "$(($(memory "$(folder memory "$PARENT/kata_pod")") * 2))" ]
	of_pod=$(metric pod cpu.usage_usec)
	[ "$of_pod" -gt 0 ] && [ "$of_pod" -le "$(processor_usec "$PARENT/kata_pod")" ]
	[ "$(metric pod pids.current)" -gt "$(metric ours pids.current)" ]
}

# processor_usec PATH: how long the processes of a cgroup have had a processor, in microseconds.
processor_usec() {
	if unified; then
		awk '$1 == "usage_usec" { print $2 }' "$(folder cpu "$1")/cpu.stat"
	else
		echo $(($(cat "$(folder cpuacct "$1")/cpuacct.usage") / 1000))
	fi
}

# memory FOLDER: how many bytes it uses.
memory() {
	cat "$1/$(unified && echo memory.current || echo memory.usage_in_bytes)"
}

# bats test_tags=box
@test "a machine that the host's kernel kills for want of memory has run out of memory" {
	local at limit code=0
	touch "$WORK/log"
	container c1 .
	kata events c1 >"$WORK/events" 2>&1 3>&- &
	at=$(folder memory "$PARENT")
	limit=$(($(memory "$at") + 33554432))
	echo $limit >"$at/$(unified && echo memory.max || echo memory.limit_in_bytes)"
	kata exec c1 sh -c 'dd if=/dev/zero of=/dev/shm/a bs=1M count=300; sleep 1000' || code=$?
	[ "$code" -ne 0 ]
	wait_for 60 stopped c1
	cat "$WORK/log"
	grep -q "the host's kernel killed it, because cgroup '$PARENT/c1' or one above it has used up its" "$WORK/log"
	grep -q "container 'c1' has run out of memory" "$WORK/log"
	wait_for 60 grep -q '"type":"oom"' "$WORK/events"
	kata delete --force c1
	no_groups
}

stopped() {
	[ "$(kata state "$1" | jq -r .status)" = stopped ]
}

# bats test_tags=box
@test "a cgroup that may use less than the machine's memory is told of when it starts" {
	local at
	at=$(folder memory "$PARENT")
	mkdir -p "$at"
	if unified; then
		echo +memory >"$at/../cgroup.subtree_control"
		echo 1G >"$at/memory.max"
	else
		echo 1G >"$at/memory.limit_in_bytes"
	fi
	touch "$WORK/log"
	container c1 .
	grep "cgroup '$PARENT/c1' or one above it may use 1024 MiB, the machine has 2048" "$WORK/log"
	kata delete --force c1
}

throttled() {
	[ "$(awk '/^nr_throttled/ {print $2}' "$1/cpu.stat")" -gt 10 ]
}

@test "a server that is killed leaves a cgroup that delete removes" {
	touch "$WORK/log"
	container c1 .
	kill -9 "$(jq .server.pid "$ROOT/c1/sandbox.json")"
	[ -d "$(folder memory "$PARENT/c1")" ]
	kata delete --force c1
	no_groups
}

@test "a container that cannot be made leaves none" {
	run kata create --bundle "$(bundle b1 ".linux.cgroupsPath = \"$PARENT/c1\" | .process.args = [\"/missing\"]")" c1
	[ "$status" -ne 0 ]
	no_groups
	run kata create --bundle "$(bundle b2 ".linux.cgroupsPath = \"$PARENT/c2\" | .mounts += [{destination: \"/x\", type: \"bind\", source: \"/missing\", options: [\"bind\"]}]" true)" c2
	[ "$status" -ne 0 ]
	no_groups
}

@test "a cgroup that was there before stays, and is used" {
	local at
	at=$(folder memory "$PARENT/c1")
	mkdir -p "$at"
	touch "$WORK/log"
	container c1 .
	[[ $(members "$at") == *qemu* ]]
	kata delete --force c1
	[ -d "$at" ]
	[ -z "$(cat "$at/cgroup.procs")" ]
	rmdir "$at"
	no_groups
}

@test "a pod of containerd is beside the place of its first container" {
	local at
	containerd_begin
	c run -d "${KATA[@]}" --cgroup "$PARENT/ours" "$IMAGE" ours sleep 1000
	at=$(folder memory "$PARENT/kata_ours")
	[ "$(members "$at")" = "containerd-shim kata-container qemu virtiofsd" ]
	c task kill --signal KILL ours
	wait_for 60 task_is ours STOPPED
	c task rm ours
	wait_for 60 no_groups
}
