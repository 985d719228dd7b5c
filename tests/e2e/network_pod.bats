#!/usr/bin/env bats
# The network of a pod whose machine grows: its interfaces use the processors that come.

bats_require_minimum_version 1.5.0
load lib/common
load lib/containerd
load lib/network

setup() {
	network_setup
	CONFIGURATION=$WORK/queues.toml
	sed 's/^network_queues = .*/network_queues = 8/' "$TREE/build/configuration.toml" >"$CONFIGURATION"
	grep -q '^network_queues = 8' "$CONFIGURATION"
	containerd_begin
}

teardown() {
	containerd_end
	network_teardown
}

# queues: those that the pod's interface uses, for frames in either direction.
queues() {
	c task exec --exec-id "x$RANDOM" pod sh -c 'cd /sys/class/net/eth0/queues; echo [rt]x-*'
}

@test "an interface has as many queues as the machine has processors, also when some have come later" {
	[ "$(nproc)" -ge 2 ] || skip "this host has one processor"
	pod_network
	c run -d "${KATA[@]}" --with-ns "network:/run/netns/$POD" --annotation io.kubernetes.cri.sandbox-id=pod "$IMAGE" pod \
		sleep 1000
	[ "$(queues)" = "rx-0 tx-0" ]
	c run -d "${KATA[@]}" --annotation io.kubernetes.cri.sandbox-id=pod --cpu-quota 200000 --cpu-period 100000 "$IMAGE" \
		second sleep 1000
	[ "$(queues)" = "rx-0 rx-1 tx-0 tx-1" ]
	c task exec --exec-id ping pod ping -c 1 -W 60 10.77.0.1
	serve TCP-LISTEN:80,fork,reuseaddr "OPEN:$ROOTFS/answer,rdonly"
	c task exec --exec-id ask second sh -c 'for n in 1 2 3 4 5 6 7 8; do nc 10.77.0.1 80 </dev/null; done' >"$WORK/answers"
	[ "$(sort "$WORK/answers" | uniq -c | xargs)" = "8 answered" ]
	stop_serving
	c task kill --signal KILL second
	wait_for 60 task_is second STOPPED
	c task rm second || true
	c task kill --signal KILL pod
	wait_for 60 task_is pod STOPPED
	c task rm pod || true
	same interfaces "$BEFORE" "$(interfaces "$POD")"
}
