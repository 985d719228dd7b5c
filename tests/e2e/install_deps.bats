#!/usr/bin/env bats
# tools/install-deps: silent when nothing is missing, otherwise it says what it does.

# bats file_tags=host

bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	BIN=$BATS_TEST_TMPDIR/bin LOG=$BATS_TEST_TMPDIR/log
	mkdir "$BIN"
	printf '#!/bin/sh\necho "$@" >>"%s"\n' "$LOG" >"$BIN/apt-get"
	chmod 755 "$BIN/apt-get"
	touch "$LOG"
}

# missing PACKAGE: dpkg has everything that it is asked for installed, but this one, whatever this machine has.
missing() {
	cat >"$BIN/dpkg-query" <<-EOF
		#!/bin/bash
		for name in "\${@:4}"; do
			[ "\$name" = "$1" ] || echo "installed \$name"
		done
	EOF
	chmod 755 "$BIN/dpkg-query"
}

@test "with everything installed it says nothing and does not call apt" {
	PATH=$BIN:$PATH run -0 tools/install-deps
	[ -z "$output" ]
	[ ! -s "$LOG" ]
}

@test "a missing package is named, the lists are fetched, only that one is installed" {
	missing jq
	PATH=$BIN:$PATH run -0 tools/install-deps
	[ "$output" = "installing jq" ]
	[ "$(wc -l <"$LOG")" -eq 2 ]
	sed -n 1p "$LOG" | grep -q ' update$'
	sed -n 2p "$LOG" | grep -q ' install .*--no-install-recommends jq$'
}

@test "a compiler for another architecture is installed for who asks for it" {
	[ "$(uname -m)" != aarch64 ] || skip "it is this machine's"
	missing gcc-aarch64-linux-gnu
	PATH=$BIN:$PATH run -0 tools/install-deps
	[ -z "$output" ]
	PATH=$BIN:$PATH run -0 tools/install-deps --cross
	[ "$output" = "installing gcc-aarch64-linux-gnu" ]
	missing qemu-system-arm
	PATH=$BIN:$PATH run -0 tools/install-deps --cross
	[ -z "$output" ]
	PATH=$BIN:$PATH run -0 tools/install-deps --aarch64
	[ "$output" = "installing qemu-system-arm" ]
}

@test "an option that it does not know is refused" {
	PATH=$BIN:$PATH run -1 tools/install-deps --krenel
	[[ $output == *"unknown option '--krenel'"* ]]
	[ ! -s "$LOG" ]
}

@test "without root it says what is missing and does not call apt" {
	missing jq
	printf '#!/bin/sh\necho 1000\n' >"$BIN/id"
	chmod 755 "$BIN/id"
	PATH=$BIN:$PATH run -1 tools/install-deps
	[[ $output == *"only root can install them: jq" ]]
	[ ! -s "$LOG" ]
}

@test "when apt fails it fails with a sentence" {
	missing jq
	printf '#!/bin/sh\nexit 100\n' >"$BIN/apt-get"
	PATH=$BIN:$PATH run -1 tools/install-deps
	[[ $output == *"apt-get update: the package lists cannot be fetched"* ]]
}
