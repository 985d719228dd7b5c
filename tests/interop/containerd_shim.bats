#!/usr/bin/env bats
# Our ttRPC against containerd's, which is written in Go: our client drives containerd's own shim for runc, and that shim
# sends its events to our server. What differs on the wire between the two implementations fails here.

bats_require_minimum_version 1.5.0

# Prints what is missing here; nothing if all is there.
lacking() {
	local program
	for program in containerd-shim-runc-v2 runc busybox jq; do
		command -v "$program" >/dev/null || echo "$program is not installed"
	done
	[ "$(id -u)" -eq 0 ] || echo "needs root"
}

setup() {
	local lack
	lack=$(lacking)
	[ -z "$lack" ] || skip "$lack"
}

setup_file() {
	[ -z "$(lacking)" ] || return 0
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	make -s build/tests/interop-task build/tests/interop-events
	export TOOLS=$PWD/build/tests T=$BATS_FILE_TMPDIR NS=kata-interop-$$ ID=interop-$$

	"$TOOLS/interop-events" "$T/containerd.sock.ttrpc" >"$T/events" 3>&- &
	echo $! >"$T/events.pid"
	await grep -q ready "$T/events"
	bundle 'echo to-stdout; echo to-stderr >&2; read line; echo "got $line"; exit 7'
	start_shim
}

teardown_file() {
	[ -n "${T-}" ] || return 0
	if [ -s "$T/shim.pid" ] && kill -0 "$(cat "$T/shim.pid")" 2>/dev/null; then
		kill -9 "$(cat "$T/shim.pid")"
		(cd "$T/bundle" && timeout 60 containerd-shim-runc-v2 -namespace "$NS" -address "$T/containerd.sock" -id "$ID" \
			-bundle "$T/bundle" delete >/dev/null)
	fi
	for pid in events.pid log.pid; do
		if [ -s "$T/$pid" ]; then kill "$(cat "$T/$pid")" 2>/dev/null || true; fi
	done
	rmdir /run/containerd/s /run/containerd/runc/"$NS" /run/containerd/runc /run/containerd 2>/dev/null || true
}

# await COMMAND...: until it succeeds, for at most 60 seconds.
await() {
	local end=$((SECONDS + 60))
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		read -rt 0.05 <> <(:) || true
	done
}

# bundle SCRIPT: a busybox bundle with fifos for the three streams, in $T/bundle.
bundle() {
	local applet
	mkdir -p "$T/bundle/rootfs/bin"
	cp "$(command -v busybox)" "$T/bundle/rootfs/bin/"
	for applet in sh echo sleep; do ln -s busybox "$T/bundle/rootfs/bin/$applet"; done
	(
		cd "$T/bundle" || exit 1
		runc spec
		jq --arg script "$1" --arg path "/$NS" '.process.args = ["sh", "-c", $script] | .process.terminal = false |
			.process.rlimits = [] | .linux.cgroupsPath = $path' config.json >new
		mv new config.json
	)
	mkfifo "$T/bundle/log" "$T/in" "$T/out" "$T/err"
}

# As containerd starts it: same arguments, same environment, somebody at the other end of the log.
start_shim() {
	cat "$T/bundle/log" >"$T/shim.log" 3>&- &
	echo $! >"$T/log.pid"
	cd "$T/bundle" || return 1
	TTRPC_ADDRESS="$T/containerd.sock.ttrpc" timeout 60 containerd-shim-runc-v2 -namespace "$NS" -address "$T/containerd.sock" \
		-publish-binary /bin/true -id "$ID" start >"$T/address" 3>&-
	task Connect "id=$ID" | sed -n 's/.*shim_pid=\([0-9]*\).*/\1/p' >"$T/shim.pid"
	[ -s "$T/shim.pid" ]
}

task() {
	timeout 150 "$TOOLS/interop-task" "$(cat "$T/address")" "$@"
}

@test "Connect answers the shim's pid" {
	run task Connect "id=$ID"
	[ "$status" -eq 0 ]
	[ "$output" = "Connect shim_pid=$(cat "$T/shim.pid")" ]
	[ "$(cat "/proc/$(cat "$T/shim.pid")/comm")" = containerd-shim ]
}

@test "a refusal has containerd's code and words" {
	run task State "id=$ID"
	[ "$status" -eq 1 ]
	[ "$output" = "State !5 container not created: not found" ]
	run task Checkpoint "id=$ID"
	[ "$status" -eq 1 ]
	[[ $output == "Checkpoint !"* ]]
}

@test "a task is created, with all three streams" {
	# Open for both directions, so that nobody waits for the other end.
	exec 5<>"$T/in" 6<>"$T/out" 7<>"$T/err"
	run task Create "id=$ID" "bundle=$T/bundle" "stdin=$T/in" "stdout=$T/out" "stderr=$T/err"
	[ "$status" -eq 0 ]
	[[ $output =~ ^Create\ pid=[0-9]+$ ]]
	run task State "id=$ID"
	[[ $output == *" status=1 "* ]]
	[[ $output == *"bundle=$T/bundle"* ]]
	[[ $output == *"stdin=$T/in stdout=$T/out stderr=$T/err"* ]]
}

@test "a call that waits does not hold up the others on its connection" {
	exec 5<>"$T/in" 6<>"$T/out" 7<>"$T/err"
	# Wait is sent first and is answered last: after Start, after the process has read its line.
	task Wait "id=$ID" , Start "id=$ID" , Connect "id=$ID" >"$T/answers" 3>&- &
	local caller=$!
	await grep -q ^Start "$T/answers"
	read -rt 60 line <&6
	[ "$line" = to-stdout ]
	read -rt 60 line <&7
	[ "$line" = to-stderr ]
	run ! grep -q ^Wait "$T/answers"
	run task State "id=$ID"
	[[ $output == *" status=2 "* ]]
	echo hello >&5
	read -rt 60 line <&6
	[ "$line" = "got hello" ]
	wait "$caller"
	cat "$T/answers"
	[ "$(grep -c '^Start pid=' "$T/answers")" -eq 1 ]
	[ "$(grep -c '^Connect shim_pid=' "$T/answers")" -eq 1 ]
	[[ $(tail -1 "$T/answers") == "Wait exit_status=7 exited_at.seconds="* ]]
}

@test "a hundred calls at once are all answered" {
	local calls=()
	while [ "${#calls[@]}" -lt 300 ]; do calls+=(State "id=$ID" ","); done
	run task "${calls[@]}"
	[ "$status" -eq 0 ]
	[ "$(grep -c 'exit_status=7' <<<"$output")" -eq 100 ]
}

@test "a request of a megabyte arrives whole" {
	local word
	word=$(head -c 100000 /dev/zero | tr '\0' x)
	# One argument of a program is at most 128 KiB long, so there are ten fields of it.
	run task Create "id=big" "bundle=$T/none/$word" "stdin=$word" "stdout=$word" "stderr=$word" "checkpoint=$word" \
		"parent_checkpoint=$word" , Connect "id=$ID"
	[ "$status" -eq 1 ]
	[[ $output == *"Connect shim_pid="* ]]
	[[ $output == *"Create !"* ]]
}

@test "Delete answers how the task ended, then it is gone" {
	run task Delete "id=$ID"
	[ "$status" -eq 0 ]
	[[ $output == *" exit_status=7 exited_at.seconds="* ]]
	run task State "id=$ID"
	[ "$output" = "State !5 container not created: not found" ]
}

@test "the shim's events have come to our server, in order" {
	await grep -q /tasks/delete "$T/events"
	cat "$T/events"
	[ "$(tail -n +2 "$T/events")" = "$NS /tasks/create containerd.events.TaskCreate
$NS /tasks/start containerd.events.TaskStart
$NS /tasks/exit containerd.events.TaskExit
$NS /tasks/delete containerd.events.TaskDelete" ]
}

# Whether containerd's shim still writes its answer is up to containerd: it ends its process while the answer is under way.
@test "a shim that was told to shut down is gone, and our client has its answer or the end of the line" {
	run task Shutdown "id=$ID"
	echo "$output"
	[ "$output" = Shutdown ] || [[ $output == "Shutdown !"*"the other side hung up"* ]]
	is_gone() { ! kill -0 "$(cat "$T/shim.pid")" 2>/dev/null; }
	await is_gone
}
