#!/usr/bin/env bats
# Root file systems and mounts that are disks, as containerd's snapshotters hand them over in Create: block devices, images,
# EROFS layers. The shim is driven over its own socket, because containerd 1.6 has such a snapshotter only on device-mapper;
# beside it, where the result is to be the same, runc on the same disk, mounted here.

load lib/common

setup_file() {
	make -s -C "$BATS_TEST_DIRNAME/../.." build/tests/interop-task
}

setup() {
	common_setup
	NS=kata-blocks-$$
	CONFIG=$WORK/configuration.toml
	cp "$TREE/build/configuration.toml" "$CONFIG"
	LOOPS=()
}

teardown() {
	local dir device
	for dir in "$WORK"/shim-*; do
		[ ! -s "$dir/address" ] || shim_end "${dir##*/shim-}"
	done
	for device in "${LOOPS[@]}"; do
		losetup -d "$device"
	done
	rmdir /run/containerd/s /run/containerd/runc/"$NS" /run/containerd/runc /run/containerd 2>/dev/null || true
	common_teardown
}

# image FILE: an ext4 with the root for containers in it.
image() {
	mkfs.ext4 -q -F -d "$ROOTFS" "$1" 24M
}

# device FILE: sets DEVICE to a block device of it.
device() {
	DEVICE=$(losetup --find --show "$1") || skip "this host gives no loop device"
	LOOPS+=("$DEVICE")
}

# has IMAGE PATH: what the file PATH has in an image that nobody uses any more, which must be whole.
has() {
	e2fsck -fn "$1" >"$WORK/fsck" 2>&1 || {
		cat "$WORK/fsck"
		return 1
	}
	debugfs -R "cat $2" "$1" 2>/dev/null
}

# shim_bundle ID SCRIPT [JQ-FILTER]: a bundle whose root is made by the shim.
shim_bundle() {
	local dir=$WORK/shim-$1
	mkdir -p "$dir/rootfs"
	kata spec --bundle "$dir"
	jq --arg script "$2" --arg path "/$NS-$1" '.process.args = ["sh", "-c", $script] | .process.terminal = false
		| .process.rlimits = [] | .root = {path: "rootfs", readonly: false} | .linux.cgroupsPath = $path | '"${3:-.}" \
		"$dir/config.json" >"$dir/new"
	mv "$dir/new" "$dir/config.json"
	mkfifo "$dir/log" "$dir/fifo"
}

# shim_start ID: as containerd starts it.
shim_start() {
	local dir=$WORK/shim-$1
	# Somebody reads the log.
	cat <>"$dir/log" >"$dir/log.txt" 2>/dev/null 3>&- &
	echo $! >"$dir/readers"
	(cd "$dir" && KATA_CONF_FILE=$CONFIG timeout -k 1 60 "$TREE/build/containerd-shim-kata-v2" -namespace "$NS" \
		-address "$WORK/no.sock" -publish-binary /bin/true -id "$1" start >address 2>start.err 3>&-)
}

# task ID METHOD ARG...: a call of the shim that has the container.
task() {
	local id=$1
	shift
	timeout -k 1 60 "$TREE/build/tests/interop-task" "$(cat "$WORK/shim-$id/address")" "$@"
}

create() {
	local id=$1 dir=$WORK/shim-$1
	shift
	cat "$dir/fifo" >"$dir/out" 2>/dev/null 3>&- &
	echo $! >>"$dir/readers"
	task "$id" Create "id=$id" "bundle=$dir" "stdout=$dir/fifo" "$@"
}

# finish ID: starts it and waits for its end; prints its output.
finish() {
	local dir=$WORK/shim-$1
	task "$1" Start "id=$1" , Wait "id=$1" >"$dir/end"
	wait_for 60 gone "$(tail -1 "$dir/readers")"
	cat "$dir/out"
	grep -q 'Wait exited_at' "$dir/end" || {
		cat "$dir/end"
		return 1
	}
	task "$1" Delete "id=$1" >/dev/null
}

shim_end() {
	local dir=$WORK/shim-$1 pid
	task "$1" Kill "id=$1" signal=9 , Wait "id=$1" >/dev/null 2>&1 || true
	task "$1" Delete "id=$1" >/dev/null 2>&1 || true
	task "$1" Shutdown "id=$1" >/dev/null 2>&1 || true
	while read -r pid; do
		kill "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done <"$dir/readers"
	rm "$dir/address"
}

# once ID SCRIPT ROOTFS...: one container with this root to its end; prints its output.
once() {
	local id=$1
	shim_bundle "$id" "$2"
	shift 2
	shim_start "$id"
	create "$id" "$@" >"$WORK/shim-$id/created" || {
		cat "$WORK/shim-$id/created"
		return 1
	}
	finish "$id"
	shim_end "$id"
}

# runc_once ID SCRIPT DEVICE: the same with runc, on a device that is mounted here.
runc_once() {
	local dir=$WORK/runc-$1 code=0
	mkdir -p "$dir/rootfs"
	mount -t ext4 "$3" "$dir/rootfs"
	kata spec --bundle "$dir"
	jq --arg script "$2" '.process.args = ["sh", "-c", $script] | .process.terminal = false | .process.rlimits = []
		| .root.readonly = false' "$dir/config.json" >"$dir/new"
	mv "$dir/new" "$dir/config.json"
	timeout -k 1 60 runc --root "$WORK/runc" run --bundle "$dir" "$NS-$1" </dev/null || code=$?
	umount "$dir/rootfs"
	return $code
}

# pod_start [ROOTFS...]: a machine whose first container stays, for others.
pod_start() {
	shim_bundle pod 'sleep 1000' '.annotations = {"io.kubernetes.cri.sandbox-id": "pod"}'
	shim_start pod
	create pod "$@"
	task pod Start id=pod
}

# member ID SCRIPT ROOTFS...: creates one more container in the pod.
member() {
	local id=$1
	shim_bundle "$id" "$2" '.annotations = {"io.kubernetes.cri.sandbox-id": "pod"}'
	shift 2
	cp "$WORK/shim-pod/address" "$WORK/shim-$id/address"
	create "$id" "$@"
}

# forget ID: a container of the pod that is deleted.
forget() {
	rm -r "$WORK/shim-$1"
}

vmm_descriptors() {
	local pid
	pid=$(pgrep -f -- "-name kata-pod")
	# Those of files that it opened for a moment are not counted.
	find "/proc/$pid/fd" -lname "$WORK/*" 2>/dev/null | wc -l
}

@test "a block device is the root: what is written is on it, as under runc" {
	local script='echo was $(cat /file); echo "of $0" >/file; ls -d /lost+found; sed -n "1s/.* \/ \([^ ]*\) .*/\1/p" /proc/mounts'
	image "$WORK/disk"
	device "$WORK/disk"
	runc_once first "$script" "$DEVICE" >"$WORK/theirs"
	once ours "$script" "rootfs=ext4|$DEVICE|rw" >"$WORK/ours"
	runc_once last "$script" "$DEVICE" >"$WORK/after"
	tail "$WORK/theirs" "$WORK/ours" "$WORK/after"
	diff <(tail -n +2 "$WORK/theirs") <(tail -n +2 "$WORK/ours")
	[ "$(head -1 "$WORK/ours")" = "was of sh" ]
	[ "$(head -1 "$WORK/after")" = "was of sh" ]
	[ "$(has "$WORK/disk" /file)" = "of sh" ]
}

@test "a pod: images come and go, each container has its own, and one that is in use is refused" {
	local n before
	image "$WORK/pod.img"
	image "$WORK/a.img"
	image "$WORK/b.img"
	pod_start "rootfs=ext4|$WORK/pod.img|rw|loop"
	before=$(vmm_descriptors)
	[ "$before" -gt 0 ]
	# Two at once.
	member a 'echo of a >/file; sleep 1000' "rootfs=ext4|$WORK/a.img|rw|loop"
	task a Start id=a
	run member again true "rootfs=ext4|$WORK/a.img|rw|loop"
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *"'$WORK/a.img' is used by another machine or container"* ]]
	member b 'echo of b >/file; cat /file' "rootfs=ext4|$WORK/b.img|rw|loop"
	[ "$(finish b)" = "of b" ]
	[ "$(has "$WORK/b.img" /file)" = "of b" ]
	task a Kill id=a signal=9 , Wait id=a
	task a Delete id=a
	[ "$(has "$WORK/a.img" /file)" = "of a" ]
	# More than the machine has places for: each place is used again.
	for n in {1..40}; do
		member "m$n" "echo $n >>/all; tail -1 /all" "rootfs=ext4|$WORK/b.img|rw|loop" >/dev/null
		[ "$(finish "m$n")" = "$n" ]
		forget "m$n"
	done
	[ "$(has "$WORK/b.img" /all | wc -l)" -eq 40 ]
	[ "$(vmm_descriptors)" -eq "$before" ]
	# A read-only snapshot, and something that is no disk.
	member ro 'echo no >/file || cat /file' "rootfs=ext4|$WORK/b.img|ro|loop"
	[[ $(finish ro) == *"of b" ]]
	run member none true "rootfs=ext4|$WORK|rw"
	[[ $output == *"'$WORK' is neither a block device nor an image file"* ]]
	rm -f "$WORK/shim-none/address"
	run member odd true "rootfs=nfs|server:/x|rw"
	echo "$output"
	[[ $output == *"type 'nfs' is not supported"* ]]
	run member xfs true "rootfs=xfs|$WORK/a.img|rw"
	echo "$output"
	# The lean kernel has xfs, so there the mount fails instead: what is in the image is ext4.
	[[ $output == *"this guest has no file system 'xfs'"* || $output == *"mount xfs "*"Invalid argument"* ]]
	# The disk of the refused one was given back.
	member a2 'cat /file' "rootfs=ext4|$WORK/a.img|rw|loop"
	[ "$(finish a2)" = "of a" ]
}

@test "a device that the host has mounted is refused" {
	image "$WORK/disk"
	device "$WORK/disk"
	mkdir "$WORK/mnt"
	mount "$DEVICE" "$WORK/mnt"
	run once ours true "rootfs=ext4|$DEVICE|rw"
	umount "$WORK/mnt"
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *"'$DEVICE' is mounted on the host or used by a machine"* ]]
}

# Until QEMU has died, too.
runs_again() {
	rm -rf "$WORK/shim-again"
	once again 'cat /file' "rootfs=ext4|$DEVICE|rw" >"$WORK/again" || {
		shim_end again
		return 1
	}
}

@test "a shim that is killed lets go of its disk, and what was synced is on it" {
	local dir=$WORK/shim-ours server
	image "$WORK/disk"
	device "$WORK/disk"
	shim_bundle ours 'echo synced >/file; sync; echo ready; sleep 1000'
	shim_start ours
	create ours "rootfs=ext4|$DEVICE|rw"
	task ours Start id=ours
	wait_for 60 grep -q ready "$dir/out"
	server=$(task ours Connect id=ours | sed -n 's/.*shim_pid=\([0-9]*\).*/\1/p')
	kill -9 "$server"
	wait_for 60 gone "$server"
	(cd "$dir" && timeout -k 1 60 "$TREE/build/containerd-shim-kata-v2" -namespace "$NS" -address "$WORK/no.sock" \
		-publish-binary /bin/true -id ours -bundle "$dir" delete >/dev/null 2>&1 3>&-)
	shim_end ours
	wait_for 60 runs_again
	[ "$(cat "$WORK/again")" = synced ]
}

@test "a block device is refused where the administrator forbids it, an image is not" {
	image "$WORK/disk"
	device "$WORK/disk"
	sed 's/^#* *disable_block_device_use *=.*/disable_block_device_use = true/' "$CONFIG" >"$WORK/none.toml"
	grep -q '^disable_block_device_use = true' "$WORK/none.toml"
	cp "$WORK/none.toml" "$CONFIG"
	run once ours true "rootfs=ext4|$DEVICE|rw"
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *"'$DEVICE' is a block device, which are not passed on (key 'disable_block_device_use')"* ]]
	losetup -d "$DEVICE"
	LOOPS=()
	[ "$(once image 'echo runs' "rootfs=ext4|$WORK/disk|rw|loop")" = runs ]
}

@test "EROFS layers with an image to write into are joined in the guest" {
	local id
	command -v mkfs.erofs >/dev/null || skip "mkfs.erofs is not installed"
	mkdir -p "$WORK/upper layer/etc"
	echo above >"$WORK/upper layer/etc/passwd"
	mkfs.erofs "$WORK/base.erofs" "$ROOTFS" >/dev/null
	mkfs.erofs "$WORK/top.erofs" "$WORK/upper layer" >/dev/null
	local layers=("rootfs=erofs|$WORK/base.erofs|ro|loop" "rootfs=erofs|$WORK/top.erofs|ro|loop")
	local overlay='rootfs=format/mkdir/overlay|overlay|X-containerd.mkdir.path={{ mount 2 }}/upper:0755|X-containerd.mkdir.path={{ mount 2 }}/work:0755|workdir={{ mount 2 }}/work|upperdir={{ mount 2 }}/upper|lowerdir={{ overlay 1 0 }}'
	image "$WORK/pod.img"
	pod_start "rootfs=ext4|$WORK/pod.img|rw|loop"
	# Both have the layers, and an image of their own, which is made.
	for id in a b; do
		member $id "cat /etc/passwd; echo of $id >/etc/new; rm /bin/cat; ls /etc/new" "${layers[@]}" \
			"rootfs=mkfs/ext4|$WORK/$id.img|X-containerd.mkfs.fs=ext4|X-containerd.mkfs.size=33554432|rw|loop" "$overlay"
	done
	for id in a b; do
		run finish $id
		echo "$output"
		[ "$output" = $'above\n/etc/new' ]
		[ "$(has "$WORK/$id.img" /upper/etc/new)" = "of $id" ]
	done
	# The image is used again as it is; and the lower layers alone.
	member c 'ls /etc/new /bin/cat 2>/dev/null || true' "${layers[@]}" "rootfs=mkfs/ext4|$WORK/a.img|X-containerd.mkfs.size=33554432|rw|loop" "$overlay"
	[ "$(finish c)" = /etc/new ]
	member d 'cat /etc/passwd; echo x >/x || echo kept out' "${layers[@]}" 'rootfs=format/overlay|overlay|lowerdir={{ overlay 1 0 }}'
	[[ $(finish d) == above*"kept out" ]]
	# What the guest cannot join.
	run member e true "${layers[@]}" "rootfs=format/mkdir/overlay|overlay|upperdir=$WORK/u|workdir=$WORK/w|lowerdir={{ overlay 1 0 }}"
	echo "$output"
	[[ $output == *"type 'format/mkdir/overlay': '$WORK/u' of 'upperdir' is a folder of the host"* ]]
	run member f true "rootfs=erofs|$WORK/base.erofs|ro|device=$WORK/top.erofs"
	[[ $output == *"type 'erofs': option 'device=$WORK/top.erofs': an EROFS of several devices is not supported"* ]]
	run member g true "${layers[0]}|X-containerd.dmverity=/x"
	[[ $output == *"option 'X-containerd.dmverity=/x' is not supported"* ]]
}

@test "microvm takes the disks that it starts with, and says that it takes no others" {
	image "$WORK/disk"
	sed 's/^#* *machine_type *=.*/machine_type = "microvm"/' "$CONFIG" >"$WORK/microvm.toml"
	grep -q '^machine_type = "microvm"' "$WORK/microvm.toml"
	cp "$WORK/microvm.toml" "$CONFIG"
	image "$WORK/other"
	pod_start "rootfs=ext4|$WORK/disk|rw"
	run member late true "rootfs=ext4|$WORK/other|rw"
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *"a machine of type 'microvm' keeps the devices that it started with"* ]]
	shim_end pod
	[ "$(has "$WORK/disk" /etc/passwd)" = "root:x:0:0:root:/root:/bin/sh" ]
}

@test "a mount of the specification that is a disk is mounted, as under runc" {
	local mount bundle script='cat /d/etc/passwd; echo written >/d/file; grep -c " /d ext4 rw" /proc/mounts; grep -c " /ro ext4 ro" /proc/mounts'
	image "$WORK/disk"
	image "$WORK/other"
	device "$WORK/disk"
	mount='[{destination: "/d", type: "ext4", source: "'$DEVICE'"},'
	device "$WORK/other"
	mount+='{destination: "/ro", type: "ext4", source: "'$DEVICE'", options: ["ro", "nosuid"]}]'
	bundle=$(bundle disks ".mounts += $mount" sh -c "$script")
	run kata run --bundle "$bundle" disks
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(has "$WORK/disk" /file)" = written ]
	jq '.process.rlimits = []' "$bundle/config.json" >"$bundle/new"
	mv "$bundle/new" "$bundle/config.json"
	[ "$output" = "$(timeout -k 1 60 runc --root "$WORK/runc" run --bundle "$bundle" "$NS-disks" </dev/null)" ]
}
