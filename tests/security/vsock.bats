#!/usr/bin/env bats
# The agent's vsock can be reached by everybody on the host: it has no file whose mode would keep them away.

# bats file_tags=kvm, vsock

bats_require_minimum_version 1.5.0
load ../e2e/lib/common

setup() {
	needs_vsock
	common_setup
	chmod 755 "$WORK"
}

teardown() {
	[ -z "${WORK:-}" ] || common_teardown
}

# call USER [SOURCE-PORT]: what becomes of a call to the agent.
call() {
	local user=$1
	shift
	setpriv --reuid "$user" --regid "$user" --clear-groups \
		python3 - "$cid" 1024 "$@" <"$BATS_TEST_DIRNAME/lib/agent_call.py"
}

@test "the agent serves neither another user of the host nor a second owner" {
	kata run -d --bundle "$(bundle b . sleep 3600)" c1 </dev/null >"$WORK/out" 2>&1
	cid=$(guest_cids)
	[ -n "$cid" ]
	for try in "65534" "0" "0 700"; do
		# shellcheck disable=SC2086
		said=$(call $try)
		echo "$try: $said"
		# "silent": the line waits behind the owner's, and nothing that is said on it is read.
		[[ $said == "hung up" || $said == refused || $said == silent ]]
	done
	# The owner's line is as it was.
	[ "$(kata exec c1 echo lives)" = lives ]
}
