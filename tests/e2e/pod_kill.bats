#!/usr/bin/env bats
# A pod of three containers whose machine, helper, server or engine is killed with -9 at a step: the engine hears of the end of
# each with 137, and deleting them leaves nothing.

load lib/common
load lib/containerd

IN_POD=(--annotation io.kubernetes.cri.sandbox-id=pod)

setup() {
	common_setup
	# One that starts from a template boots when its QEMU or virtiofsd is killed, so it would be there in the end.
	cold_machines
	# With the server's lines about its steps.
	CONTAINERD_LEVEL=debug containerd_begin
	(exec ctr --address "$WORK/containerd.sock" events) >"$WORK/events" 3>&- &
	READER=$!
	wait_for 60 reads_events
}

teardown() {
	kill "$READER" || true
	containerd_end
	common_teardown
}

reads_events() {
	c image label "$IMAGE" "seen=$RANDOM" >/dev/null
	grep -aq /images/update "$WORK/events"
}

# member NAME ARG...: a container of the pod, in the background.
member() {
	local name=$1
	shift
	c run -d "${KATA[@]}" "${IN_POD[@]}" "$@" "$IMAGE" "$name" sleep 1000
}

pod_make() {
	member pod
	member one
	member two --privileged
}

victim() {
	local pid
	while read -r pid; do
		case $1:$(cat "/proc/$pid/comm" 2>/dev/null) in
		qemu:qemu-system* | virtiofsd:virtiofsd | shim:containerd-shim*) echo "$pid" ;;
		esac
	done < <(sort -n "$FENCE/cgroup.procs") | head -1
}

# kill_it qemu|virtiofsd|shim|guest
kill_it() {
	if [ "$1" = guest ]; then
		c task exec --exec-id panic two sh -c 'echo c >/proc/sysrq-trigger; sleep 1000' >/dev/null 2>&1 || true
	else
		kill -9 "$(victim "$1")"
	fi
}

# The server takes a step, for the Nth time.
step_taken() {
	[ "$(grep -ac "step: $1" "$WORK/containerd.log")" -ge "${2:-1}" ]
}

has_ended_with_137() {
	grep -a "/tasks/exit" "$WORK/events" | grep -aq "\"container_id\":\"$1\",.*\"exit_status\":137"
}

is_stopped_or_gone() {
	case $(task_status "$1") in
	STOPPED | '') ;;
	*) return 1 ;;
	esac
}

# ended NAME...: the engine knows the end of each; then all is deleted, and nothing is there but the engine.
ended() {
	local name
	for name; do
		wait_for 60 has_ended_with_137 "$name" || {
			echo "no end of $name:" && grep -a /tasks/ "$WORK/events"
			return 1
		}
		wait_for 60 is_stopped_or_gone "$name"
	done
	nothing_is_left
}

nothing_is_left() {
	local name
	for name in $(c task ls -q); do
		c task rm "$name" 2>&1 || true
	done
	for name in $(c container ls -q); do
		c container rm "$name"
	done
	[ -z "$(c task ls -q)" ]
	wait_for 60 only_containerd
	wait_for 60 no_names
	[ -z "$(ls -A "$WORK/containerd.state/io.containerd.runtime.v2.task/default" 2>/dev/null)" ]
	: >"$WORK/events"
	: >"$WORK/containerd.log"
}

no_names() {
	[ -z "$(leftover_names)" ]
}

only_containerd() {
	local pid
	for pid in $(leftover_pids); do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = containerd ] || return 1
	done
}

# begin COMMAND...: in the background; the process is in $under_way.
begin() {
	"$@" >"$WORK/out" 2>&1 3>&- &
	under_way=$!
}

@test "while the pod runs" {
	for who in qemu virtiofsd guest shim; do
		echo "== $who"
		pod_make
		kill_it "$who"
		ended pod one two
	done
}

@test "while its machine boots, and two wait for that" {
	for who in qemu virtiofsd shim; do
		echo "== $who"
		begin member pod
		wait_for 60 step_taken "reach the agent"
		# Whoever comes after the end of the server gets a new one, so nobody comes beside that.
		local one=
		if [ "$who" != shim ]; then
			member one >"$WORK/one" 2>&1 3>&- &
			one=$!
			wait_for 60 [ -e "$WORK/containerd.state/io.containerd.runtime.v2.task/default/one/address" ]
		fi
		kill_it "$who"
		# Whoever came first: both are told why there is no machine.
		code=0
		wait "$under_way" || code=$?
		[ "$code" -ne 0 ]
		if [ -n "$one" ]; then
			code=0
			wait "$one" || code=$?
			[ "$code" -ne 0 ]
		fi
		cat "$WORK/out" "$WORK/one"
		[ "$who" = shim ] || grep -qi "the machine did not start: .*$who" "$WORK/out" "$WORK/one"
		nothing_is_left
	done
}

@test "while one of its containers is made" {
	for who in qemu virtiofsd shim; do
		echo "== $who"
		member pod
		member one
		begin member two
		wait_for 60 step_taken "create the container" 3
		kill_it "$who"
		wait "$under_way" || true
		cat "$WORK/out"
		ended pod one
	done
}

@test "while one of its containers is deleted" {
	for who in qemu virtiofsd shim; do
		echo "== $who"
		pod_make
		c task kill --signal KILL one
		wait_for 60 task_is one STOPPED
		begin c task rm one
		wait_for 60 step_taken "remove the container"
		kill_it "$who"
		wait "$under_way" || true
		cat "$WORK/out"
		ended pod one two
	done
}

@test "containerd, while one of its containers is made: the others never stop" {
	member pod
	member one
	begin member two
	wait_for 60 step_taken "create the container" 3
	kill -9 "$CONTAINERD"
	wait "$CONTAINERD" || true
	wait "$under_way" || true
	containerd_start
	for name in pod one; do
		task_is "$name" RUNNING
		c task exec --exec-id e1 "$name" true
		c task kill --signal KILL "$name"
		wait_for 60 task_is "$name" STOPPED
	done
	nothing_is_left
}

@test "a machine that has stopped answering goes with a KILL and a delete" {
	pod_make
	kill -STOP "$(victim qemu)"
	c task kill --signal KILL one
	ended pod one two
}
