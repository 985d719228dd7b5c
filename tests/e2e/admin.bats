#!/usr/bin/env bats
# What watches and cleans up sandboxes: the management socket, kata-runtime metrics, list and cleanup.

bats_require_minimum_version 1.5.0
load lib/common
load lib/containerd

setup() {
	common_setup
}

teardown() {
	[ -z "${CONTAINERD:-}" ] || containerd_end
	journal_end
	common_teardown
}

# server ID: the process of the container's sandbox server.
server() {
	jq .server.pid "$ROOT/$1/sandbox.json"
}

# Containers' ids are of this test alone, because the folder of sockets is the host's.
start() {
	kata run --detach --bundle "$(bundle "b-$1" . sleep 1000)" "$1"
}

# with_guest FILE COMMAND...: the command's metrics in the file, once the guest's are among them: on a machine that does much
# else, a guest may not answer in the two seconds that it has.
with_guest() {
	local file=$1
	shift
	wait_for 60 measured "$file" "$@"
}

measured() {
	local file=$1
	shift
	"$@" >"$file" && grep -q '^kata_guest_load{.*item="load1"} ' "$file"
}

@test "the management socket answers upstream's paths, and ends with its sandbox" {
	local id=adm-$RANDOM socket path
	start "$id"
	socket=$PODS/$id/shim-monitor.sock
	[ "$(stat -c '%a %U' "$socket")" = '600 root' ]

	with_guest "$WORK/metrics" curl -sf --unix-socket "$socket" http://x/metrics
	grep -q '^kata_shim_threads [1-9]' "$WORK/metrics"
	grep -q '^kata_hypervisor_proc_status{item="vmrss"} [1-9][0-9]\{7\}' "$WORK/metrics"
	grep -q '^kata_guest_meminfo{item="mem_total"} [1-9][0-9]\{7\}' "$WORK/metrics"
	grep -q '^kata_agent_threads [1-9]' "$WORK/metrics"
	check_metrics "$WORK/metrics"

	for path in agent-url iptables ip6tables; do
		run curl -s -w '%{http_code}' --unix-socket "$socket" "http://x/$path"
		echo "$path: $output"
		[[ $output == *501 ]] || [[ $path:$output == agent-url:vsock://*200 ]]
	done
	[ "$(curl -s -o "$WORK/out" -w '%{http_code}' -T /bin/busybox --unix-socket "$socket" http://x/policy)" = 501 ]
	grep -q policy "$WORK/out"
	[ "$(curl -s -o /dev/null -w '%{http_code}' -X POST --unix-socket "$socket" http://x/direct-volume/resize)" = 400 ]
	[ "$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$socket" http://x/direct-volume/stats)" = 400 ]
	[ "$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$socket" 'http://x/direct-volume/stats?path=/none')" = 404 ]
	[ "$(curl -s -o /dev/null -w '%{http_code}' -X DELETE --unix-socket "$socket" http://x/metrics)" = 405 ]
	[ "$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$socket" http://x/none)" = 404 ]

	with_guest "$WORK/out" kata metrics "$id"
	kata delete --force "$id"
	[ ! -e "$PODS/$id" ]
	run kata metrics "$id"
	[ "$status" -eq 1 ]
	[[ $output == *"no sandbox '$id' runs"* ]]
}

# check_metrics FILE: as promtool checks the format, and with it where it is installed.
check_metrics() {
	awk '
		/^# TYPE / { if (seen[$3]++) { print "a second TYPE of " $3; exit 1 } family = $3; next }
		/^#/ { next }
		!/^[a-zA-Z_:][a-zA-Z0-9_:]*({([a-z_]+="[^"]*",?)+})? [-+0-9.eE]+$/ { print "no sample: " $0; exit 1 }
		{ split($0, name, /[{ ]/); if (name[1] != family) { print "outside of its family: " $0; exit 1 } }
		{ n = split($0, part, " "); sub(" " part[n] "$", ""); if (sample[$0]++) { print "twice: " $0; exit 1 } }' "$1"
	if command -v promtool >/dev/null; then
		promtool check metrics <"$1" 2>&1 | grep -v 'metric names should\|no help text\|should end with\|should not' | grep . && return 1
	fi
	return 0
}

@test "the management socket serves no other user" {
	local id=adm-$RANDOM
	start "$id"
	chmod 711 /run/vc "$PODS" "$PODS/$id"
	chmod 666 "$PODS/$id/shim-monitor.sock"
	run setpriv --reuid 65534 --clear-groups curl -s --unix-socket "$PODS/$id/shim-monitor.sock" http://x/metrics
	chmod 700 "$PODS" "$PODS/$id"
	[ "$status" -ne 0 ]
	[ -z "$output" ]
	curl -sf --unix-socket "$PODS/$id/shim-monitor.sock" http://x/metrics >/dev/null
}

@test "a guest that is frozen does not hold up the metrics of the host" {
	local id=adm-$RANDOM vmm
	start "$id"
	vmm=$(jq .vmm.pid "$ROOT/$id/sandbox.json")
	kill -STOP "$vmm"
	kata metrics "$id" >"$WORK/metrics"
	kill -CONT "$vmm"
	grep -q '^kata_hypervisor_threads ' "$WORK/metrics"
	! grep -q '^kata_guest' "$WORK/metrics" || return 1
}

@test "list --all shows containers below another root" {
	local id=adm-$RANDOM other=("$TREE/build/kata-runtime" --root "$WORK/other")
	start "$id"
	[ -z "$("${other[@]}" list -q)" ]
	"${other[@]}" list --all | grep "^$id .* running .*$WORK/b-$id"
	[ "$("${other[@]}" list --all -q | grep -cx "$id")" -eq 1 ]
	[ "$(kata list --all -q | grep -cx "$id")" -eq 1 ]
	"${other[@]}" list --all -f json | jq -e --arg id "$id" '.[] | select(.id == $id) | .status == "running" and .pid > 0'
}

@test "a container of containerd: listed, measured, and cleaned up after kill -9 of its server" {
	local id=adm-$RANDOM pid address
	containerd_begin
	c run -d "${KATA[@]}" "$IMAGE" "$id" sleep 1000
	kata list --all | grep "^$id .* running "
	with_guest "$WORK/out" kata metrics "$id"
	grep -q '^kata_agent_threads 1$' "$WORK/out"
	address=$(sed 's,^unix://,,' "$WORK/containerd.state/io.containerd.runtime.v2.task/default/$id/address")
	[ -S "$address" ]

	# While containerd is away nobody else cleans up.
	pid=$(jq .server.pid "$WORK/containerd.state/io.containerd.runtime.v2.task/default/$id/sandbox.json")
	kill -9 "$CONTAINERD"
	wait "$CONTAINERD" || true
	kill -9 "$pid"
	wait_for 60 gone "$pid"
	kata cleanup >"$WORK/out"
	cat "$WORK/out"
	[ ! -e "$PODS/$id" ]
	[ ! -e "$SHARES/$id" ]
	[ ! -e "$address" ]
	containerd_start
	wait_for 60 task_over "$id"
}

# task_over ID: containerd knows that it does not run.
task_over() {
	[ -z "$(task_status "$1")" ] || task_is "$1" STOPPED
}

# monitor_start: kata-monitor on a port of its own.
monitor_start() {
	PORT=$((20000 + RANDOM % 10000))
	"$TREE/build/kata-monitor" -listen-address "127.0.0.1:$PORT" 2>"$WORK/monitor.log" 3>&- &
	MONITOR=$!
	wait_for 60 page sandboxes >/dev/null
}

page() {
	curl -sf "http://127.0.0.1:$PORT/$1"
}

# page_is_complete ID...: all sandboxes are on the page, with their guests.
page_is_complete() {
	local id
	page metrics >"$WORK/metrics" || return 1
	for id; do
		grep -q "^kata_shim_threads{sandbox_id=\"$id\"} " "$WORK/metrics" || return 1
		grep -q "^kata_guest_load{sandbox_id=\"$id\",item=\"load1\"} " "$WORK/metrics" || return 1
	done
}

@test "kata-monitor tells of all sandboxes, without any capability" {
	local one=adm-1$RANDOM two=adm-2$RANDOM
	start "$one"
	start "$two"
	monitor_start
	grep -q '^CapEff:	0*$' "/proc/$MONITOR/status"
	[ "$(page sandboxes | grep -c "^\($one\|$two\)$")" -eq 2 ]
	wait_for 60 page_is_complete "$one" "$two"
	check_metrics "$WORK/metrics"
	grep -q '^kata_monitor_running_shim_count [1-9]' "$WORK/metrics"
	page "metrics?sandbox=$two" | grep -q '^kata_hypervisor_fds [1-9]'
	[ "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$PORT/metrics?sandbox=none")" = 404 ]
	[ "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$PORT/metrics?sandbox=../sbs/$two")" = 400 ]

	# One that has stopped on the spot is left out, and one that has gone is not there.
	kill -STOP "$(server "$one")"
	page metrics >"$WORK/metrics"
	kill -CONT "$(server "$one")"
	grep -q '^kata_monitor_scrape_failed_count [1-9]' "$WORK/metrics"
	! grep -q "$one" "$WORK/metrics" || return 1
	grep -q "$two" "$WORK/metrics"
	kata delete --force "$two"
	! page sandboxes | grep "$two" || return 1

	kill "$MONITOR"
	wait "$MONITOR"
	grep -q "$one.*does not answer in time" "$WORK/monitor.log"
}

@test "kata-monitor says what is wrong with its options" {
	run "$TREE/build/kata-monitor" -listen-address nowhere
	[ "$status" -eq 1 ]
	[[ $output == *"'nowhere' is no HOST:PORT"* ]]
	run "$TREE/build/kata-monitor" -log-level loud
	[ "$status" -eq 1 ]
	[[ $output == *"not 'loud'"* ]]
}

@test "cleanup removes what a killed server has left, and touches nothing that lives" {
	local dead=adm-d$RANDOM live=adm-l$RANDOM pid
	start "$live"
	start "$dead"
	pid=$(server "$dead")
	kill -9 "$pid"
	wait_for 60 gone "$pid"
	wait_for 60 gone "$(jq .vmm.pid "$ROOT/$dead/sandbox.json")"
	[ -S "$PODS/$dead/shim-monitor.sock" ]

	kata cleanup --dry-run >"$WORK/out"
	cat "$WORK/out"
	grep -qx "would remove sandbox '$PODS/$dead'" "$WORK/out"
	grep -qx "would remove container '$ROOT/$dead'" "$WORK/out"
	grep -qx "would remove share '$SHARES/$dead'" "$WORK/out"
	! grep -q "$live" "$WORK/out" || return 1
	[ -d "$ROOT/$dead" ]

	kata cleanup >"$WORK/out"
	cat "$WORK/out"
	! grep -q "$live" "$WORK/out" || return 1
	[ ! -e "$PODS/$dead" ]
	[ ! -e "$ROOT/$dead" ]
	[ ! -e "$SHARES/$dead" ]
	[ "$(kata exec "$live" echo alive)" = alive ]
	kata metrics "$live" >/dev/null
	! kata cleanup | grep "$dead\|$live" || return 1
}

@test "cleanup finds containers below another root, and a share that nobody has noted" {
	local id=adm-$RANDOM pid
	start "$id"
	pid=$(server "$id")
	kill -9 "$pid"
	wait_for 60 gone "$pid"
	mkdir -p "$SHARES/$id.lost"
	"$TREE/build/kata-runtime" --root "$WORK/other" cleanup >"$WORK/out"
	cat "$WORK/out"
	[ ! -e "$ROOT/$id" ]
	[ ! -e "$SHARES/$id.lost" ]
}

@test "containers that come and go while it is cleaned up all the time are not disturbed" {
	local n
	(while [ ! -e "$WORK/stop" ]; do kata cleanup; done) >"$WORK/out" 2>&1 &
	for n in 1 2 3; do
		[ "$(run_once "adm-$RANDOM-$n" echo "$n")" = "$n" ]
	done
	touch "$WORK/stop"
	wait $!
	cat "$WORK/out"
	! grep -q '^kata-runtime:' "$WORK/out" || return 1
}

@test "each line of a server's log names its sandbox, also those of the guest" {
	local id=adm-$RANDOM
	kata --debug --log "$WORK/log" --log-format json run --bundle "$(bundle "b-$id" . true)" "$id"
	jq -es --arg id "$id" 'map(select(.msg | startswith("guest: "))) | length > 0 and all(.[]; .sandbox == $id)' "$WORK/log"
	jq -es 'map(select(.msg | startswith("step: "))) | length > 0 and all(.[]; .sandbox)' "$WORK/log"
}

overhead_folders() {
	ls -d /tmp/kata-overhead-* 2>/dev/null || true
}

@test "check --overhead: what a pod takes of the host, as a RuntimeClass says it" {
	run --separate-stderr kata check --overhead
	echo "$output" "$stderr"
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	local name together memory
	for name in containerd-shim virtiofsd qemu-system kata-container; do
		grep -qE "^#   ${name}[^ ]* +[0-9]+\.[0-9] MiB$" <<<"$output"
	done
	together=$(sed -n 's/^# together \([0-9]*\) MiB; the working set of their control group is [1-9][0-9]* MiB$/\1/p' <<<"$output")
	memory=$(sed -n 's/^    memory: "\([0-9]*\)Mi"$/\1/p' <<<"$output")
	[ "$together" -gt 20 ]
	[ "$memory" -ge "$together" ]
	[ "$(grep -v '^#' <<<"$output" | sed 's/"[0-9]*\(Mi\|m\)"/N/')" = $'overhead:\n  podFixed:\n    memory: N\n    cpu: N' ]
	[ -z "$(overhead_folders)" ]
}

machine_is_there() {
	local pid
	for pid in $(leftover_pids); do
		[[ $(cat "/proc/$pid/comm" 2>/dev/null) != qemu-system* ]] || return 0
	done
	return 1
}

@test "check --overhead that is ended by a signal leaves nothing" {
	local code=0 pid
	"$TREE/build/kata-runtime" --root "$ROOT" check --overhead >"$WORK/out" 2>&1 3>&- &
	pid=$!
	wait_for 60 machine_is_there
	kill -TERM "$pid"
	wait "$pid" || code=$?
	cat "$WORK/out"
	[ "$code" -ne 0 ]
	wait_for 60 nothing_runs
	[ -z "$(overhead_folders)" ]
}

# A journald that is none: what comes to its socket, a record a file.
journal_start() {
	mkdir -p /run/systemd/journal "$WORK/records"
	[ ! -e /run/systemd/journal/socket ] || skip "this host has a journald, which the test must not disturb"
	python3 - "$WORK/records" 3>&- <<-'EOF' &
		import itertools, pathlib, socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		s.bind("/run/systemd/journal/socket")
		for n in itertools.count():
		    pathlib.Path(sys.argv[1], str(n)).write_bytes(s.recv(1 << 16))
	EOF
	JOURNAL=$!
	wait_for 60 test -S /run/systemd/journal/socket
}

journal_end() {
	[ -n "${JOURNAL:-}" ] || return 0
	kill "$JOURNAL"
	wait "$JOURNAL" || true
	rm /run/systemd/journal/socket
	rmdir /run/systemd/journal
	rmdir /run/systemd 2>/dev/null || true
	JOURNAL=
}

# journal_has TEXT: in a record that names the sandbox.
journal_has() {
	grep -laF -- "$1" "$WORK"/records/* | xargs -r grep -qa -A1 '^KATA_SANDBOX$'
}

@test "log_to_journald: lines of the server and of its guest have the sandbox's id, and a journald that is gone loses none" {
	local id=adm-$RANDOM step
	sed -e 's/^log_to_journald = false/log_to_journald = true/' -e 's/^enable_debug = false/enable_debug = true/' \
		"$TREE/build/configuration.toml" >"$WORK/configuration.toml"
	journal_start
	kata --config "$WORK/configuration.toml" --log "$WORK/log" run --detach --bundle "$(bundle "b-$id" . sleep 1000)" "$id" \
		</dev/null >/dev/null 2>&1
	wait_for 60 journal_has 'step: '
	wait_for 60 journal_has 'guest: '
	# A socket takes few records at a time, so on a busy machine some lines go to the other place; none goes to both.
	step=$(grep -hao 'step: .*' "$WORK"/records/* | head -n 1)
	[ -n "$step" ]
	run ! grep -qF "msg=\"$step\"" "$WORK/log"
	grep -qa "$id" "$WORK"/records/*
	grep -qa '^SYSLOG_IDENTIFIER=kata-runtime$' "$WORK"/records/0
	journal_end
	kata delete --force "$id"
	grep -q 'step: stop the machine' "$WORK/log"
}
