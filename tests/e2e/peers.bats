#!/usr/bin/env bats
# Who may tell the sandbox server what to do, and what it believes later: only its owner, and only what was checked when
# the container was made.

load lib/common

setup() {
	common_setup
}

teardown() {
	common_teardown
}

# server_pid ID: from the server's notes.
server_pid() {
	jq .server.pid "$ROOT/$1/sandbox.json"
}

@test "a config.json that is changed after create changes nothing" {
	dir=$(bundle b '.process.env += ["WHICH=checked"] | .annotations = {"which": "checked"}
		| .hooks.poststop = [{"path": "/bin/sh", "args": ["sh", "-c", "echo checked >>poststop"]}]' sleep 1000)
	kata run -d --bundle "$dir" c1 </dev/null >/dev/null 2>&1
	sed -i 's/checked/changed/g' "$dir/config.json"
	[ "$(kata exec c1 sh -c 'echo $WHICH')" = checked ]
	[ "$(kata state c1 | jq -r .annotations.which)" = checked ]
	[ "$(stat -c %a "$ROOT/c1/spec.json")" = 600 ]
	kill -9 "$(server_pid c1)"
	kata delete --force c1
	[ "$(cat "$dir/poststop")" = checked ]
}

# stay ID FILTER: a container that stays, its server's log in $WORK/log.
stay() {
	kata --log "$WORK/log" run -d --bundle "$(bundle "b-$1" "${2:-.}" sleep 1000)" "$1" </dev/null >/dev/null 2>&1
}

@test "nobody else reaches a server's socket, and who does is not served" {
	stay c1
	[ "$(stat -c %a "$ROOT" "$ROOT/c1" "$ROOT/c1/shim.sock" | xargs)" = "700 700 600" ]
	run setpriv --reuid 65534 --regid 65534 --clear-groups ls "$ROOT"
	[ "$status" -ne 0 ]
	# Even when somebody has opened everything.
	chmod 755 "$WORK" "$ROOT" "$ROOT/c1"
	chmod 777 "$ROOT/c1/shim.sock"
	for _ in 1 2 3; do
		/usr/bin/python3 -c 'import os, socket, sys
os.setresuid(65534, 65534, 65534)
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
try:
    assert s.recv(1) == b""
except ConnectionResetError:
    pass' "$ROOT/c1/shim.sock"
	done
	grep 'refused a connection of process [0-9]* of user 65534' "$WORK/log"
	[ "$(kata state c1 | jq -r .status)" = running ]
	# What was opened is closed again by whoever may.
	[ "$(stat -c %a "$ROOT/c1")" = 700 ]
}

@test "who lives where a machine's file server does is refused, once in the log" {
	stay c1
	pid=$(jq .virtiofsd.pid "$ROOT/c1/sandbox.json")
	inside=$(pgrep -P "$pid" | head -1)
	for _ in 1 2; do
		run nsenter -t "${inside:-$pid}" -p "$TREE/build/kata-runtime" --root "$ROOT" kill c1 KILL
		echo "$output"
		[ "$status" -ne 0 ]
	done
	grep 'refused a connection.*belongs to a machine' "$WORK/log"
	[ "$(kata state c1 | jq -r .status)" = running ]
}

@test "what the caller's environment holds goes nowhere" {
	filter='.hooks.createRuntime = [{"path": "/bin/sh", "args": ["sh", "-c", "cat /proc/self/environ >environment"]}]'
	TOKEN=for-nobody-else stay c1 "$filter"
	for who in server vmm virtiofsd; do
		pid=$(jq ".$who.pid" "$ROOT/c1/sandbox.json")
		! tr '\0' '\n' <"/proc/$pid/environ" | grep '^TOKEN=' || return 1
	done
	[ -f "$WORK/b-c1/environment" ]
	! grep -a TOKEN "$WORK/b-c1/environment" || return 1
	[ "$(tr '\0' '\n' <"/proc/$(server_pid c1)/environ" | cut -d= -f1 | sort | xargs)" = "KATA_RUNTIME_BIND_FD PATH" ]
	kata delete --force c1
	TOKEN=for-nobody-else stay c2 '.hooks.poststop = [{"path": "/bin/sh", "args": ["sh", "-c", "cat /proc/self/environ >environment"]}]'
	kill -9 "$(server_pid c2)"
	TOKEN=for-nobody-else kata delete --force c2
	[ -f "$WORK/b-c2/environment" ]
	! grep -a TOKEN "$WORK/b-c2/environment" || return 1
}

@test "an annotation makes no machine larger than the host" {
	sed 's/^enable_annotations = .*/enable_annotations = ["default_memory", "default_vcpus"]/' "$TREE/build/configuration.toml" >"$WORK/all.toml"
	for key in default_memory=16000000 default_vcpus=200; do
		dir=$(bundle "b-${key%=*}" ".annotations = {\"io.katacontainers.config.hypervisor.${key%=*}\": \"${key#*=}\"}" true)
		run kata --config "$WORK/all.toml" run --bundle "$dir" c1
		echo "$output"
		[ "$status" -ne 0 ]
		[[ $output == *"${key%=*}: ${key#*=} are more than the "*"that a machine may have here"* ]]
	done
}

# plain TEXT: nothing in it speaks to a terminal, runs backwards or is invisible.
plain() {
	! LC_ALL=C grep -aqP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\x8b-\x8f\xa8-\xae]|[\x80-\xff][\x00-\x7f]*\x9b' <<<"$1"
}

@test "what a container calls itself reaches no terminal unfiltered" {
	evil=$(printf 'x\033]0;title\007\302\233\342\200\256y')
	dir=$(bundle b '.annotations = {"evil": "x\u001b]0;title\u0007\u009b\u202ey"}
		| .process.args = ["sh", "-c", "sleep 1000; :", "x\u001b]0;title\u0007\u009b\u202ey"]' sh)
	kata run -d --bundle "$dir" c1 </dev/null >/dev/null 2>&1
	[[ $(kata ps c1) == *"x?]0;title???y"* ]]
	plain "$(kata ps c1)"
	plain "$(kata state c1)"
	plain "$(kata list --format json)"
	[ "$(kata state c1 | jq -r .annotations.evil)" = "$evil" ]
	run kata exec c1 "$evil"
	[ "$status" -ne 0 ]
	echo "$output" | cat -v
	plain "$output"
	[[ $output == *"x?]0;title???y"* ]]
}
