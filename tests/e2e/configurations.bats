#!/usr/bin/env bats
# A container to its end with each configuration that puts the machine together in another way than the default does.
# qemu.bats has the machine alone, without a container in it.

load lib/common

setup() {
	common_setup
	dir=$(bundle b . sh -c 'cat; echo to stderr >&2; echo here >/tmp/written; exit 7')
	pages_before=$(cat "$PAGES" 2>/dev/null || true)
}

teardown() {
	[ -z "$pages_before" ] || echo "$pages_before" >"$PAGES"
	common_teardown
}

PAGES=/proc/sys/vm/nr_hugepages

# configured KEY VALUE...: the configuration of the tree with these keys changed. Prints its path.
configured() {
	local file=$WORK/configuration.toml
	cp "$TREE/build/configuration.toml" "$file"
	while [ $# -gt 0 ]; do
		# Present or not, commented out or not: the last key of a table must be the only one.
		sed -i -E "/^#? ?$1 = /d" "$file"
		sed -i "s|^\[hypervisor.qemu\]|&\n$1 = $2|" "$file"
		shift 2
	done
	echo "$file"
}

# runs_with CONFIGURATION: a container that reads, writes, and ends with a code of its own.
runs_with() {
	local rc=0
	rm -f "$ROOTFS/tmp/written"
	echo through | kata --config "$1" run --bundle "$dir" c1 >"$WORK/out" 2>"$WORK/err" || rc=$?
	echo "$rc, $(cat "$WORK/out" "$WORK/err")"
	[ "$rc" -eq 7 ]
	[ "$(cat "$WORK/out")" = through ]
	[ "$(cat "$WORK/err")" = "to stderr" ]
	[ "$(cat "$ROOTFS/tmp/written")" = here ]
	[ "$(stat -c %u "$ROOTFS/tmp/written")" -eq 0 ]
	leak_check
}

# refused PATTERN CONFIGURATION
refused() {
	local rc=0
	kata --config "$2" run --bundle "$dir" c1 </dev/null >"$WORK/out" 2>"$WORK/err" || rc=$?
	cat "$WORK/err"
	[ "$rc" -eq 1 ]
	[ "$(wc -l <"$WORK/err")" -eq 1 ]
	grep -q "$1" "$WORK/err"
	leak_check
}

# While it runs: what is looked at is the machine of a sleeping container.
started_with() {
	kata --config "$1" run -d --bundle "$(bundle sleeper . sleep 1000)" c1 </dev/null >/dev/null 2>&1
	vmm=$(kata describe c1 | sed -n 's/^hypervisor .*process //p')
}

nothing_is_called() {
	local pid
	while read -r pid; do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" != "$1" ] || return 1
	done < <(fence_pids)
}

argument() {
	tr '\0' '\n' <"/proc/$vmm/cmdline" | grep -qF -- "$1"
}

# Effective and permitted ones of the machine's process.
capabilities() {
	awk '/^CapEff|^CapPrm|^CapBnd/ { print $2 }' "/proc/$vmm/status" | sort -u
}

status_of() {
	awk -v name="$2:" '$1 == name { print $2 }' "/proc/$1/status"
}

@test "the machine's process is nobody, alone, and has nothing to open" {
	config=$(configured require_confinement true)
	started_with "$config"
	[ "$(capabilities)" = 0000000000000000 ]
	[ "$(status_of "$vmm" NoNewPrivs)" = 1 ]
	[ "$(status_of "$vmm" Seccomp)" = 2 ]
	[ "$(status_of "$vmm" Uid)" -ge $((0x70000000)) ]
	[ "$(status_of "$vmm" Gid)" = "$(status_of "$vmm" Uid)" ]
	for kind in user pid mnt net ipc uts cgroup; do
		[ "$(readlink "/proc/$vmm/ns/$kind")" != "$(readlink "/proc/self/ns/$kind")" ]
	done
	[ "$(wc -c <"/proc/$vmm/environ")" = 0 ]
	[ -z "$(ls -A "/proc/$vmm/root")" ]
	[ "$(wc -l <"/proc/$vmm/mountinfo")" = 1 ]
	grep -q ' / / ro,nosuid,nodev,noexec' "/proc/$vmm/mountinfo"
	kata --config "$config" run -d --bundle "$(bundle other . sleep 1000)" c2 </dev/null >/dev/null 2>&1
	second=$(kata describe c2 | sed -n 's/^hypervisor .*process //p')
	[ "$(status_of "$second" Uid)" != "$(status_of "$vmm" Uid)" ]
	kata delete --force c1
	kata delete --force c2
}

@test "microvm" {
	config=$(configured machine_type '"microvm"')
	runs_with "$config"
	started_with "$config"
	argument microvm
	[ "$(kata exec c1 echo inside)" = inside ]
	kata delete --force c1
}

@test "rootless: the machine is nobody's but its own user's" {
	config=$(configured rootless true)
	runs_with "$config"
	started_with "$config"
	[ "$(stat -c %u "/proc/$vmm")" -ge $((0x70000000)) ]
	[ "$(kata exec c1 id -u)" = 0 ]
	kata delete --force c1
}

@test "microvm and rootless together" {
	runs_with "$(configured machine_type '"microvm"' rootless true)"
}

# default_memory of 256 is 128 pages of 2 MiB; room for a machine that is about to go is left.
@test "memory on huge pages" {
	echo 300 >"$PAGES" || skip "$PAGES cannot be written"
	[ "$(cat "$PAGES")" -ge 160 ] || skip "the host has no 160 huge pages together: $(cat "$PAGES")"
	config=$(configured enable_hugepages true default_memory 256)
	runs_with "$config"
	started_with "$config"
	[ "$(awk '/^(Shared|Private)_Hugetlb/ { n += $2 } END { print n }' "/proc/$vmm/smaps_rollup")" -gt 0 ]
	kata delete --force c1
	leak_check
	[ "$(awk '/^HugePages_Free/ { print $2 }' /proc/meminfo)" = "$(cat "$PAGES")" ]
}

# The cloud kernel has no 9p. The second image is made once, in 30 s and with the network, and stays in build/.
make_guest_with_9p() {
	"$TREE/guest-image/build" --kernel-package linux-image-amd64 --cache "$TREE/build/cache" \
		--agent "$TREE/build/kata-agent" --out "$TREE/build/guest-9p"
	by_9p=(shared_fs '"virtio-9p"' kernel "\"$TREE/build/guest-9p/vmlinux\"" initrd "\"$TREE/build/guest-9p/initrd.img\"")
}

# bats test_tags=host
@test "files by 9p, without a virtiofsd" {
	[ "$(uname -m)" = x86_64 ] || skip "the name of the kernel package is that of x86_64"
	make_guest_with_9p
	config=$(configured "${by_9p[@]}")
	runs_with "$config"
	started_with "$config"
	argument virtio-9p
	nothing_is_called virtiofsd
	ln -s nowhere "$ROOTFS/tmp/link"
	kata exec --cap CAP_CHOWN c1 sh -c 'touch /tmp/f && chmod 640 /tmp/f && chown 12:34 /tmp/f && readlink /tmp/link && ls /bin | wc -l' >"$WORK/out"
	[ "$(stat -c %u:%g:%a "$ROOTFS/tmp/f")" = 12:34:640 ]
	[ "$(cat "$WORK/out")" = "nowhere
$(find "$ROOTFS/bin" -mindepth 1 | wc -l)" ]
	# It serves files of all owners, and can neither make devices nor see any but the share's.
	[ "$(capabilities)" = "$(printf %016x $((1 << 0 | 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 31)))" ]
	[ "$(stat -c %u "/proc/$vmm")" -ge $((0x70000000)) ]
	[ "$(ls "/proc/$vmm/root")" = proc ]
	run kata exec --cap CAP_MKNOD c1 mknod /tmp/null c 1 3
	[[ $output == *"Operation not permitted"* ]]
	[ ! -e "$ROOTFS/tmp/null" ]
	kata delete --force c1
	runs_with "$(configured machine_type '"microvm"' "${by_9p[@]}")"
}

@test "9p with a kernel that has none: a sentence" {
	local configuration debian=$TREE/build/debian-guest
	local -a without=()
	# The lean kernel has it; `make check` puts Debian's beside that.
	if kata run --bundle "$(bundle look . grep -qw 9p /proc/filesystems)" c2 </dev/null; then
		[ -e "$debian/vmlinux" ] || skip "this kernel has 9p"
		without=(kernel "\"$debian/vmlinux\"" initrd "\"$debian/initrd.img\"")
	fi
	configuration=$(configured shared_fs '"virtio-9p"' "${without[@]}")
	refused "this guest has no file system '9p'" "$configuration"
}

@test "no huge pages where they are asked for: a sentence" {
	[ -w "$PAGES" ] || skip "$PAGES cannot be written"
	echo 0 >"$PAGES"
	refused "[Mm]emory" "$(configured enable_hugepages true default_memory 256)"
}

# modules LIST: the configuration of the tree with that list of modules for the guest. Prints its path.
modules() {
	sed "s|^kernel_modules = .*|kernel_modules = $1|" "$TREE/build/configuration.toml" >"$WORK/modules.toml"
	grep -qxF "kernel_modules = $1" "$WORK/modules.toml"
	echo "$WORK/modules.toml"
}

@test "modules that the configuration names: loaded, or built in; one that the guest does not have is named" {
	runs_with "$(modules '["virtio_rng", "tcp-cubic", "crc16 built=in"]')"
	refused "this guest has no module 'no_such_module'" "$(modules '["virtio_rng", "no_such_module a=1"]')"
}
