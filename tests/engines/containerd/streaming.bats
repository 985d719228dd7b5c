#!/usr/bin/env bats
# Standard streams that containerd 2 carries over its connection to the shim (io_type = "streaming"), beside those of runc, which
# go through fifos: logs, exec, input, and a containerd that is killed and started again.

load ../../e2e/lib/common
load ../../e2e/lib/containerd
load ../../e2e/lib/cri

setup() {
	export SANDBOX_KEYS='io_type = "streaming"'
	cri_setup
}

teardown() {
	cri_teardown
}

# Which handler has streams is not said: its output must not tell.
life() {
	local handler=$1 pod a
	pod=$(pod_run "$handler" "$handler")
	# What comes over streams has a pid namespace of its own, so that its first process is its own.
	a=$(container_make "$pod" "a-$handler" 'namespace_options {pid: CONTAINER}' sh -c \
		'echo out; seq 100000 | md5sum; seq 20000; until [ -e /tmp/go ]; do sleep 0.1; done; echo later; exec sleep 1000')
	wait_for 60 log_has "a-$handler" ' 20000$'
	container_log "a-$handler" | md5sum
	container_exec "$a" sh -c 'echo hi; echo there >&2; exit 3' || echo "code $?"
	container_exec "$a" seq 50000 | md5sum
	kill -9 "$CONTAINERD"
	wait "$CONTAINERD" 2>/dev/null || true
	containerd_start
	wait_for 60 cri_answers
	# The streams of the container go on.
	container_exec "$a" touch /tmp/go
	wait_for 60 log_has "a-$handler" later
	container_exec "$a" echo after
	pod_remove "$pod"
}

@test "a pod's streams are what they are with fifos, also when containerd is killed and comes back" {
	grep -q 'io_type = "streaming"' "$WORK/containerd.toml"
	beside_runc life 5
	# It was the connection to the shim, not a fifo.
	grep -q kata-sandbox <<<"$(cri_handlers)"
}
