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
