#!/usr/bin/env bats
# A process of ours that somebody has taken over reaches nothing of the host: neither the kernel's rarer rooms, nor
# processes, nor names, nor sockets, nor devices. Every list of attacks is also run inside a plain process of root, where
# each must be let through: an attack that fails for a slip in it proves nothing.

bats_require_minimum_version 1.5.0
load ../e2e/lib/common
load lib/attack

setup_file() {
	attack_setup_file
	# c1 has an interface, so that its QEMU has a tap.
	export NETNS=net-${WORK##*-}
	ip netns add "$NETNS"
	ip -n "$NETNS" link add eth0 type veth peer name gw0
	ip -n "$NETNS" link set gw0 up
	ip -n "$NETNS" link set eth0 up
	machine_start c1 '.linux.namespaces |= map(if .type == "network" then .path = "/run/netns/\($ENV.NETNS)" else . end)'
	machine_start c2
}

setup() {
	fence_enter
}

teardown_file() {
	attack_teardown_file
	[ -z "${NETNS:-}" ] || ip netns delete "$NETNS"
}

# What root itself is not given on this machine can be no test of us here; by name, so that nothing else hides in it.
MACHINE_LACKS="perf_event_open|a socket for the kernel's ciphers|a vsock socket|kexec_load|(init|finit|delete)_module|ports|sysrq"

# open_to_root ATTACKS: in a plain process none is refused.
open_to_root() {
	local answers
	answers=$(inside "$PLAIN" <<<"$1")
	echo "$answers"
	echo "refused:"
	! grep -E ": ($NO)\$" <<<"$answers" | grep -vE "^($MACHINE_LACKS): "
}

# bats test_tags=box
@test "every attack on the kernel is let through for root" {
	open_to_root "$(attacks_on_kernel)"
}

@test "every attack on processes is let through for root" {
	open_to_root "$(attacks_on_processes)"
}

@test "every attack on names is let through for root" {
	open_to_root "$(attacks_on_names)"
}

# bats test_tags=box
@test "every attack by a descriptor and with a device node is let through for root" {
	open_to_root "by a folder: open @/proc/self/task O_PATH; openat \$1 @../../sys/kernel/core_pattern O_WRONLY"
	open_to_root "by a file: open @$WORK/host/file O_RDONLY; fchmod \$1 0644; fchown \$1 0 0; utimensat \$1 0 0 0"
	# A control group may keep the others from root.
	open_to_root "$(attacks_with_nodes "$WORK/host" | grep ^null)"
}

# bats test_tags=box
@test "QEMU: the kernel" {
	refused "$(process_of c1 qemu-system)" < <(attacks_on_kernel)
}

@test "QEMU: processes" {
	refused "$(process_of c1 qemu-system)" < <(attacks_on_processes)
}

@test "QEMU: names" {
	refused "$(process_of c1 qemu-system)" < <(attacks_on_names)
}

# bats test_tags=box
@test "QEMU: by what it has open" {
	refused "$(process_of c1 qemu-system)" < <(attacks_by_descriptors "$(process_of c1 qemu-system)")
}

# bats test_tags=box
@test "QEMU: by its tap" {
	local pid fd taps=0
	pid=$(process_of c1 qemu-system)
	for fd in /proc/"$pid"/fd/*; do
		[ "$(readlink "$fd")" = /dev/net/tun ] || continue
		taps=$((taps + 1))
		fd=${fd##*/}
		# TUNGETDEVNETNS and SIOCGSKNS: the namespace that it is in.
		refused "$pid" <<-END
			its namespace by $fd: ioctl $fd 0x54e3 0
			its socket's namespace by $fd: ioctl $fd 0x894c 0
			another by $fd: open @/proc/self/fd/$fd O_RDWR
			another: open @/dev/net/tun O_RDWR
		END
	done
	[ "$taps" -ge 1 ]
}

@test "virtiofsd: the kernel" {
	refused "$(process_of c1 virtiofsd)" < <(attacks_on_kernel)
}

@test "virtiofsd: processes" {
	refused "$(process_of c1 virtiofsd)" < <(attacks_on_processes)
}

@test "virtiofsd: names" {
	refused "$(process_of c1 virtiofsd)" < <(attacks_on_names)
}

@test "virtiofsd: by what it has open" {
	refused "$(process_of c1 virtiofsd)" < <(attacks_by_descriptors "$(process_of c1 virtiofsd)")
}

@test "virtiofsd: what is above its root" {
	refused "$(process_of c1 virtiofsd)" <<-END
		by a folder: open @/ O_RDONLY|O_DIRECTORY; openat \$1 @etc/shadow O_RDONLY
		upwards: open @/../../../etc/shadow O_RDONLY
	END
}

@test "virtiofsd: a device node, made or found, is none" {
	local pid
	pid=$(process_of c1 virtiofsd)
	mknod -m 666 "$WORK/c1.rw/found" c 1 3
	refused "$pid" < <(
		attacks_with_nodes "$(folder_seen "$pid" -rw)"
		echo "found: openat AT_FDCWD @$(folder_seen "$pid" -rw)/found O_RDWR"
		attacks_with_nodes /c1/rootfs
	)
}

@test "virtiofsd: a volume that is read-only stays so, and nothing in a share can be run" {
	local pid ro
	pid=$(process_of c1 virtiofsd)
	ro=$(folder_seen "$pid" -ro)
	[ -f "/proc/$pid/root$ro/file" ]
	refused "$pid" <<-END
		write: openat AT_FDCWD @$ro/file O_RDWR
		make: mkdirat AT_FDCWD @$ro/new 0755
		owner: fchownat AT_FDCWD @$ro/file 0 0 0
		code: openat AT_FDCWD @/c1/rootfs/bin/busybox O_RDONLY; mmap 0 4096 PROT_READ|PROT_EXEC MAP_PRIVATE \$1 0
		run: execve @/c1/rootfs/bin/busybox strings:true strings:A=1
		above: openat AT_FDCWD @/../../../etc/shadow O_RDONLY
	END
}

@test "the stand-in: the kernel" {
	refused "$(cat "$WORK/c1.pid")" < <(attacks_on_kernel)
}

@test "the stand-in: processes" {
	refused "$(cat "$WORK/c1.pid")" < <(attacks_on_processes)
}

@test "the stand-in: names" {
	refused "$(cat "$WORK/c1.pid")" < <(attacks_on_names)
}

# bats test_tags=box
@test "the machines work as before" {
	[ "$(kata exec c1 echo lives)" = lives ]
	[ "$(kata exec c2 cat /rw/file)" = text ]
}
