#!/usr/bin/env bats
# The fragments of the lean guest kernel (guest-image/kernel) make a configuration for each architecture, in which every option is
# as it is written. No kernel is built: a configuration takes half a minute. The compiler is needed all the same, because the kernel
# asks it what it can do; tools/install-deps --cross brings the one for aarch64.

# bats file_tags=host

bats_require_minimum_version 1.5.0

load ../e2e/lib/common

# configure ARCH PREFIX: the configuration for ARCH in $config, by the compiler whose name begins with PREFIX.
configure() {
	command -v "$2gcc" >/dev/null || skip "there is no $2gcc"
	config=$BATS_TEST_TMPDIR/config
	run -0 "$TREE/guest-image/kernel/build" "$TREE/build/cache" --arch "$1" --config-only "$config"
}

@test "aarch64" {
	configure aarch64 aarch64-linux-gnu-
	grep -qx CONFIG_ARM64=y "$config"
	grep -qx CONFIG_SERIAL_AMBA_PL011_CONSOLE=y "$config"
	grep -qx CONFIG_VIRTIO_FS=y "$config"
}

@test "riscv64" {
	configure riscv64 riscv64-linux-gnu-
	grep -qx CONFIG_64BIT=y "$config"
	grep -qx CONFIG_RISCV=y "$config"
	grep -qx CONFIG_VIRTIO_FS=y "$config"
}

@test "s390x" {
	configure s390x s390x-linux-gnu-
	grep -qx CONFIG_S390=y "$config"
	grep -qx CONFIG_VIRTIO_FS=y "$config"
}

@test "ppc64le" {
	configure ppc64le powerpc64le-linux-gnu-
	grep -qx CONFIG_CPU_LITTLE_ENDIAN=y "$config"
	grep -qx CONFIG_VIRTIO_FS=y "$config"
}

# configure_with LINE...: the configuration for this machine, with these lines in a fragment.
configure_with() {
	cp -r "$TREE/guest-image" "$BATS_TEST_TMPDIR/"
	mkdir "$BATS_TEST_TMPDIR/tools"
	cp "$TREE/tools/own-apt" "$BATS_TEST_TMPDIR/tools/"
	printf '%s\n' "$@" >>"$BATS_TEST_TMPDIR/guest-image/kernel/base.config"
	run -1 "$BATS_TEST_TMPDIR/guest-image/kernel/build" "$TREE/build/cache" --config-only "$BATS_TEST_TMPDIR/config"
	[ ! -e "$BATS_TEST_TMPDIR/config" ]
}

# The kernel says nothing of an option that it drops.
@test "an option that the sources do not have, or that lacks what it needs, is named" {
	configure_with 'CONFIG_NO_SUCH_THING=y # a test' 'CONFIG_USB_STORAGE=y # a test: it needs USB'
	[[ $output == *"did not come out as written"*CONFIG_NO_SUCH_THING=y* ]]
	[[ $output == *CONFIG_USB_STORAGE=y* ]]
}

@test "a line that is no option is named: no space, no reason, no value" {
	configure_with 'CONFIG_NO_SPACE=y# a test' CONFIG_NO_REASON=y 'CONFIG_NO_VALUE # a test' '# CONFIG_UNSET is not set' 'a word'
	[[ $output == *"neither an option with its reason nor a comment"* ]]
	[ "$(grep -c 'base.config:[0-9]' <<<"$output")" -eq 5 ]
}
