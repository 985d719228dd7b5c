#!/usr/bin/env bats
# containerd's pods in machines that go on from a template: these may grow.

bats_require_minimum_version 1.5.0
load lib/common
load lib/containerd

setup() {
	common_setup
	TEMPLATES=$WORK/templates
	CONFIGURATION=$WORK/configuration.toml
	sed -e 's|^enable_template = .*|enable_template = true|' -e "s|^template_path = .*|template_path = \"$TEMPLATES\"|" \
		"$TREE/build/configuration.toml" >"$CONFIGURATION"
	[ ! -d "$(dirname "${KATA_CONF_FILE:-/none/x}")/config.d" ] || cp -r "$(dirname "$KATA_CONF_FILE")/config.d" "$WORK/"
	containerd_begin
}

teardown() {
	containerd_end
	common_teardown
}

factory() {
	KATA_CONF_FILE=$CONFIGURATION kata factory "$1"
}

pod() {
	c run -d "${KATA[@]}" --annotation io.kubernetes.cri.sandbox-id=pod "$@"
}

# The arguments of the one machine that runs in this containerd's pod.
machine() {
	local pid
	pid=$(jq .vmm.pid "$WORK/containerd.state/io.containerd.runtime.v2.task/default/pod/sandbox.json")
	tr '\0' '\n' <"/proc/$pid/cmdline"
}

memory_mib() {
	c task exec --exec-id "look$RANDOM" pod awk '/MemTotal/ {print int($2 / 1024)}' /proc/meminfo
}

has_less_memory_than() {
	[ "$(memory_mib)" -lt "$1" ]
}

remove() {
	c task kill --signal KILL "$1"
	wait_for 60 task_is "$1" STOPPED
	c task rm "$1" || true
	c container rm "$1"
}

makers() {
	local pid
	for pid in $(fence_pids); do
		! tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qx -- -make-template || echo "$pid"
	done
}

# bats test_tags=box
@test "a pod's machine that goes on from a template grows with its containers' limits, and gives memory back" {
	local before
	factory init
	[ "$(find "$TEMPLATES" -mindepth 1 -maxdepth 1 | wc -l)" -eq 2 ]
	factory status
	pod "$IMAGE" pod sleep 1000
	machine | grep -qx -- -incoming
	before=$(memory_mib)
	pod --memory-limit $((1 << 30)) --cpu-quota 200000 --cpu-period 100000 "$IMAGE" second sleep 1000
	echo "before: $before, now: $(memory_mib)"
	[ "$(memory_mib)" -gt $((before + 1000)) ]
	[ "$(c task exec --exec-id cpus second nproc)" = "$(($(nproc) < 2 ? $(nproc) : 2))" ]
	# What a program uses is taken of that first, and each byte is where it was put: tail keeps all of them.
	[ "$(c task exec --exec-id fill second sh -c 'seq 1000000 | tail -c 6000000 | md5sum')" = \
		"$(seq 1000000 | tail -c 6000000 | md5sum)" ]
	remove second
	wait_for 60 has_less_memory_than $((before + 200))
	task_is pod RUNNING
}

@test "a pod that finds no template has it made, and may end before" {
	pod "$IMAGE" pod sleep 1000
	run ! grep -qx -- -incoming <(machine)
	maker=$(makers)
	[ -n "$maker" ]
	remove pod
	[ "$(makers)" = "$maker" ]
	wait_for 300 gone "$maker"
	[ "$(find "$TEMPLATES" -mindepth 1 -maxdepth 1 | wc -l)" -eq 1 ]
	pod "$IMAGE" pod sleep 1000
	machine | grep -qx -- -incoming
	[ -z "$(makers)" ]
}
