#!/usr/bin/env bats
# What callers write on the command line, beyond the life of a container.

bats_require_minimum_version 1.5.0
load lib/common

setup() { common_setup; }
teardown() { common_teardown; }

# bats test_tags=box
@test "relative --root and --config mean the caller's folder, not the bundle" {
	dir=$(bundle b . sleep 1000)
	cp "$TREE/build/configuration.toml" "$WORK/mine.toml"
	cd "$WORK"
	"$TREE/build/kata-runtime" --root state --config mine.toml run --detach --bundle "$dir" c1 </dev/null >/dev/null 2>&1
	# The server's notes, by which a later delete finds what a killed server leaves.
	[ -s "$ROOT/c1/sandbox.json" ]
	[ ! -e "$dir/state" ]
	"$TREE/build/kata-runtime" --root state delete --force c1
	[ ! -e "$ROOT/c1" ]
}
