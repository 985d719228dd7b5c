#!/usr/bin/env bats
# The guest image: what guest-image/ makes of Debian's kernel package and our agent, and that a machine starts from it.
# Needs the network once, for the kernel package.

# bats file_tags=host

bats_require_minimum_version 1.5.0

setup_file() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	export KERNEL_PACKAGE=${KERNEL_PACKAGE:-linux-image-cloud-amd64}
	export T=$BATS_FILE_TMPDIR CACHE=$PWD/build/cache
	gcc -std=gnu17 -D_GNU_SOURCE -Os -static -s -o "$T/init" tests/e2e/guest_image_init.c
	image --agent "$T/init" --out "$T/image"
}

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
}

image() {
	guest-image/build --kernel-package "$KERNEL_PACKAGE" --cache "$CACHE" "$@"
}

# boot KERNEL [INITRD]: what a machine writes to its console.
boot() {
	timeout 60 qemu-system-x86_64 -accel tcg -M q35 -cpu max -m 256 -nodefaults -no-reboot -display none -serial stdio \
		-kernel "$1" -initrd "${2:-$T/image/initrd.img}" -append "console=ttyS0 quiet panic=-1" </dev/null | tr -d '\r'
}

# fake_bzimage PAYLOAD SIZE...: the header's fields that count, and a payload after two sectors of set-up code, with the
# unpacked size appended if given. What follows the payload must not matter.
fake_bzimage() {
	local length
	{
		cat "$1"
		[ $# -lt 2 ] || printf '\x01\x02\x03\x04'
	} >"$T/payload"
	length=$(stat -c %s "$T/payload")
	{
		head -c $((0x1f1)) /dev/zero
		printf '\x02'
		head -c $((0x202 - 0x1f2)) /dev/zero
		printf 'HdrS\x0f\x02'
		head -c $((0x248 - 0x208)) /dev/zero
		printf '\x10\x00\x00\x00%b' "$(printf '\\x%02x' $((length & 255)) $((length >> 8 & 255)) $((length >> 16)) 0)"
		head -c $((3 * 512 + 16 - 0x250)) /dev/zero
		cat "$T/payload"
		echo trailing
	} >"$T/bzImage"
}

# tiny_kernel [TYPE]: an ELF file with one Xen note.
tiny_kernel() {
	printf '.globl _start\n_start: hlt\n.section .note.Xen,"a",@note\n.long 4,4,%s\n.asciz "Xen"\n.long 0x100000\n' "${1:-18}" >"$T/tiny.s"
	gcc -nostdlib -static -Wl,--build-id=none -o "$T/tiny" "$T/tiny.s"
}

@test "a module has nothing left for the function tracer and the unwinder" {
	local module
	for module in "$T"/image/parts/modules/*.ko; do
		run -1 grep -E '__fentry__|__mcount_loc|orc_unwind' <(readelf -SrW "$module")
	done
	# Every function of a module that had the calls begins with the no-op now.
	[ "$(objdump -d "$T/image/parts/modules/fuse.ko" | grep -c 'nopl   0x0(%rax,%rax,1)')" -gt 250 ]
	run -1 guest-image/drop-fentry README.md
	[ "$output" = "drop-fentry: 'README.md': not an ELF file for x86_64" ]
}

@test "the same inputs give the same bytes, whatever the path, the time and the umask" {
	mkdir -p "$T/elsewhere/and deeper"
	cp "$T/init" "$T/elsewhere/and deeper/agent"
	touch -d '2001-02-03' "$T/elsewhere/and deeper/agent"
	chmod 700 "$T/elsewhere/and deeper/agent"
	(cd / && umask 077 && TZ=Asia/Tokyo LC_ALL=C.UTF-8 "$OLDPWD/guest-image/build" --kernel-package "$KERNEL_PACKAGE" \
		--cache "$CACHE" --agent "$T/elsewhere/and deeper/agent" --out "$T/elsewhere/and deeper/image")
	for file in vmlinux vmlinuz initrd.img; do
		cmp "$T/image/$file" "$T/elsewhere/and deeper/image/$file"
	done
}

@test "nothing is made again when nothing changed" {
	find "$T/image" -type f ! -name initrd.img ! -name '*.new' -printf '%p %i %T@\n' | sort >"$T/before"
	sum=$(sha256sum "$T/image/initrd.img")
	image --agent "$T/init" --out "$T/image"
	find "$T/image" -type f ! -name initrd.img ! -name '*.new' -printf '%p %i %T@\n' | sort >"$T/after"
	diff "$T/before" "$T/after"
	[ "$(sha256sum "$T/image/initrd.img")" = "$sum" ]
}

@test "another agent changes the initrd and leaves kernel and modules alone" {
	cp -r "$T/image" "$T/image2"
	stat -c '%i %Y' "$T/image2/vmlinux" "$T/image2/parts/modules.cpio" >"$T/before"
	{
		cat "$T/init"
		echo
	} >"$T/init2"
	image --agent "$T/init2" --out "$T/image2"
	stat -c '%i %Y' "$T/image2/vmlinux" "$T/image2/parts/modules.cpio" >"$T/after"
	diff "$T/before" "$T/after"
	run ! cmp "$T/image/initrd.img" "$T/image2/initrd.img"
}

@test "the initrd with the real agent is at most 3 MiB, the agent at most 1.5 MB" {
	[ -f build/kata-agent ]
	[ "$(stat -c %s build/kata-agent)" -le 1500000 ]
	image --agent build/kata-agent --out "$T/real"
	[ "$(stat -c %s "$T/real/initrd.img")" -le $((3 * 1024 * 1024)) ]
}

@test "the initrd is whole pages" {
	[ $(($(stat -c %s "$T/image/initrd.img") % 4096)) -eq 0 ]
}

@test "the kernel carries the note by which QEMU enters it directly" {
	readelf -hW "$T/image/vmlinux" | grep -q 'Type: *EXEC'
	readelf -nW "$T/image/vmlinux" | grep -qE 'Xen .*0x00000012'
}

@test "what the agent must know of the kernel is in the initrd" {
	grep -qE '^bpf_lsm_mmap_file [1-9][0-9]*$' "$T/image/parts/modules/kernel-facts"
	[ "$(grep -cE '^[a-z_.]+ [0-9]+$' "$T/image/parts/modules/kernel-facts")" -eq 7 ]
}

@test "a machine starts from vmlinux, every module loads in the listed order, the folders are there" {
	boot "$T/image/vmlinux" >"$T/console"
	cat "$T/console"
	grep -q '^done at' "$T/console"
	order=$T/image/parts/modules/load-order
	[ "$(wc -l <"$order")" -ge 20 ]
	while read -r name _; do
		grep -q "^module $name: ok," "$T/console"
	done <"$order"
	[ "$(grep -c '^module ' "$T/console")" -eq "$(wc -l <"$order")" ]
	for folder in /dev /etc /lib/modules /proc /run /sys; do
		grep -qx "folder $folder: 755" "$T/console"
	done
	grep -qx 'folder /tmp: 1777' "$T/console"
}

@test "a machine starts from vmlinuz" {
	boot "$T/image/vmlinuz" | grep '^done at'
}

@test "an initrd compressed with lz4, or not at all, works as well" {
	for how in lz4 none; do
		image --agent "$T/init" --out "$T/image-$how" --compress $how
		boot "$T/image/vmlinux" "$T/image-$how/initrd.img" | grep '^done at'
	done
}

@test "modules.list: what a name needs comes first, and each name has one line" {
	awk '{
		if ($1 in seen || NF < 2) exit 1
		for (i = 3; i <= NF; i++) if (!($i in seen)) exit 1
		seen[$1] = 1
	}' "$T/image/parts/modules/load-order"
	grep -qx 'virtio_rng /lib/modules/virtio_rng.ko virtio_ring virtio' "$T/image/parts/modules/load-order"
	[ -z "$(find "$T/image/parts/modules" -name '*-*.ko*')" ]
}

@test "a module the kernel does not have: fatal by name, unless it is optional" {
	kernel=$(guest-image/fetch-kernel "$KERNEL_PACKAGE" "$CACHE" x86_64)
	printf 'virtio # a comment\n\nno_such_thing?\n' >"$T/list"
	guest-image/collect-modules "$kernel" "$T/list" "$T/some"
	[ "$(tr '\n' ';' <"$T/some/load-order")" = "virtio_ring /lib/modules/virtio_ring.ko;virtio /lib/modules/virtio.ko virtio_ring;" ]
	echo no_such_thing >>"$T/list"
	run -1 guest-image/collect-modules "$kernel" "$T/list" "$T/some"
	[[ $output == *"has no module 'no_such_thing'"* ]]
}

@test "a bzImage gives its kernel, however it is compressed" {
	tiny_kernel
	for how in "gzip -9" "xz --check=crc32" "zstd -q -19" "lz4 -q -l"; do
		$how <"$T/tiny" >"$T/compressed"
		if [ "$how" = "gzip -9" ]; then fake_bzimage "$T/compressed"; else fake_bzimage "$T/compressed" size; fi
		rm -f "$T/out"
		guest-image/extract-vmlinux "$T/bzImage" "$T/out"
		cmp "$T/tiny" "$T/out"
	done
}

@test "what follows the ELF file in the payload is cut off" {
	tiny_kernel
	{
		cat "$T/tiny"
		echo relocations
	} | zstd -q >"$T/compressed"
	fake_bzimage "$T/compressed" size
	guest-image/extract-vmlinux "$T/bzImage" "$T/out"
	cmp "$T/tiny" "$T/out"
}

@test "a file that gives no bootable kernel is refused in a sentence and leaves nothing behind" {
	rm -f "$T"/out*
	run -1 guest-image/extract-vmlinux /bin/ls "$T/out"
	[[ $output == *"neither an x86 bzImage nor an arm64 Image"* ]]

	tiny_kernel 17
	zstd -q <"$T/tiny" >"$T/compressed"
	fake_bzimage "$T/compressed" size
	run -1 guest-image/extract-vmlinux "$T/bzImage" "$T/out"
	[[ $output == *"no PVH entry point"* ]]

	head -c 100 "$T/compressed" >"$T/cut"
	fake_bzimage "$T/cut" size
	run -1 guest-image/extract-vmlinux "$T/bzImage" "$T/out"
	[[ $output == *"does not unpack"* ]]

	bzip2 -c <"$T/tiny" >"$T/compressed" 2>/dev/null || printf 'BZh9garbage' >"$T/compressed"
	fake_bzimage "$T/compressed" size
	run -1 guest-image/extract-vmlinux "$T/bzImage" "$T/out"
	[[ $output == *"unknown here (it begins with 425a68"* ]]

	gzip <guest-image/modules.list >"$T/compressed"
	fake_bzimage "$T/compressed"
	run -1 guest-image/extract-vmlinux "$T/bzImage" "$T/out"
	[[ $output == *"is not an ELF file"* ]]
	[ -z "$(ls "$T"/out* 2>/dev/null)" ]
}

@test "a second fetch needs no network" {
	mkdir -p "$T/bin"
	printf '#!/bin/sh\nexit 1\n' | tee "$T/bin/apt-get" >"$T/bin/apt-cache"
	chmod +x "$T/bin/apt-get" "$T/bin/apt-cache"
	PATH=$T/bin:$PATH run -0 guest-image/fetch-kernel "$KERNEL_PACKAGE" "$CACHE" x86_64
	[ -f "$output/package" ]
}

@test "a kernel package that cannot be had is a sentence, and no half of it remains" {
	mkdir -p "$T/bin"
	printf '#!/bin/sh\necho "E: no route to the mirror" >&2\nexit 1\n' | tee "$T/bin/apt-get" >"$T/bin/apt-cache"
	chmod +x "$T/bin/apt-get" "$T/bin/apt-cache"
	PATH=$T/bin:$PATH run -1 guest-image/fetch-kernel linux-image-cloud-amd64 "$T/empty" x86_64
	[[ $output == *"E: no route to the mirror"* ]]
	[[ $output == *"apt cannot find or fetch 'linux-image-cloud-amd64'"* ]]
	[ -z "$(find "$T/empty" -mindepth 1 ! -name .lock)" ]

	run -1 guest-image/fetch-kernel '../x' "$T/empty"
	[[ $output == *"'../x' is not the name of a Debian package"* ]]
}

# deb NAME FOLDER: a Debian package of what is in the folder, in $T/debs.
deb() {
	mkdir -p "$2/DEBIAN" "$T/debs"
	printf 'Package: %s\nVersion: 7.2.13-1\nArchitecture: amd64\nMaintainer: nobody <nobody@localhost>\nDescription: a test\n' \
		"$1" >"$2/DEBIAN/control"
	dpkg-deb -b "$2" "$T/debs/$1_7.2.13-1_amd64.deb" >/dev/null
}

# apt that knows one kernel, whose packages are those in $T/debs. $1: what linux-image-7.2-cloud depends on.
fake_apt() {
	mkdir -p "$T/bin"
	cat >"$T/bin/apt-cache" <<-EOF
		#!/bin/sh
		case "\$*" in
		*depends*linux-image-cloud) echo "  Depends: linux-image-7.2-cloud" ;;
		*depends*linux-image-7.2-cloud) for p in $1; do echo "  Depends: \$p"; done ;;
		esac
	EOF
	cat >"$T/bin/apt-get" <<-EOF
		#!/bin/sh
		while [ "\$1" != download ]; do shift; done
		shift
		for p; do cp $T/debs/"\$p"_*.deb . || exit 1; done
	EOF
	chmod +x "$T/bin/apt-get" "$T/bin/apt-cache"
}

@test "a kernel whose packages are split is put together" {
	rm -rf "$T/debs" "$T/split"
	mkdir -p "$T/split/image" "$T/split/binary/lib/modules/7.2-cloud" "$T/split/modules/lib/modules/7.2-cloud/kernel"
	echo the kernel >"$T/split/binary/lib/modules/7.2-cloud/vmlinuz"
	echo a module >"$T/split/modules/lib/modules/7.2-cloud/kernel/some.txt"
	deb linux-image-7.2-cloud "$T/split/image"
	deb linux-binary-7.2-cloud "$T/split/binary"
	deb linux-modules-7.2-cloud "$T/split/modules"
	fake_apt "linux-base linux-binary-7.2-cloud linux-modules-7.2-cloud"
	PATH=$T/bin:$PATH run -0 guest-image/fetch-kernel linux-image-cloud "$T/fetched" x86_64
	[ "$(cat "$T/fetched/linux-image-cloud.x86_64/boot/vmlinuz-7.2-cloud")" = "the kernel" ]
	[ "$(cat "$T/fetched/linux-image-cloud.x86_64/lib/modules/7.2-cloud/kernel/some.txt")" = "a module" ]
	grep -qx 'linux-image-7.2-cloud 7.2.13-1 amd64' "$T/fetched/linux-image-cloud.x86_64/package"
}

@test "a kernel package without a kernel is a sentence" {
	rm -rf "$T/debs" "$T/split"
	mkdir -p "$T/split/image"
	deb linux-image-7.2-cloud "$T/split/image"
	fake_apt linux-base
	PATH=$T/bin:$PATH run -1 guest-image/fetch-kernel linux-image-cloud "$T/none" x86_64
	[[ $output == *"has no kernel modules inside"* ]]
}

@test "an agent that could not run as PID 1 is refused" {
	run -1 image --agent /bin/ls --out "$T/bad"
	[[ $output == *"linked dynamically"* ]]
	run -1 image --agent guest-image/build --out "$T/bad"
	[[ $output == *"is not an ELF program"* ]]
	run -1 image --agent "$T/init" --arch aarch64 --out "$T/bad"
	[[ $output == *"is not a program for aarch64"* ]]
	run -1 image --agent "$T/none" --out "$T/bad"
	[[ $output == *"there is no agent at"* ]]
}
