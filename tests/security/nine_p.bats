#!/usr/bin/env bats
# Where QEMU is the file server (9p) and somebody has taken it over.

# The guest image with 9p is made once, with the network, and stays in build/.
# bats file_tags=host

bats_require_minimum_version 1.5.0
load ../e2e/lib/common
load lib/attack
load lib/process

setup_file() {
	[ "$(uname -m)" = x86_64 ] || skip "the name of the kernel package is that of x86_64"
	local image=$TREE/build/guest-9p
	"$TREE/guest-image/build" --kernel-package linux-image-amd64 --cache "$TREE/build/cache" \
		--agent "$TREE/build/kata-agent" --out "$image"
	export KATA_TEST_TOKEN=secret
	attack_setup_file
	sed -e '/^#* *\(shared_fs\|kernel\|initrd\) =/d' \
		-e "s|^\[hypervisor.qemu\]|&\nshared_fs = \"virtio-9p\"\nkernel = \"$image/vmlinux\"\ninitrd = \"$image/initrd.img\"|" \
		"$TREE/build/configuration.toml" >"$WORK/configuration.toml"
	machine_start c1 . --config "$WORK/configuration.toml"
	machine_start c2 . --config "$WORK/configuration.toml"
}

setup() {
	fence_enter
	qemu=$(process_of c1 qemu-system)
}

teardown_file() {
	attack_teardown_file
}

@test "QEMU with 9p is as the page says, and no other file server runs" {
	as_the_page_says "QEMU, 9p" "$qemu" "$(process_of c2 qemu-system)"
	[ -z "$(process_of c1 virtiofsd)" ]
}

@test "QEMU with 9p: the kernel" {
	refused "$qemu" < <(attacks_on_kernel)
}

@test "QEMU with 9p: processes" {
	refused "$qemu" < <(attacks_on_processes)
}

@test "QEMU with 9p: names" {
	refused "$qemu" < <(attacks_on_names)
}

@test "QEMU with 9p: by what it has open" {
	refused "$qemu" < <(attacks_by_descriptors "$qemu")
}

# In the share, to which it has no path but a descriptor.
@test "QEMU with 9p: a device node, made or found, is none" {
	local fd volume seen=0
	mknod -m 666 "$WORK/c1.rw/found" c 1 3
	for fd in /proc/"$qemu"/fd/*; do
		for volume in "$fd"/*-rw; do
			[ -e "$volume/found" ] || continue
			volume=${volume##*/} fd=${fd##*/} seen=1
			refused "$qemu" < <(
				attacks_with_nodes "$volume" "$fd"
				echo "found: openat $fd @$volume/found O_RDWR"
			)
		done
	done
	[ $seen -eq 1 ]
}

@test "the container works as before" {
	[ "$(kata exec c1 sh -c 'echo from here >/rw/new && cat /ro/file')" = text ]
	[ "$(cat "$WORK/c1.rw/new")" = "from here" ]
}
