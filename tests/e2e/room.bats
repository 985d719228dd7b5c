#!/usr/bin/env bats
# tools/room: what runs in it sees nothing of the host's containers, and leaves nothing.

# bats file_tags=host

bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	W=$(mktemp -d /var/tmp/kata-room-test-XXXXXX)
	outside >"$W/before"
}

teardown() {
	rm -rf "$W"
}

# What a room makes outside of itself.
outside() {
	find /sys/fs/cgroup -type d -name 'kata-room-*' | sort
	find /tmp -maxdepth 1 -name 'room-*' | sort
	cut -d ' ' -f 5 /proc/self/mountinfo
}

nothing_new() {
	diff <(comm -13 <(sort "$W/before") <(outside | sort)) /dev/null
}

@test "/run and /tmp are empty, the folder and the exit code are the command's" {
	for option in "" --like-host; do
		# shellcheck disable=SC2016,SC2086
		run -7 tools/room $option sh -c 'pwd; ls -A /tmp /var/tmp; ls -A /run/netns; ls /proc | grep -c "^[0-9]*$"; touch /tmp/f /var/tmp/f; exit 7'
		[ "${lines[0]}" = "$PWD" ]
		diff - <(printf '%s\n' "${lines[@]:1:2}") <<<$'/tmp:\n/var/tmp:'
		[ "${lines[-1]}" -lt 10 ]
		nothing_new
	done
}

@test "the network is the host's only if that is asked for" {
	here=$(readlink /proc/self/ns/net)
	run -0 tools/room readlink /proc/self/ns/net
	[ "$output" != "$here" ]
	run -0 tools/room --like-host readlink /proc/self/ns/net
	[ "$output" = "$here" ]
}

# Whoever runs the tests may ignore some, which everything inherits.
@test "no signal is ignored in it that is not ignored here" {
	here=$(grep SigIgn /proc/self/status)
	run -0 tools/room grep SigIgn /proc/self/status
	[ "$output" = "$here" ]
}

# A process that is left holds the lock.
@test "what is left running ends with the command" {
	exec 8>"$W/lock"
	# shellcheck disable=SC2016
	run -0 tools/room sh -c 'flock 8; (exec setsid sleep 1000) >/dev/null 2>&1 & echo done'
	[ "$output" = "done" ]
	exec 8>&-
	flock -n "$W/lock" true
	nothing_new
}

@test "SIGTERM ends everything in it" {
	mkfifo "$W/alive"
	exec 8<>"$W/alive"
	tools/room --like-host sh -c 'setsid sleep 1000 & echo up; exec sleep 1000' >&8 2>&8 3>&- &
	room=$!
	read -rt 60 line <&8
	[ "$line" = up ]
	kill "$room"
	code=0
	wait "$room" || code=$?
	[ "$code" -ge 128 ]
	nothing_new
}
