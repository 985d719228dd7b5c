#!/usr/bin/env bats
# What a machine takes of the host's memory, and gives back.

load lib/common

setup() {
	common_setup
}

teardown() {
	common_teardown
}

# starts_with VALUE: a container with a tmpfs, in a machine that gives freed memory back or does not.
starts_with() {
	sed -E "s/^reclaim_guest_freed_memory = .*/reclaim_guest_freed_memory = $1/" "$TREE/build/configuration.toml" >"$WORK/configuration.toml"
	grep -qx "reclaim_guest_freed_memory = $1" "$WORK/configuration.toml"
	kata --config "$WORK/configuration.toml" run -d --bundle "$(bundle b '.mounts += [{
		destination: "/big", type: "tmpfs", source: "tmpfs", options: ["size=300m"]}]' sleep 1000)" c1 </dev/null >/dev/null 2>&1
	vmm=$(kata describe c1 | sed -n 's/^hypervisor .*process //p')
}

# What the host has given for the guest's memory, in MiB: the blocks of the file that it is.
given() {
	local fd
	for fd in /proc/"$vmm"/fd/*; do
		[[ $(readlink "$fd") != /memfd:guest-memory* ]] || echo $(($(stat -L -c %b "$fd") / 2048))
	done | sort -n | tail -1
}

at_most() {
	[ "$(given)" -le "$1" ]
}

use_and_free() {
	kata exec c1 dd if=/dev/zero of=/big/file bs=1M count=256 2>/dev/null
	used=$(given)
	[ "$used" -ge $((before + 230)) ]
	kata exec c1 rm /big/file
}

# The bound is nine tenths of what was used. A guest tells of freed pages after two seconds; a busy host makes that more.
@test "memory that a workload has freed is the host's again" {
	starts_with true
	[ -n "$vmm" ]
	before=$(given)
	use_and_free
	wait_for 30 at_most $((before + (used - before) / 10))
	echo "before $before MiB, used $used MiB, then $(given) MiB"
	[ "$(kata exec c1 echo inside)" = inside ]
	# It is still the guest's to use.
	use_and_free
	kata delete --force c1
}

@test "memory stays the guest's where it is not to be given back" {
	starts_with false
	before=$(given)
	use_and_free
	if wait_for 10 at_most $((before + (used - before) / 2)); then
		echo "before $before MiB, used $used MiB, then $(given) MiB"
		false
	fi
	kata delete --force c1
}

# QEMU would keep the whole file mapped as long as it lives.
@test "QEMU has none of the kernel's file mapped" {
	starts_with true
	[ "$(kata exec c1 echo inside)" = inside ]
	grep -q guest-memory "/proc/$vmm/maps"
	! grep vmlinux "/proc/$vmm/maps" || false
	kata delete --force c1
}
