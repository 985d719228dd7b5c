#!/usr/bin/env bats
# Folders of the host that stand for a disk (kata-runtime direct-volume), as a storage driver of Kubernetes says of them: the
# file system is the guest's, for all containers of a pod, and no other machine has it meanwhile.

load lib/common
load lib/containerd
load lib/cri

setup() {
	common_setup
	mkdir "$WORK/volume"
	truncate -s 32M "$WORK/disk"
	mkfs.ext4 -q "$WORK/disk"
}

teardown() {
	kata direct-volume remove --volume-path "$WORK/volume"
	rmdir /run/kata-containers/shared/direct-volumes 2>/dev/null || true
	[ -z "${DEVICE:-}" ] || losetup -d "$DEVICE"
	common_teardown
}

# says JQ-FILTER: the volume is said to be that disk, changed by the filter.
says() {
	kata direct-volume add --volume-path "$WORK/volume" --mount-info "$(jq -n --arg device "${DEVICE:-$WORK/disk}" \
		'{"volume-type": "directvol", device: $device, fstype: "ext4"} | '"${1:-.}")"
}

# holder ID JQ-FILTER ARG...: a bundle with the volume on /v.
holder() {
	local id=$1 filter=$2
	shift 2
	bundle "$id" ".mounts += [{destination: \"/v\", type: \"bind\", source: \"$WORK/volume\", options: [\"rbind\"]}] | $filter" "$@"
}

# refused SENTENCE: a container with the volume is, and says that.
refused() {
	run kata run --bundle "$(holder "b-$RANDOM" . true)" c1
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"$1"* ]]
	[[ $output == *"$WORK/volume"* ]]
}

# has FILE: what is in it on the disk, which must be whole.
has() {
	e2fsck -fn "$WORK/disk" >"$WORK/fsck" 2>&1 || {
		cat "$WORK/fsck"
		return 1
	}
	debugfs -R "cat $1" "$WORK/disk" 2>/dev/null
}

@test "a container has the disk's files, and the folder of the host stays as it is" {
	says '.options = ["noatime"] | .metadata = {fsGroup: "77", fsGroupChangePolicy: "OnRootMismatch"}'
	run kata run --bundle "$(holder b1 . sh -c 'echo written >/v/new; stat -c "%g %a" /v; grep " /v " /proc/mounts; df -k /v | wc -l')" c1
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "77 2775" ]
	[[ ${lines[1]} == *" ext4 "*noatime* ]]
	[ "$(has /new)" = written ]
	[ -z "$(ls -A "$WORK/volume")" ]
}

@test "stats are those of the file system in the guest, while somebody has it" {
	local total
	says .
	run kata direct-volume stats --volume-path "$WORK/volume"
	[ "$status" -eq 1 ]
	[[ $output == *"no sandbox has the direct volume '$WORK/volume'"* ]]
	kata run -d --bundle "$(holder b1 . sleep 1000)" c1 </dev/null >/dev/null 2>&1
	kata direct-volume stats --volume-path "$WORK/volume" >"$WORK/stats"
	total=$(kata exec c1 sh -c 'stat -fc "%b %S" /v' | awk '{print $1 * $2}')
	[ "$(jq '.usage[] | select(.unit == 1) | .total' "$WORK/stats")" = "$total" ]
	[ "$(jq '.usage[] | select(.unit == 2) | .total' "$WORK/stats")" -gt 1000 ]
	# What is said is root's alone.
	[ "$(stat -c %a /run/kata-containers/shared/direct-volumes)" = 700 ]
	kata kill c1 KILL
	wait_for 60 is_status c1 stopped
	kata delete c1
	run kata direct-volume stats --volume-path "$WORK/volume"
	[ "$status" -eq 1 ]
}

# total: bytes that the guest's file system has, as stats say.
total() {
	kata direct-volume stats --volume-path "$WORK/volume" | jq '.usage[] | select(.unit == 1) | .total'
}

@test "a volume grows while it is used, an image and a block device" {
	local before
	says .
	run kata direct-volume resize --volume-path "$WORK/volume" --size 67108864
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"no sandbox has the direct volume '$WORK/volume'"* ]]
	kata run -d --bundle "$(holder b1 . sleep 1000)" c1 </dev/null >/dev/null 2>&1
	kata exec c1 sh -c 'echo kept >/v/file'
	before=$(total)
	# The disk comes first, and neither gets smaller.
	run kata direct-volume resize --volume-path "$WORK/volume" --size $((64 << 20))
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"it has $((32 << 20)) bytes, not $((64 << 20))"* ]]
	run kata direct-volume resize --volume-path "$WORK/volume" --size 64M
	[[ $output == *"--size is a number of bytes"* ]]
	truncate -s 64M "$WORK/disk"
	run kata direct-volume resize --volume-path "$WORK/volume" --size $((16 << 20))
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"cannot be made $((16 << 20)) bytes large"* ]]
	[ "$(total)" = "$before" ]
	kata direct-volume resize --volume-path "$WORK/volume" --size $((48 << 20))
	[ "$(total)" -gt $((before + (12 << 20))) ]
	kata direct-volume resize --volume-path "$WORK/volume" --size $((64 << 20))
	kata direct-volume resize --volume-path "$WORK/volume" --size $((64 << 20))
	[ "$(total)" -gt $((before + (26 << 20))) ]
	kata exec c1 sh -c 'head -c 45000000 /dev/zero >/v/much && cat /v/file'
	kata delete --force c1
	[ "$(has /file)" = kept ]
	[ "$(dumpe2fs -h "$WORK/disk" 2>/dev/null | sed -n 's/^Block count: *//p')" = "$(dumpe2fs -h "$WORK/disk" 2>/dev/null |
		awk '/^Block size/ {print (64 * 1024 * 1024) / $3}')" ]

	DEVICE=$(losetup --find --show "$WORK/disk") || skip "this host gives no loop device"
	says .
	kata run -d --bundle "$(holder b2 . sleep 1000)" c2 </dev/null >/dev/null 2>&1
	before=$(total)
	truncate -s 96M "$WORK/disk"
	losetup --set-capacity "$DEVICE"
	kata direct-volume resize --volume-path "$WORK/volume" --size $((96 << 20))
	[ "$(total)" -gt $((before + (26 << 20))) ]
	[ "$(kata exec c2 cat /v/file)" = kept ]
	kata delete --force c2
	[ "$(has /file)" = kept ]
}

@test "a volume that the machine may only read does not grow" {
	says '.options = ["ro"]'
	kata run -d --bundle "$(holder b1 . sleep 1000)" c1 </dev/null >/dev/null 2>&1
	truncate -s 64M "$WORK/disk"
	run kata direct-volume resize --volume-path "$WORK/volume" --size $((64 << 20))
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"'$WORK/disk': the machine has it for reading only"* ]]
	kata delete --force c1
}

is_status() {
	[ "$(kata state "$1" | jq -r .status)" = "$2" ]
}

# volume_of OPTIONS: the field of a container's configuration.
volume_of() {
	echo "mounts {container_path: '/v' host_path: '$WORK/volume' $1}"
}

@test "the containers of a pod share it, another pod is refused, and gets it afterwards" {
	local pod other a b
	cri_begin
	DEVICE=$(losetup --find --show "$WORK/disk")
	says .
	pod=$(pod_run kata one)
	other=$(pod_run kata two)
	a=$(CONFIG_FIELDS=$(volume_of '') container_make "$pod" a '' sleep 1000)
	b=$(CONFIG_FIELDS=$(volume_of 'readonly: true') container_make "$pod" b '' sleep 1000)
	container_exec "$a" sh -c 'echo of a >/v/file'
	[ "$(container_exec "$b" cat /v/file)" = "of a" ]
	run container_exec "$b" sh -c 'echo of b >/v/file'
	[[ $output == *"Read-only file system"* ]]
	CONFIG_FIELDS=$(volume_of '') run container_make "$other" c '' sleep 1000
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *"'$DEVICE': it is mounted on the host or used by a machine"* ]]
	# The first that had it goes; the file system stays for the second.
	cri RemoveContainer <<<"container_id: '$a'"
	[ "$(container_exec "$b" cat /v/file)" = "of a" ]
	pod_remove "$pod"
	a=$(CONFIG_FIELDS=$(volume_of '') container_make "$other" d '' sleep 1000)
	[ "$(container_exec "$a" cat /v/file)" = "of a" ]
	container_exec "$a" sh -c 'echo of d >/v/file'
	pod_remove "$other"
	cri_end
	[ "$(has /file)" = "of d" ]
}

@test "what is said of a volume is checked, when it is said and when it is used" {
	local info file
	for info in '' '[]' '{' '{"volume-type": "directvol"}' '{"volume-type": "spdkvol", "device": "/x", "fstype": "ext4"}' \
		'{"volume-type": "block", "device": "x", "fstype": "ext4"}' '{"volume-type": "block", "device": "/x", "fstype": "ext4", "options": [1]}' \
		'{"volume-type": "block", "device": "/x", "fstype": "ext4", "metadata": {"fsGroup": "-1"}}'; do
		run kata direct-volume add --volume-path "$WORK/volume" --mount-info "$info"
		echo "$info: $output"
		[ "$status" -eq 1 ]
	done
	run kata direct-volume add --volume-path relative --mount-info '{}'
	[[ $output == *"--volume-path is an absolute path"* ]]
	run kata direct-volume add --volume-path "/$(printf 'a%.0s' {1..250})" --mount-info '{"volume-type": "block", "device": "/x", "fstype": "ext4"}'
	[[ $output == *"too long for the path of a direct volume"* ]]
	[ ! -d /run/kata-containers/shared/direct-volumes ]

	says '.fstype = "vfat"'
	refused "fstype 'vfat' is not supported"
	says ".device = \"$WORK/none\""
	refused "open '$WORK/none': No such file or directory"
	file=$(echo /run/kata-containers/shared/direct-volumes/*/mountInfo.json)
	echo '{"volume-type": 3}' >"$file"
	refused "'volume-type' is not a string"
	head -c 70000 /dev/zero >"$file"
	refused "mountInfo.json"
}
