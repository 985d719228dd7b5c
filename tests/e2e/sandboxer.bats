#!/usr/bin/env bats
# Pods whose machine starts and stops by calls of its own (containerd 2, sandboxer = "shim"): the test says what containerd
# 2.1 says, because the containerd of Debian 12 is older.

bats_require_minimum_version 1.5.0
load lib/common

setup() {
	common_setup
	mkdir -p "$WORK/pod/rootfs"
	touch "$WORK/netns"
	unshare --net="$WORK/netns" true
	SOCKET=$(cd "$WORK/pod" && shim start </dev/null 2>"$WORK/start.err" 3>&- | jq -r 'select(.version == 3) | .address')
	SOCKET=${SOCKET#unix://}
	[ -S "$SOCKET" ]
}

teardown() {
	cat "$WORK"/start.err "$WORK"/*/out "$WORK"/*/err 2>/dev/null || true
	(cd "$WORK/pod" && shim -bundle "$WORK/pod" delete >/dev/null </dev/null) || true
	wait_for 60 [ ! -e "$SOCKET" ] || true
	rmdir /run/containerd/s /run/containerd 2>/dev/null || true
	umount "$WORK/netns"
	common_teardown
}

shim() {
	TTRPC_ADDRESS='' KATA_CONF_FILE=$TREE/build/configuration.toml "$TREE/build/containerd-shim-kata-v2" \
		-namespace k8s.io -address "$WORK/none.sock" -publish-binary true -id pod "$@"
}

# client CASE [ARG]...: see lib/sandbox_client.py.
client() {
	PYTHONDONTWRITEBYTECODE=1 timeout --foreground 600 /usr/bin/python3 "$BATS_TEST_DIRNAME/lib/sandbox_client.py" "$SOCKET" "$WORK" "$@"
}

@test "a pod's containers share its process ids, its memory, its names and its name service, and leave nothing with it" {
	bundle first . sh -c 'hostname; cat /etc/hostname /etc/resolv.conf /proc/sys/kernel/msgmax; echo shared >/dev/shm/note
		test -s /etc/hosts && echo hosts' >/dev/null
	bundle second . sh -c 'cat /dev/shm/note; ps -o args | grep -c "[p]ause"; exit 3' >/dev/null
	bundle third '.root.readonly = true' sh -c 'echo $$; cat /dev/shm/note; (echo x >/etc/hosts) || echo read-only' >/dev/null
	run client life
	echo "$output"
	[ "$status" -eq 0 ]
	diff <(echo "$output") - <<-'END'
		first: web
		first: web
		first: search pods.example
		first: nameserver 192.0.2.53
		first: options ndots:5
		first: 4096
		first: hosts
		second: shared
		second: 1
		third: 1
		third: shared
		third: read-only
	END
	grep "can't create /etc/hosts: Read-only file system" "$WORK/third/err"
}

@test "a pod's control group on the host is where its configuration says, and has counted what it uses" {
	client counted "/${WORK##*/}-pod"
	find /sys/fs/cgroup -depth -type d -name "${WORK##*/}-pod" -exec rmdir {} +
}

@test "what a pod wants of the host is refused with the reason" {
	run client refused 2
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"(hostPID): a pod in a virtual machine cannot have the host's processes"* ]]
}

@test "the end of the process that stands for the pod is that of the pod" {
	bundle forever . sleep 100000 >/dev/null
	client killed
}

@test "standard streams go over the connection to the shim, both ways and whole, and outlive a connection" {
	bundle first . sh -c 'echo error >&2; exec tr a-z A-Z' >/dev/null
	bundle second . sh -c 'trap "" PIPE; while echo y; do :; done 2>/dev/null; exit 0' >/dev/null
	run client streams
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$output" = "streams went on" ]
}

@test "of a server that was killed the verb delete leaves nothing" {
	local pids
	bundle forever . sleep 100000 >/dev/null
	read -ra pids < <(client left)
	kill -9 "${pids[0]}"
	wait_for 60 gone "${pids[1]}"
	wait_for 60 nothing_runs
}
