#!/usr/bin/env bats
# The lean guest kernel is as hardened as Debian's, but for what hardening-left-out names with its reason. Both configurations
# are compared as they were built; Debian's comes from its package, which is fetched when it is not in the cache.

# bats file_tags=host

bats_require_minimum_version 1.5.0

load ../e2e/lib/common

setup() {
	lost=$BATS_TEST_DIRNAME/lost-hardening
	left_out=$BATS_TEST_DIRNAME/hardening-left-out
	lean=$(compgen -G "$TREE/build/cache/kata-linux.$(uname -m)/boot/config-*") || {
		echo "there is no lean kernel: make kernel" >&2
		return 1
	}
	debian=$(compgen -G "$("$TREE/guest-image/fetch-kernel" linux-image-cloud-amd64 "$TREE/build/cache")/boot/config-*")
}

@test "what hardens Debian's kernel hardens the lean one" {
	run -0 "$lost" "$debian" "$lean" "$left_out"
	[ -z "$output" ]
}

@test "an option that is lost, that has another value or that is left out in vain is named" {
	sed -E 's/^(CONFIG_STACKPROTECTOR_STRONG=y)$/# \1/; s/^(CONFIG_ARCH_MMAP_RND_BITS)=.*/\1=1/' "$lean" >"$BATS_TEST_TMPDIR/weaker"
	echo CONFIG_RANDOMIZE_BASE=y >>"$BATS_TEST_TMPDIR/weaker"
	run -1 "$lost" "$debian" "$BATS_TEST_TMPDIR/weaker" "$left_out"
	grep -qx 'STACKPROTECTOR_STRONG=y' <<<"$output"
	grep -qx 'ARCH_MMAP_RND_BITS=28' <<<"$output"
	grep -qx 'needless RANDOMIZE_BASE' <<<"$output"
}

# A list of what is left out that is not there must not read as one that is empty and met.
@test "without the list everything that differs is named" {
	run -1 "$lost" "$debian" "$lean" "$BATS_TEST_TMPDIR/none"
	grep -qx 'INIT_ON_ALLOC_DEFAULT_ON=y' <<<"$output"
}
