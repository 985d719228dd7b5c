#!/usr/bin/env bats
# The QEMU driver and virtiofsd against a real guest: what is said of them in docs/hypervisor-qemu.md.

bats_require_minimum_version 1.5.0

setup_file() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	export T=$BATS_FILE_TMPDIR
	gcc -std=gnu17 -D_GNU_SOURCE -DGUEST -Os -static -s -o "$T/init" tests/e2e/qemu_machine.c
	gcc -std=gnu17 -D_GNU_SOURCE -Ulinux -Uunix -g -Isrc -Ibuild/gen -o "$T/machine" tests/e2e/qemu_machine.c \
		build/libkata.a -l:libmd.a -lprotobuf-c -ljansson -lseccomp -lpthread
	guest-image/build --kernel-package "${KERNEL_PACKAGE:-linux-image-cloud-amd64}" --cache build/cache \
		--agent "$T/init" --out "$T/image"
	chmod 755 "$T" "$T/image"
}

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
}

# machine SCENE [MACHINE [SHARE]]: what the host half tells.
machine() {
	timeout 300 "$T/machine" "$T/image/vmlinux" "$T/image/initrd.img" "$@"
}

pid_of() {
	sed -n "s/.*$1 \([0-9]*\).*/\1/p" "$T/told" | head -1
}

# wait_gone PID...: until none of them runs; a zombie does not.
wait_gone() {
	local pid i
	for pid in "$@"; do
		for ((i = 0; i < 1200; i++)); do
			grep -q '^State:.[^Z]' "/proc/$pid/status" 2>/dev/null || continue 2
			sleep 0.05
		done
		return 1
	done
}

for_both() {
	local kind
	for kind in q35 microvm; do "$@" "$kind" || return 1; done
}

echo_works() {
	run machine echo "$1"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *", $1, "* ]]
	[[ $output == *$'\necho same\n'* ]]
	[[ $output == *$'\nended: the guest powered off\n'* ]]
	[[ $output == *"descriptors left: 0"* ]]
}

@test "a million bytes go to the guest and back unchanged, on q35 and on microvm" {
	for_both echo_works
}

@test "an unprivileged user runs the machine as well" {
	UID_GID=12345 echo_works q35
}

@test "a panic is told by the kernel's own words" {
	run machine panic
	echo "$output"
	[[ $output == *"ended: the guest kernel panicked: Attempted to kill init!"* ]]
	[[ $output == *"descriptors left: 0"* ]]
}

@test "a guest that reboots is gone, and it is told" {
	run machine reboot
	echo "$output"
	[[ $output == *"ended: the guest rebooted"* ]]
}

@test "a guest that says nothing is explained by its console, and stopped without waiting for it" {
	run machine hang
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"hang failed: the agent does not answer; guest console ends with: "*"guest is up"* ]]
	[[ $output == *"descriptors left: 0"* ]]
	# Who waited for an answer would take the 10 s that hv_stop() is given.
	took=$(sed -n 's/stop took \([0-9]*\) us/\1/p' <<<"$output")
	[ "$took" -lt 9000000 ]
}

@test "the guest reads and writes in the share, as owner of whatever it likes" {
	mkdir -p "$T/share"
	for kind in q35 microvm; do
		rm -f "$T/share/"*
		echo "host $kind" >"$T/share/from-host"
		run machine share "$kind" "$T/share"
		echo "$output"
		[[ $output == *"ended: the guest powered off"* ]]
		[ "$(cat "$T/share/from-guest")" = guest ]
		[ "$(stat -c %u:%g:%a "$T/share/from-guest")" = 1234:5678:640 ]
	done
}

@test "disks of the host: read, written where that is allowed, told apart by their serial numbers" {
	for kind in q35 microvm; do
		{ echo "from host" && head -c 65536 /dev/zero; } >"$T/disk"
		run machine disk "$kind" "$T/disk"
		echo "$output"
		[[ $output == *"disk ours: from host, written"* ]]
		[[ $output == *"disk to-read: from host, not written"* ]]
		[[ $output == *"descriptors left: 0"* ]]
		[ "$(dd if="$T/disk" bs=1 skip=4096 count=5 status=none)" = guest ]
	done
}

@test "disks come to a running machine, are where the driver says, and go" {
	{ echo "from host" && head -c 65536 /dev/zero; } >"$T/disk"
	run machine plug q35 "$T/disk"
	echo "$output"
	[[ $output == *"attached ours: kind 0, '1e/02'"*"attached to-read: kind 0, '1e/03'"* ]]
	[[ $output == *"ours is at 1e 02"*"disk ours: from host, written"*"gone ours"* ]]
	[[ $output == *"to-read is at 1e 03"*"disk to-read: from host, not written"*"gone to-read"* ]]
	[ "$(grep -c "attached ours" <<<"$output")" = 2 ]
	[[ $output != *"plug failed"* ]]
	[[ $output == *"descriptors left: 0"* ]]
	[ "$(dd if="$T/disk" bs=1 skip=4096 count=5 status=none)" = guest ]
}

@test "vCPUs come, and memory comes and goes, within the maximum; virtiofsd maps what comes" {
	mkdir -p "$T/share"
	run machine size q35 "$T/share"
	echo "$output"
	[[ $output == *$'\nresized to 2, 768 MiB\nresized to 2, 256 MiB\n'* ]]
	[[ $output == *grown*"used 400 MiB"*shrunk* ]]
	[[ $output != *"size failed"* ]] && [[ $output != *"virtiofsd ended"* ]]
	[[ $output == *"descriptors left: 0"* ]]
}

@test "a machine that has no place for devices that come later says so" {
	echo "from host" >"$T/disk"
	run machine nobus q35 "$T/disk"
	echo "$output"
	[[ $output == *"nobus failed: qemu: attach disk 'ours': the machine has no bus for devices that come while it runs"* ]]
	run machine nobus microvm "$T/disk"
	echo "$output"
	[[ $output == *"nobus failed: qemu: attach disk 'ours': a machine of type 'microvm' keeps the devices that it started with"* ]]
}

@test "kill -9 of us takes QEMU and virtiofsd with it" {
	mkdir -p "$T/share"
	machine wait q35 "$T/share" >"$T/told" &
	for ((i = 0; i < 1200; i++)); do
		grep -q '^started' "$T/told" && break
		sleep 0.05
	done
	qemu=$(pid_of pid) fs=$(pid_of virtiofsd)
	echo "qemu $qemu virtiofsd $fs"
	[ -e "/proc/$qemu" ]
	[ -e "/proc/$fs" ]
	children=$(cat "/proc/$fs/task/$fs/children")
	us=$(awk '/^PPid/ {print $2}' "/proc/$qemu/status")
	kill -9 "$us"
	# shellcheck disable=SC2086
	wait_gone "$qemu" "$fs" $children
	wait || true
}

@test "a kernel that is none, an initrd that is none, too little memory: a sentence each" {
	run timeout 60 "$T/machine" "$T/image/initrd.img" "$T/image/initrd.img" echo
	echo "$output"
	[[ $output == *"is no kernel: neither ELF nor bzImage nor Image (key 'kernel')"* ]]
	run timeout 60 "$T/machine" /bin/true "$T/image/initrd.img" echo
	echo "$output"
	[[ $output == *"qemu: start machine: QEMU ended with code 1: "* ]]
	run timeout 60 "$T/machine" "$T/image/vmlinux" "$T/image/vmlinuz" wait
	echo "$output"
	[[ $output == *"ended: the guest kernel panicked: "* ]]
	MEMORY_MIB=99999999 run machine echo
	echo "$output"
	[[ $output == *"qemu: start machine: QEMU ended with code 1: "*"memory"* ]]
}
