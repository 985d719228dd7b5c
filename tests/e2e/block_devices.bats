#!/usr/bin/env bats
# shellcheck disable=SC2030,SC2031 # each test has its own DEVICE
# Block devices of the host as nodes in a container (linux.devices, and bind mounts of nodes): what a program does with one has the same result as with
# runc, and QEMU gets that device and no more of it than the rules allow. Those of a pod are in cri.bats.

load lib/common

setup() {
	common_setup
	LOOPS=()
}

teardown() {
	local device
	for device in "${LOOPS[@]}"; do
		losetup -d "$device"
	done
	common_teardown
}

# device FILE BYTES [OPTION...]: sets DEVICE to a block device of a new file, with MAJOR and MINOR.
device() {
	local file=$WORK/$1
	truncate -s "$2" "$file"
	shift 2
	DEVICE=$(losetup --find --show "$@" "$file") || skip "this host gives no loop device"
	LOOPS+=("$DEVICE")
	numbers_of "$DEVICE"
}

numbers_of() {
	MAJOR=$((0x$(stat -c %t "$1")))
	MINOR=$((0x$(stat -c %T "$1")))
}

# rules ACCESS: a filter that gives the container the device, with a rule for it.
rules() {
	echo '.linux.devices = [{path: "/dev/disk", type: "b", major: '"$MAJOR"', minor: '"$MINOR"', fileMode: 432, uid: 0, gid: 0}]
		| .linux.resources.devices = [{allow: false, access: "rwm"}'"${1:+, {allow: true, type: \"b\", major: $MAJOR, minor: $MINOR, access: \"$1\"\}}"']'
}

# both NAME FILTER SCRIPT: runs it with either; what is written is taken back between. The script says all on one stream,
# because two arrive in no order.
both() {
	local dir
	dir=$(bundle "$1" "$2" sh -c "exec 2>&1; $3")
	cp "$WORK/data" "$WORK/before"
	timeout -k 1 100 runc --root "$WORK/runc" run --bundle "$dir" "kata-peer-$1" </dev/null >"$WORK/theirs.$1" 2>&1 ||
		echo "ended with $?" >>"$WORK/theirs.$1"
	cp "$WORK/data" "$WORK/theirs.data"
	dd if="$WORK/before" of="$DEVICE" conv=fsync status=none 2>/dev/null || true
	timeout -k 1 100 "$TREE/build/kata-runtime" --root "$ROOT" run --bundle "$dir" "$1" </dev/null >"$WORK/ours.$1" 2>&1 ||
		echo "ended with $?" >>"$WORK/ours.$1"
	sync "$DEVICE" 2>/dev/null || true # which one without a medium cannot be
	cat "$WORK/theirs.$1"
	diff "$WORK/theirs.$1" "$WORK/ours.$1"
	[ -s "$WORK/ours.$1" ]
	cmp "$WORK/theirs.data" "$WORK/data"
}

# What is written behind the first sector is kept.
USE='ls -l /dev/disk | cut -c 1-10; head -c 5 /dev/disk; blockdev --getsize64 /dev/disk; blockdev --getss /dev/disk
	echo written | dd of=/dev/disk bs=4096 seek=2 conv=notrunc,fsync 2>&1 | grep -v record
	dd if=/dev/disk bs=4096 skip=2 count=1 2>/dev/null | head -c 7; dd if=/dev/disk of=/dev/null bs=1M 2>&1 | tail -1 | cut -d" " -f1'

@test "a disk of the host is read and written, as the rules say, with the same result as under runc" {
	device data 8M
	echo first >"$WORK/text"
	dd if="$WORK/text" of="$DEVICE" conv=notrunc,fsync status=none
	both all "$(rules rwm)" "$USE"
	grep -q written "$WORK/ours.all"
	both reads "$(rules r)" "$USE"
	both writes "$(rules w)" "$USE"
	both nothing "$(rules '')" "$USE"
	both driver "$(rules '') | .linux.resources.devices += [{allow: true, type: \"b\", major: $MAJOR, access: \"rw\"}]" "$USE"
	both taken "$(rules rwm) | .linux.resources.devices += [{allow: false, type: \"b\", major: $MAJOR, minor: $MINOR, access: \"w\"}]" "$USE"
	head -c 1M /dev/urandom | dd of="$DEVICE" bs=1M seek=4 conv=notrunc,fsync status=none
	both discards "$(rules rw)" 'blkdiscard -o 4M -l 1M /dev/disk; dd if=/dev/disk bs=1M skip=4 count=1 2>/dev/null | tr -d "\\0" | wc -c'
	[ "$(tail -1 "$WORK/ours.discards")" -eq 0 ]
	both twice "$(rules rw) | .linux.devices += [.linux.devices[0] | .path = \"/dev/again\"]" \
		'echo new >/dev/disk; sync; head -c 3 /dev/again'
	both owner "$(rules rw) | .linux.devices[0] += {uid: 5, gid: 6} | .process.user = {uid: 5, gid: 5} | .process.capabilities = {}" "$USE"
}

@test "a disk that takes no writes, one of large sectors, and a device without a medium are as under runc" {
	device data 8M --read-only
	both readonly "$(rules rwm)" "$USE"
	device data 8M --sector-size 4096
	both sectors "$(rules rwm)" "$USE"
	grep -qx 4096 "$WORK/ours.sectors"
	losetup -d "$DEVICE"
	LOOPS=("${LOOPS[0]}")
	both empty "$(rules rwm)" "$USE"
}

@test "a partition is the disk that the container gets" {
	device data 16M --partscan
	# A DOS partition table: two of type 83, at sectors 2048 and 16384, of 8192 each.
	printf '\0\0\0\0\x83\0\0\0\0\x08\0\0\0\x20\0\0\0\0\0\0\x83\0\0\0\0\x40\0\0\0\x20\0\0' |
		dd of="$DEVICE" bs=1 seek=446 conv=notrunc status=none
	printf '\x55\xaa' | dd of="$DEVICE" bs=1 seek=510 conv=notrunc,fsync status=none
	partx --update "$DEVICE" || partx --add "$DEVICE"
	wait_for 60 [ -e "/sys/class/block/${DEVICE#/dev/}p2" ]
	[ -b "${DEVICE}p2" ] || skip "this host has no nodes for partitions"
	printf 'second part' | dd of="$WORK/data" bs=512 seek=16384 conv=notrunc,fsync status=none
	blockdev --flushbufs "$DEVICE"
	numbers_of "${DEVICE}p2"
	DEVICE=${DEVICE}p2
	cp "$WORK/data" "$WORK/whole"
	run kata run --bundle "$(bundle part "$(rules rw)" sh -c 'head -c 11 /dev/disk; blockdev --getsize64 /dev/disk; echo of two >/dev/disk; sync')" part
	echo "$output"
	[ "$output" = "second part$((8192 * 512))" ]
	sync "$DEVICE"
	[ "$(dd if="$WORK/data" bs=512 skip=16384 count=1 status=none | head -c 6)" = "of two" ]
	cmp -n $((16384 * 512)) "$WORK/whole" "$WORK/data"
}

# vmm_disks: the block devices that QEMU has open, and how: 0 for reading, 2 for both.
vmm_disks() {
	local pid fd
	pid=$(pgrep -f -- "-name kata-$1")
	for fd in "/proc/$pid/fd"/*; do
		[ -b "$fd" ] || continue
		echo "$(readlink "$fd") $((0$(sed -n 's/^flags:[[:space:]]*//p' "/proc/$pid/fdinfo/${fd##*/}") & 3))"
	done | sort -u
}

@test "QEMU has that device and no other, and cannot write where the container must not" {
	local other
	device other 8M
	other=$DEVICE
	device data 8M
	# Of what the rules keep it from nothing is opened.
	kata run --detach --bundle "$(bundle a "$(rules r) | .linux.devices += [{path: \"/dev/other\", type: \"b\",
		major: $MAJOR, minor: $((0x$(stat -c %T "$other")))}]" sleep 1000)" a
	[ "$(vmm_disks a)" = "$DEVICE 0" ]
	kata exec a head -c 1 /dev/disk | od -c | grep -q '\\0'
	run kata exec a dd if=/dev/other of=/dev/null count=1
	echo "$output"
	[[ $output == *"Operation not permitted"* ]]
	kata delete --force a
	kata run --detach --bundle "$(bundle b "$(rules rw)" sleep 1000)" b
	[ "$(vmm_disks b)" = "$DEVICE 2" ]
	kata delete --force b
	# It was given back: nobody has it open.
	losetup -d "$other"
	LOOPS=("$DEVICE")
	[ -z "$(losetup -j "$WORK/other")" ]
}

@test "what cannot be lent is refused in a sentence" {
	local config=$WORK/configuration.toml
	device data 8M
	sed 's/^disable_block_device_use = .*/disable_block_device_use = true/' "$TREE/build/configuration.toml" >"$config"
	KATA_CONF_FILE=$config run kata run --bundle "$(bundle kept "$(rules r)" true)" kept
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"linux.devices[0]: '/dev/disk': block devices are not passed on (key 'disable_block_device_use')"* ]]
	# Its node is gone, as when a disk is pulled out while its container is made.
	run unshare --mount sh -c 'mount --bind /dev/null "$1"; shift; exec "$@"' - "$DEVICE" \
		"$TREE/build/kata-runtime" --root "$ROOT" run --bundle "$(bundle gone "$(rules r)" true)" gone
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"linux.devices[0]: '/dev/disk': this host has no node for block device $MAJOR:$MINOR"* ]]
	# All devices were asked for, so this one was not in particular.
	run kata run --bundle "$(bundle every "$(rules r) | .linux.resources.devices = [{allow: true, access: \"rwm\"}]" ls /dev/disk)" every
	echo "$output"
	[[ $output == *"No such file"* ]]
}

@test "a disk that fails is an error for the container, not the end of its machine" {
	device data 8M
	kata run --detach --bundle "$(bundle a "$(rules rw)" sleep 1000)" a
	truncate -s 0 "$WORK/data"
	blockdev --flushbufs "$DEVICE"
	run kata exec a dd if=/dev/disk of=/dev/null bs=4096 count=1 skip=100 iflag=direct
	echo "$output"
	[[ $output == *"Input/output error"* ]]
	[ "$(kata exec a echo lives)" = lives ]
}

# bound OPTIONS ACCESS [RULE]: a filter that bind-mounts the node of the device with these options (", \"ro\""), with a rule for it.
bound() {
	echo '.mounts += [{destination: "/dev/disk", type: "bind", source: "'"$DEVICE"'", options: ["rbind"'"$1"']}]
		| .linux.resources.devices = [{allow: false, access: "rwm"}'"${2:+, {allow: true, type: \"b\", major: $MAJOR, minor: $MINOR, access: \"$2\"\}}${3:+, $3}"']'
}

@test "a node that is bind-mounted is the disk, as the rules say, with the same result as under runc" {
	local node=$WORK/node
	device data 8M
	echo first >"$WORK/text"
	dd if="$WORK/text" of="$DEVICE" conv=notrunc,fsync status=none
	# The rights are the node's, wherever it is.
	mknod --mode=640 "$node" b "$MAJOR" "$MINOR"
	chown 5:6 "$node"
	USE="ls -ln /dev/disk | cut -d ' ' -f 1-4; $USE"
	both bound_all "$(bound '' rwm)" "$USE"
	grep -q written "$WORK/ours.bound_all"
	both bound_reads "$(bound '' r)" "$USE"
	both bound_nothing "$(bound '' '')" "$USE"
	both bound_nodev "$(bound ', "nodev"' rwm)" "$USE"
	both bound_privileged "$(bound '' '' '{allow: true, access: "rwm"}')" "$USE"
	grep -q written "$WORK/ours.bound_privileged"
	both bound_taken "$(bound '' rwm "{allow: false, type: \"b\", major: $MAJOR, minor: $MINOR, access: \"w\"}")" "$USE"
	both bound_node "$(bound '' rw) | .mounts[-1].source = \"$node\" | .process.user = {uid: 0, gid: 6} | .process.capabilities = {}" "$USE"
	both bound_elsewhere "$(bound '' rw) | .mounts[-1].destination = \"/srv/disk\"" 'ls -ln /srv/disk | cut -d " " -f 1-4; head -c 5 /srv/disk'
	both bound_twice "$(bound '' rw) | .mounts += [.mounts[-1] | .destination = \"/srv/disk\"]" \
		'echo new >/dev/disk; sync; head -c 3 /srv/disk'
	both bound_and_listed "$(rules rw) | .mounts += [{destination: \"/dev/disk\", type: \"bind\", source: \"$DEVICE\", options: [\"bind\"]},
		{destination: \"/srv/disk\", type: \"bind\", source: \"$DEVICE\", options: [\"bind\"]}]" \
		'echo new >/dev/disk; sync; head -c 3 /srv/disk; ls -ln /dev/disk | cut -d " " -f 1-4'
}

@test "a node that is bind-mounted read-only takes no writes, whatever the rules and other mounts say" {
	local script='head -c 5 /dev/disk; dd if=/dev/zero of=/dev/disk bs=512 count=1 conv=fsync 2>&1 | grep -v record'
	device data 8M
	echo first >"$WORK/text"
	dd if="$WORK/text" of="$DEVICE" conv=notrunc,fsync status=none
	run kata run --bundle "$(bundle ro "$(bound ', "ro"' '' '{allow: true, access: "rwm"}')" sh -c "$script")" ro
	echo "$output"
	[[ $output == *first*"Operation not permitted"* ]]
	[ "$(head -c 5 "$DEVICE")" = first ]
	# Of the same disk another node may be written, and QEMU has one of each kind.
	kata run --detach --bundle "$(bundle two "$(bound ', "ro"' rw) | .mounts += [.mounts[-1] | .destination = \"/dev/written\" | .options = [\"bind\"]]" sleep 1000)" two
	[ "$(vmm_disks two)" = "$DEVICE 0"$'\n'"$DEVICE 2" ]
	run kata exec two sh -c "$script; echo other >/dev/written; sync"
	echo "$output"
	[[ $output == *first*"Operation not permitted"* ]]
	[ "$(head -c 5 "$DEVICE")" = other ]
}
