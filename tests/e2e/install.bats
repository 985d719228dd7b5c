#!/usr/bin/env bats
# make install and make uninstall: what the first puts there, the second takes away, and nothing else.

# bats file_tags=host

bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	D=$BATS_TEST_TMPDIR/root P=${PREFIX:-/usr/local}
}

into() {
	make -s "$1" DESTDIR="$D"
}

@test "install and uninstall leave nothing" {
	into install
	[ -x "$D$P/bin/kata-runtime" ]
	into uninstall
	[ -z "$(ls -A "$D")" ] || {
		find "$D"
		return 1
	}
}

@test "a folder that was there stays, though it is empty" {
	mkdir -p "$D$P/bin"
	into install
	into install
	into uninstall
	[ "$(cd "$D" && find . | sort | tail -1)" = ".$P/bin" ]
	[ ! -e "$D$P/share" ]
}

@test "uninstall leaves what is somebody else's, and does not mind what is gone" {
	mkdir -p "$D$P/bin" "$D$P/share/defaults/kata-containers/config.d"
	touch "$D$P/bin/theirs" "$D$P/share/defaults/kata-containers/config.d/mine.toml"
	into install
	into install
	into uninstall
	into uninstall
	[ "$(cd "$D" && find . -type f | sort)" = ".$P/bin/theirs
.$P/share/defaults/kata-containers/config.d/mine.toml" ]
}
