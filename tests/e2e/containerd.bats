#!/usr/bin/env bats
# containerd's own client, ctr, with our shim and beside it with runc: what a user sees is the same.

load lib/common
load lib/containerd

setup() {
	common_setup
	containerd_begin
}

teardown() {
	containerd_end
	common_teardown
}

# Where containerd has put what it knows of a task.
task_folder() {
	echo "$WORK/containerd.state/io.containerd.runtime.v2.task/default/$1"
}

# same_run ARG...: `ctr run --rm` ends alike with runc and with kata; prints what kata's run did.
same_run() {
	local code=0 peer=0
	c run --rm "$IMAGE" peer "$@" >"$WORK/peer.out" 2>"$WORK/peer.err" </dev/null || peer=$?
	c run --rm "${KATA[@]}" "$IMAGE" ours "$@" >"$WORK/out" 2>"$WORK/err" </dev/null || code=$?
	echo "runc $peer, kata $code: $(cat "$WORK/err")"
	[ "$code" -eq "$peer" ]
	cmp "$WORK/out" "$WORK/peer.out"
	diff <(grep -v '^ctr:\|^time=' "$WORK/err") <(grep -v '^ctr:\|^time=' "$WORK/peer.err")
}

@test "run: output, errors and exit code" {
	same_run sh -c 'echo out; echo err >&2; exit 7'
	same_run sh -c 'kill -KILL $$; echo alive'
}

@test "run: a program that is missing is a failure with its name" {
	run c run --rm "${KATA[@]}" "$IMAGE" ours /missing
	[ "$status" -ne 0 ]
	[[ $output == */missing* ]]
	[ -z "$(c task ls -q)" ]
}

@test "the root is the snapshot: what is written is there, and read-only is read-only" {
	c run "${KATA[@]}" "$IMAGE" ours sh -c 'echo kept >/root/file'
	[ "$(cat "$WORK"/containerd.root/io.containerd.snapshotter.v1.overlayfs/snapshots/*/fs/root/file)" = kept ]
	c container rm ours
	run c run --rm --read-only "${KATA[@]}" "$IMAGE" ours sh -c 'echo no >/root/file'
	[ "$status" -ne 0 ]
	[[ $output == *"Read-only file system"* ]]
}

@test "a root of so many layers that their paths fill more than a page" {
	local n dirs=("$ROOTFS")
	for n in {1..60}; do
		mkdir -p "$WORK/layers/$n/root"
		echo "$n" >"$WORK/layers/$n/root/$n"
		dirs+=("$WORK/layers/$n")
	done
	image_make localhost/layers:test "${dirs[@]}"
	run c run --rm "${KATA[@]}" localhost/layers:test ours sh -c 'cat /root/* | sort -n | tail -1; ls /root | wc -l'
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$output" = $'60\n60' ]
}

@test "the life of a task: exec, pause, resume, kill, delete" {
	c run -d "${KATA[@]}" "$IMAGE" ours sleep 1000
	task_is ours RUNNING
	run c task exec --exec-id e1 ours sh -c 'echo inside; exit 3'
	[ "$status" -eq 3 ]
	[ "${lines[0]}" = inside ]
	c task exec --exec-id e2 ours cat <"$TREE/README.md" >"$WORK/out"
	cmp "$WORK/out" "$TREE/README.md"
	c task pause ours
	task_is ours PAUSED
	c task resume ours
	task_is ours RUNNING
	run c task rm ours
	[ "$status" -ne 0 ]
	c task kill --signal KILL ours
	wait_for 20 task_is ours STOPPED
	run c task rm ours
	c container rm ours
	[ -z "$(c task ls -q)" ]
}

# metric NAME: a number of the last answer.
metric() {
	awk -v name="$1" '$1 == name {print $2}' "$WORK/metrics"
}

has_used_a_processor() {
	c task metrics ours >"$WORK/metrics"
	[ "$(metric cpu.usage_usec)" -gt 100000 ]
}

@test "metrics: containerd reads what the container uses" {
	c run -d --memory-limit 67108864 "${KATA[@]}" "$IMAGE" ours sh -c 'while :; do :; done'
	wait_for 60 has_used_a_processor
	cat "$WORK/metrics"
	[ "$(metric pids.current)" -eq 1 ]
	[ "$(metric memory.usage_limit)" -eq 67108864 ]
	[ "$(metric memory.usage)" -gt 0 ] && [ "$(metric memory.usage)" -lt 67108864 ]
	c task kill --signal KILL ours
	wait_for 20 task_is ours STOPPED
	run c task metrics ours
	[ "$status" -ne 0 ]
}

# events_of ARG...: the topics and what they say, without what differs from run to run.
events_of() {
	: >"$WORK/events"
	(exec ctr --address "$WORK/containerd.sock" events) >"$WORK/events" 3>&- &
	local reader=$!
	wait_for 20 reads_events
	c run -d "$@" "$IMAGE" task sh -c 'read line' >/dev/null </dev/null
	c task exec --exec-id e1 task true
	wait_for 20 grep -aq '/tasks/exit.*e1' "$WORK/events"
	c task pause task
	c task resume task
	c task kill --signal KILL task
	wait_for 20 task_is task STOPPED
	c task rm task >/dev/null 2>&1 || true
	c container rm task
	wait_for 20 grep -aq /containers/delete "$WORK/events"
	# runc's shim may tell the end of a task after that of its container.
	wait_for 10 grep -aq /tasks/delete "$WORK/events" || true
	kill "$reader"
	wait "$reader" || true
	grep -ao '/tasks/.*' "$WORK/events" | sed -E 's/"(pid|exited_at|bundle|rootfs)":("[^"]*"|[0-9]+|\[[^]]*\]),?//g'
}

reads_events() {
	c image label "$IMAGE" "seen=$RANDOM" >/dev/null
	grep -aq /images/update "$WORK/events"
}

@test "a container that runs out of memory is told of, and its server goes on" {
	: >"$WORK/events"
	(exec ctr --address "$WORK/containerd.sock" events) >"$WORK/events" 3>&- &
	local reader=$!
	wait_for 20 reads_events
	c run -d --memory-limit 33554432 "${KATA[@]}" "$IMAGE" ours sh -c 'tail /dev/zero; while :; do sleep 1000; done'
	wait_for 60 grep -aq /tasks/oom "$WORK/events"
	c task exec --exec-id one ours true
	[ "$(c task ls | awk '$1 == "ours" {print $3}')" = RUNNING ]
	kill "$reader"
	wait "$reader" || true
	[ "$(grep -ac /tasks/oom "$WORK/events")" -lt 5 ]
}

# A logger whose files are $WORK/logged.out and .err.
make_logger() {
	cat >"$WORK/my logger" <<-EOF
		#!/bin/sh
		exec >"$WORK/logged.said"
		echo "\$@ \$CONTAINER_ID \$CONTAINER_NAMESPACE"
		$1
		cat <&4 >"$WORK/logged.err" &
		cat <&3 >"$WORK/logged.out"
		wait
	EOF
	chmod +x "$WORK/my logger"
	echo "binary$2://$(echo "$WORK/my logger" | sed 's/ /%20/')?key=some+value"
}

is_logged() {
	[ "$(cat "$WORK/logged.out" 2>/dev/null)" = out ] && [ "$(cat "$WORK/logged.err" 2>/dev/null)" = err ]
}

no_logger_runs() {
	! pgrep -f "$WORK/my logger" >/dev/null
}

@test "a logger gets what the container prints, and a file as well" {
	c run -d "${KATA[@]}" --log-uri "$(make_logger 'exec 5>&-' '')" "$IMAGE" ours sh -c 'echo out; echo err >&2'
	wait_for 60 is_logged
	[ "$(cat "$WORK/logged.said")" = "key some value ours default" ]
	wait_for 60 task_is ours STOPPED
	c task rm ours
	wait_for 60 no_logger_runs
	c container rm ours
	c run -d "${KATA[@]}" --log-uri "file://$WORK/logs/file" "$IMAGE" ours sh -c 'echo out; echo err >&2'
	wait_for 60 task_is ours STOPPED
	[ "$(sort "$WORK/logs/file")" = $'err\nout' ]
	run c task rm ours
	c container rm ours
}

@test "a logger that is not ready is a failure of the container, and nothing is left" {
	run c run -d "${KATA[@]}" --log-uri "$(make_logger 'exit 3' -v2)" "$IMAGE" ours true
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *"my logger"*"before it said that it is ready"* ]]
	[ -z "$(c task ls -q)" ]
	run c container rm ours
	run c run -d "${KATA[@]}" --log-uri binary:///no/such/logger "$IMAGE" ours true
	[ "$status" -ne 0 ]
	[[ $output == *"start logger '/no/such/logger'"* ]]
	run c container rm ours
}

@test "events: the same topics in the same order" {
	events_of >"$WORK/peer.events"
	# With containerd 2.1 it may end before it has told it.
	grep -q ^/tasks/delete "$WORK/peer.events" || echo /tasks/delete >>"$WORK/peer.events"
	events_of "${KATA[@]}" >"$WORK/our.events"
	cat "$WORK/our.events"
	diff <(cut -d' ' -f1 "$WORK/peer.events") <(cut -d' ' -f1 "$WORK/our.events")
	grep -aq '/tasks/exit.*137' "$WORK/our.events"
}

@test "containerd is killed and comes back: the container never stops" {
	c run -d "${KATA[@]}" "$IMAGE" ours sh -c 'while :; do date +%s >/root/beat; sleep 1; done'
	kill -9 "$CONTAINERD"
	wait "$CONTAINERD" || true
	containerd_start
	c task ls
	task_is ours RUNNING
	run c task exec --exec-id e1 ours sh -c 'ps | grep -c "[s]leep 1"'
	[ "$status" -eq 0 ]
	c task kill --signal KILL ours
	wait_for 20 task_is ours STOPPED
	run c task rm ours
	c container rm ours
}

@test "the shim is killed: the task is stopped, and nothing is left" {
	c run -d "${KATA[@]}" "$IMAGE" ours sleep 1000
	local shim
	shim=$(grep -lsx containerd-shim /proc/[0-9]*/comm | cut -d/ -f3 | grep -Fxf - <(fence_pids) | head -1)
	kill -9 "$shim"
	wait_for 30 nothing_but_containerd
	wait_for 30 [ ! -e "$(task_folder ours)" ]
	run c task rm ours
	c container rm ours
	[ -z "$(ls -A /run/containerd/s 2>/dev/null)" ]
}

nothing_but_containerd() {
	local pid
	for pid in $(leftover_pids); do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = containerd ] || return 1
	done
}

machines() {
	local pid n=0
	while read -r pid; do
		[[ $(cat "/proc/$pid/comm" 2>/dev/null) != qemu-system* ]] || n=$((n + 1))
	done < <(fence_pids)
	echo "$n"
}

# namespace ID TYPE: that of a container, inside.
namespace() {
	c task exec --exec-id "ns$RANDOM" "$1" readlink "/proc/self/ns/$2"
}

# As Docker does it: a namespace is named by the process of the other container.
@test "a container that shares namespaces of another one is in its machine, and each can go first" {
	local pid first
	for first in a b; do
		c run -d "${KATA[@]}" "$IMAGE" a sleep 1000
		pid=$(c task ls | awk '$1 == "a" {print $2}')
		c run -d "${KATA[@]}" --with-ns "ipc:/proc/$pid/ns/ipc" --with-ns "pid:/proc/$pid/ns/pid" "$IMAGE" b sleep 2000
		[ "$(machines)" = 1 ]
		[ "$(namespace b ipc)" = "$(namespace a ipc)" ]
		[ "$(namespace b uts)" != "$(namespace a uts)" ]
		c task exec --exec-id ps b ps | grep -q 'sleep 1000'

		c task kill --signal KILL "$first"
		wait_for 60 task_is "$first" STOPPED
		case $first in
		a) wait_for 60 task_is b STOPPED ;; # process ids end with the first of them
		b) [ -n "$(namespace a ipc)" ] ;;
		esac
		c task rm "$first"
		c task kill --signal KILL "$([ $first = a ] && echo b || echo a)" || true
		# Without the first there is no machine, and containerd forgets the task.
		wait_for 60 no_task_runs
		for id in $(c task ls -q); do c task rm "$id"; done
		c container rm a b
		wait_for 60 no_machine
	done
}

no_task_runs() {
	! c task ls | grep -q RUNNING
}

no_machine() {
	[ "$(machines)" = 0 ]
}

@test "a namespace that is no container's of ours is refused with its path" {
	local pid
	c run -d "$IMAGE" peer sleep 1000
	pid=$(c task ls | awk '$1 == "peer" {print $2}')
	run c run --rm "${KATA[@]}" --with-ns "pid:/proc/$pid/ns/pid" "$IMAGE" ours true
	c task kill --signal KILL peer
	[ "$status" -ne 0 ]
	[[ $output == *"a virtual machine cannot join the host's '/proc/$pid/ns/pid'"* ]]
}

# Its words are those with which a server is started, and its child is where a container's process would be.
@test "a container of runc that calls itself the server of a pod leads nobody into that pod's machine" {
	local server pid
	c run -d "${KATA[@]}" "$IMAGE" pod sleep 1000
	server=$(pgrep -fa 'containerd-shim-kata-v2 .*-id pod ' | head -1 | cut -d' ' -f2-)
	[ -n "$server" ]
	# shellcheck disable=SC2086 # its words
	c run -d "$IMAGE" liar sh -c 'sleep 1000 & wait' $server
	pid=$(c task ls | awk '$1 == "liar" {print $2}')
	wait_for 30 pgrep -P "$pid" sleep
	pid=$(pgrep -P "$pid" sleep)
	c run -d "${KATA[@]}" --with-ns "network:/proc/$pid/ns/net" "$IMAGE" ours sleep 1000
	[ "$(machines)" = 2 ]
	for id in ours liar pod; do
		c task kill --signal KILL "$id"
		wait_for 60 task_is "$id" STOPPED
		c task rm "$id"
		c container rm "$id"
	done
}

@test "containers of one pod are in one machine, and come and go" {
	c run -d "${KATA[@]}" --annotation io.kubernetes.cri.sandbox-id=pod "$IMAGE" pod sleep 1000
	for name in first second; do
		run c run --rm "${KATA[@]}" --annotation io.kubernetes.cri.sandbox-id=pod "$IMAGE" "$name" sh -c 'echo from a pod; exit 5'
		echo "$output"
		[ "$status" -eq 5 ]
		[ "${lines[0]}" = "from a pod" ]
		[ "$(machines)" -eq 1 ]
	done
	task_is pod RUNNING
}

# memory_mib: what the pod's machine has.
memory_mib() {
	c task exec --exec-id "look$RANDOM" pod awk '/MemTotal/ {print int($2 / 1024)}' /proc/meminfo
}

has_less_memory_than() {
	[ "$(memory_mib)" -lt "$1" ]
}

@test "a pod's machine grows with its containers' limits, and gives memory back when they go" {
	local before
	c run -d "${KATA[@]}" --annotation io.kubernetes.cri.sandbox-id=pod "$IMAGE" pod sleep 1000
	before=$(memory_mib)
	c run -d "${KATA[@]}" --annotation io.kubernetes.cri.sandbox-id=pod --memory-limit $((1 << 30)) --cpu-quota 200000 \
		--cpu-period 100000 "$IMAGE" second sleep 1000
	# What the limit needs, but for what the kernel keeps for its own tables.
	echo "before: $before, now: $(memory_mib)"
	[ "$(memory_mib)" -gt $((before + 1000)) ]
	[ "$(c task exec --exec-id cpus second nproc)" = "$(($(nproc) < 2 ? $(nproc) : 2))" ]
	c task kill --signal KILL second
	wait_for 20 task_is second STOPPED
	c task rm second || true
	wait_for 60 has_less_memory_than $((before + 200))
	task_is pod RUNNING
}

# encode MESSAGE < text: as protobuf.
encode() {
	protoc -I"$TREE/proto" --encode="containerd.runtime.bootstrap.v1.$1" "$TREE/proto/bootstrap.proto"
}

# start_by_hand < stdin: what containerd would read.
start_by_hand() {
	mkdir -p "$WORK/bundle"
	(cd "$WORK/bundle" && TTRPC_ADDRESS='' "$TREE/build/containerd-shim-kata-v2" -namespace test -address "$WORK/none.sock" \
		-publish-binary true -id byhand start 2>&1 3>&-)
}

delete_by_hand() {
	"$TREE/build/containerd-shim-kata-v2" -namespace test -address "$WORK/none.sock" -id byhand -bundle "$WORK/bundle" delete
}

@test "start answers each containerd in its own words, and the same pod with the same socket" {
	local address
	mkdir "$WORK/bundle"
	echo '{"ociVersion": "1.1.0"}' >"$WORK/bundle/config.json"
	address=$(start_by_hand </dev/null)
	[[ $address == unix:///run/containerd/s/* ]]
	[ -S "${address#unix://}" ]
	[ "$(stat -c '%a %a' "${address#unix://}" | cut -d' ' -f1)" = 600 ]
	[ "$(start_by_hand </dev/null)" = "$address" ]
	# containerd 2.3 and later; a level below "info" takes ten bytes.
	encode BootstrapParams <<<'instance_id: "byhand" namespace: "test" log_level: -4 containerd_version: "2.3.0"' >"$WORK/params"
	start_by_hand <"$WORK/params" >"$WORK/result"
	run protoc -I"$TREE/proto" --decode=containerd.runtime.bootstrap.v1.BootstrapResult "$TREE/proto/bootstrap.proto" <"$WORK/result"
	[[ $output == *"version: 3"*"$address"*'protocol: "ttrpc"'* ]]
	# A message for another instance is options of an older containerd.
	encode BootstrapParams <<<'instance_id: "other" namespace: "test"' >"$WORK/params"
	[ "$(start_by_hand <"$WORK/params")" = "$address" ]
	# A sandbox has no config.json; only containerd 2.0 and later knows shims of sandboxes.
	rm "$WORK/bundle/config.json"
	[ "$(start_by_hand </dev/null | jq -r '.version, .protocol, .address')" = "3"$'\n'"ttrpc"$'\n'"$address" ]
	wait_for 30 [ ! -e "${address#unix://}" ]
}

@test "a killed server's socket goes with delete, in the folder that containerd chose" {
	mkdir "$WORK/s"
	encode BootstrapParams <<<"instance_id: 'byhand' namespace: 'test' socket_dir: '$WORK/s'" >"$WORK/params"
	start_by_hand <"$WORK/params" >/dev/null
	[ "$(find "$WORK/s" -type s | wc -l)" -eq 1 ]
	kill -9 "$(pgrep -f -- "-namespace test -id byhand -state-dir $WORK/bundle")"
	delete_by_hand >/dev/null
	[ -z "$(ls -A "$WORK/s")" ]
}

@test "-info says what kata-runtime says, and needs neither a bundle nor an environment" {
	(cd / && env -i "$TREE/build/containerd-shim-kata-v2" -info </dev/null >"$WORK/info" 2>"$WORK/err")
	[ ! -s "$WORK/err" ]
	[[ $(tr -d '\0' <"$WORK/info") == *"$("$TREE/build/kata-runtime" features)"* ]]
	run protoc -I"$TREE/proto" --decode=containerd.types.RuntimeInfo "$TREE/proto/introspection.proto" <"$WORK/info"
	[[ $output == *'name: "io.containerd.kata.v2"'*'containerd.io/runtime-allow-mounts'*overlay* ]]
	run "$TREE/build/containerd-shim-kata-v2" -info <<<'no options at all'
	[ "$status" -eq 1 ]
	[[ $output == *"no google.protobuf.Any"* ]]
}

@test "delete works without a server, and twice" {
	mkdir "$WORK/bundle"
	for _ in 1 2; do
		delete_by_hand >"$WORK/answer"
		run protoc -I"$TREE/proto" --decode=containerd.task.v2.DeleteResponse "$TREE/proto/task.proto" <"$WORK/answer"
		[[ $output == *"exit_status: 137"* ]]
	done
}
