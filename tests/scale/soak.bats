#!/usr/bin/env bats
# One container that stays while others come and go, in every way in which they do, for KATA_SOAK_MINUTES (3). Nothing is lost,
# nothing is left, and what stays does not grow. `make check-scale` runs it.

bats_require_minimum_version 1.5.0
load ../e2e/lib/common

# What the server of the container that stays may come to use more, in KiB: its heap after some rounds is not yet what it will be.
MAY_GROW_KIB=512
WARM_ROUNDS=5

setup() {
	common_setup
	sed -e 's|^enable_template = .*|enable_template = true|' -e "s|^template_path = .*|template_path = \"$WORK/templates\"|" \
		"$TREE/build/configuration.toml" >"$WORK/configuration.toml"
	export KATA_CONF_FILE=$WORK/configuration.toml
	mkdir "$WORK/volume"
	bundle stays ".mounts += [{destination: \"/volume\", type: \"bind\", source: \"$WORK/volume\", options: [\"bind\"]}]" sleep 100000 >/dev/null
	bundle once . sh -c 'echo out; echo err >&2; exit 7' >/dev/null
	bundle long . sleep 100000 >/dev/null
	: >"$WORK/log"
}

teardown() {
	common_teardown
}

server_of() {
	jq .server.pid "$ROOT/$1/sandbox.json"
}

# What there may not be more of at the end: descriptors of the server, QEMU and virtiofsd, threads of the first and the last (QEMU's come
# and go with its disk and file requests), and files.
figures() {
	local pid
	for pid in "$1" $(pgrep -P "$1"); do
		printf '%s: %s descriptors, %s threads\n' "$(cat "/proc/$pid/comm")" "$(find "/proc/$pid/fd" -type l | wc -l)" \
			"$(find "/proc/$pid/task" -mindepth 1 -maxdepth 1 | wc -l)"
	done | sed '/^qemu/s/, [0-9]* threads$//' | sort
	find /run /tmp -xdev ! -path "$WORK/*" 2>/dev/null | sort
}

written_kib() {
	awk '/^Private_Dirty:/ {print $2}' "/proc/$1/smaps_rollup"
}

# One that ends by itself: its output and its code.
comes_and_ends() {
	local code=0
	kata --log "$WORK/log" run --bundle "$WORK/once" "once-$1" </dev/null >"$WORK/out" 2>"$WORK/err" || code=$?
	[ "$code" -eq 7 ] && [ "$(cat "$WORK/out")" = out ] && [ "$(cat "$WORK/err")" = err ]
}

# One that is used, and killed: by its signal, or with its server.
comes_and_is_killed() {
	kata --log "$WORK/log" run --detach --bundle "$WORK/long" "long-$1" </dev/null >/dev/null 2>&1
	[ "$(kata exec "long-$1" echo "$1")" = "$1" ]
	kata pause "long-$1"
	kata resume "long-$1"
	if [ $(($1 % 3)) -eq 0 ]; then
		kill -9 "$(server_of "long-$1")"
	else
		kata kill "long-$1" KILL
	fi
	kata delete --force "long-$1"
}

# What goes on in the one that stays: a program, a stream in and out, a file that the host sees.
is_used() {
	[ "$(head -c 3000000 /dev/zero | kata exec stays sh -c 'wc -c; echo '"$1"' >/volume/round')" = 3000000 ]
	[ "$(cat "$WORK/volume/round")" = "$1" ]
	local code=0
	kata exec stays sh -c 'exit 3' || code=$?
	[ "$code" -eq 3 ]
}

@test "containers that come and go beside one that stays: nothing is lost or left, and nothing grows" {
	local end=$((SECONDS + ${KATA_SOAK_MINUTES:-3} * 60)) round=0 server before written
	kata factory init
	kata --log "$WORK/log" run --detach --bundle "$WORK/stays" stays </dev/null >/dev/null 2>&1
	server=$(server_of stays)
	while [ $SECONDS -lt $end ]; do
		round=$((round + 1))
		comes_and_ends $round
		comes_and_is_killed $round
		is_used $round
		[ $((round % 100)) -ne 0 ] || echo "# round $round: $(written_kib "$server") KiB" >&3
		[ $round -ne $WARM_ROUNDS ] || { before=$(figures "$server") written=$(written_kib "$server"); }
	done
	[ $round -gt $WARM_ROUNDS ]
	same 'descriptors, threads or files' "$before" "$(figures "$server")"
	echo "# $round rounds; the server has written to $written KiB, then $(written_kib "$server")" >&3
	[ "$(written_kib "$server")" -le $((written + MAY_GROW_KIB)) ]
	cat "$WORK/log"
	! grep -E 'level=(warning|error)' "$WORK/log" | grep -v 'cleaning up after' || return 1
	kata delete --force stays
}
