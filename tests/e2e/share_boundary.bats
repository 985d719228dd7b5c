#!/usr/bin/env bats
# What the share is on this side of the wall: what whoever serves it, taken over or not, can do with what is in it, and what a
# container's root cannot take back by mounting again.

load lib/common

setup() {
	common_setup
	VOLUME=$WORK/volume
	mkdir "$VOLUME"
}

teardown() {
	local point
	while read -r point; do
		umount "$point"
	done < <(awk -v "dir=$VOLUME/" 'index($5, dir) == 1 {print $5}' /proc/self/mountinfo | sort -r)
	common_teardown
}

# bind DESTINATION SOURCE OPTION...: a mount for a bundle's filter.
bind() {
	local destination=$1 source=$2 IFS=,
	shift 2
	echo "{destination: \"$destination\", type: \"bind\", source: \"$source\", options: (\"$*\" | split(\",\"))}"
}

# As privileged as a container can be; the filter of a bundle.
mighty='.process.capabilities |= with_entries(.value += ["CAP_SYS_ADMIN", "CAP_MKNOD"]) | .linux.resources.devices = [{allow: true, access: "rwm"}]'

start() {
	kata run --detach --bundle "$1" c </dev/null >"$WORK/log" 2>&1
}

# What virtiofsd sees under a path of the share.
served() {
	echo "/proc/$(jq -r .virtiofsd.pid "$ROOT/c/sandbox.json")/root/$1"
}

@test "a device node in a writable volume or the root is none to virtiofsd, and one to the guest where it may be" {
	local volume seen node
	dir=$(bundle b "$mighty | .mounts += [$(bind /volume "$VOLUME" rbind rw)]" sleep 1000)
	start "$dir"
	seen=$(served c/rootfs)
	volume=$(echo "$(served "")"c-*-volume)
	mknod "$VOLUME/disk" b 7 0
	mknod "$ROOTFS/disk" b 7 0
	mknod "$ROOTFS/null" c 1 3
	for node in "$volume/disk" "$seen/disk" "$seen/null"; do
		[ -e "$node" ]
		run dd if="$node" of=/dev/null count=1
		[[ $status -ne 0 && $output == *"Permission denied"* ]]
	done
	# The guest's flags decide in the guest: nodes on its own file systems and on a root without nodev, programs, set-uid.
	kata exec c sh -c 'mknod /dev/mine c 1 3 && echo x >/dev/mine && echo x >/null'
	cp "$ROOTFS/bin/busybox" "$VOLUME/busybox"
	[ "$(kata exec c /volume/busybox echo ran)" = ran ]
	kata kill c KILL
	kata delete --force c
}

@test "ro on a recursive bind holds for what is mounted below, whatever the container's root mounts again" {
	mkdir "$VOLUME/below"
	mount -t tmpfs below "$VOLUME/below"
	echo host >"$VOLUME/below/file"
	dir=$(bundle b "$mighty | .mounts += [$(bind /volume "$VOLUME" rbind ro)]" sleep 1000)
	start "$dir"
	[ "$(kata exec c cat /volume/below/file)" = host ]
	kata exec c sh -c 'mount -o remount,bind,rw /volume; mount -o remount,bind,rw /volume/below; mount -o remount,rw /volume' || true
	run kata exec c sh -c 'echo guest >/volume/file'
	[[ $status -ne 0 && $output == *"Read-only file system"* ]]
	run kata exec c sh -c 'echo guest >/volume/below/file'
	[[ $status -ne 0 && $output == *"Read-only file system"* ]]
	[ "$(cat "$VOLUME/below/file")" = host ]
	kata kill c KILL
	kata delete --force c
}

# The folders of an older version of ours, open to everybody.
@test "another user cannot hold the lock that cleaning up takes" {
	local server
	mkdir -p "$SHARES"
	chmod 755 /run/kata-containers "${SHARES%/*}" "$SHARES"
	start "$(bundle b . sleep 1000)"
	[ "$(stat -c '%a %u' /run/kata-containers "${SHARES%/*}" "$SHARES" "$SHARES/c" | uniq)" = "700 0" ]
	run setpriv --reuid 1000 --regid 1000 --clear-groups flock --nonblock "$SHARES/c" true
	[[ $status -ne 0 && $output == *"Permission denied"* ]]
	server=$(jq .server.pid "$ROOT/c/sandbox.json")
	kill -9 "$server"
	wait_for 60 gone "$server"
	kata delete --force c
}

# The value that is written is the one that is there, so that a failure of this test changes nothing here.
# Loop devices are not counted: a kernel of the guest may have its own.
@test "what is of the kernel is the guest's, however it is spelled and wherever it is mounted" {
	local file before mode path
	file=vm/stat_interval
	before=$(cat /proc/sys/$file)
	mkdir "$VOLUME/proc"
	mount -t proc proc "$VOLUME/proc"
	ln -s /proc/sys "$WORK/link"
	mknod "$WORK/zero" c 1 5
	mode=$(stat -c %a /dev/loop-control)
	dir=$(bundle b "$mighty | .mounts += [$(bind /one //proc/sys rbind), $(bind /two "$WORK/link" rbind),
		$(bind /three "$VOLUME/proc/sys" bind), $(bind /tree "$VOLUME" rbind), $(bind /host / rbind),
		$(bind /devices //dev/ rbind), $(bind /zero "$WORK/zero" bind)]" sleep 1000)
	start "$dir"
	for path in /one /two /three; do
		kata exec c sh -c "echo 77 >$path/$file && cat /proc/sys/$file" >"$WORK/out"
		[ "$(cat "$WORK/out")" = 77 ]
		[ "$(cat /proc/sys/$file)" = "$before" ]
		kata exec c sh -c "echo 5 >$path/$file"
	done
	for path in /tree/proc/self /host/proc/self /host/sys/kernel /host/dev/null; do
		run kata exec c test -e $path
		[ "$status" -eq 1 ]
	done
	kata exec c test -d /host/usr
	kata exec c sh -c 'head -c 3 /zero | wc -c; chmod 666 /devices/zero; ls /devices | grep -c "^sd\|^vda" || true' >"$WORK/out"
	[ "$(cat "$WORK/out")" = $'3\n0' ]
	[ "$(stat -c %a /dev/loop-control)" = "$mode" ]
	kata kill c KILL
	kata delete --force c
}

@test "a root and a source that the guest has no equal of are refused with a sentence" {
	mknod "$WORK/disk" b 7 0
	run kata run --bundle "$(bundle b1 ".root.path = \"$WORK/disk\"" true)" c
	[[ $status -ne 0 && $output == *"root.path"* ]]
	run kata run --bundle "$(bundle b2 '.root.path = "//proc/self"' true)" c
	[[ $status -ne 0 && $output == *"root.path '//proc/self': "*" is of this host's kernel"* ]]
}

# configured KEY VALUE: the configuration of the tree with that key.
configured() {
	sed -E "/^#? ?$1 = /d; s|^\[hypervisor.qemu\]|&\n$1 = $2|" "$TREE/build/configuration.toml" >"$WORK/configuration.toml"
	echo "$WORK/configuration.toml"
}

# Each of the programs that is there: QEMU's, and its successor where Debian has it.
programs() {
	local program
	for program in /usr/lib/qemu/virtiofsd /usr/libexec/virtiofsd; do
		[ ! -x $program ] || echo $program
	done
}

# of PID FIELD: from its status.
of() {
	awk -v "field=$2:" '$1 == field {$1 = ""; print substr($0, 2)}' "/proc/$1/status"
}

@test "virtiofsd is one process that has nothing of the host's but the share" {
	local program pid server name
	for program in $(programs); do
		kata --config "$(configured virtio_fs_daemon "\"$program\"")" run --detach --bundle "$(bundle "b${#program}" . sleep 1000)" c </dev/null >"$WORK/log" 2>&1
		pid=$(jq .virtiofsd.pid "$ROOT/c/sandbox.json")
		server=$(jq .server.pid "$ROOT/c/sandbox.json")
		[ "$(readlink "/proc/$pid/exe")" = "$program" ]
		[ -z "$(cat "/proc/$pid/task/"*/children)" ]
		# Nothing beyond chown, dac_override, dac_read_search, fowner, fsetid, setgid, setuid and setfcap, and no way to more.
		[ $((0x$(of "$pid" CapPrm) & ~0x800000df)) -eq 0 ]
		[ "$(of "$pid" CapBnd)$(of "$pid" CapInh)$(of "$pid" CapAmb)" = "$(printf %048d 0)" ]
		[ "$(of "$pid" NoNewPrivs)" -eq 1 ]
		[ "$(of "$pid" Seccomp)" -eq 2 ]
		[ "$(of "$pid" Seccomp_filters)" -ge 2 ]
		for name in cgroup ipc mnt net pid user uts; do
			[ "$(readlink "/proc/$pid/ns/$name")" != "$(readlink "/proc/$server/ns/$name")" ]
		done
		[ "$(tr -s ' ' <"/proc/$pid/uid_map")" = " 0 0 4294967295" ]
		[ -z "$(tr -d "\0" <"/proc/$pid/environ")" ]
		[ "$(awk '/^Max core file size/ {print $5, $6}' "/proc/$pid/limits")" = "0 0" ]
		[ "$(ls "/proc/$pid/root/")" = c ]
		[[ $(awk '$5 == "/" {print $6}' "/proc/$pid/mountinfo") == ro,* ]]
		kata kill c KILL
		kata delete --force c
	done
}

@test "what a container's root makes in a volume: everything but a device, with the owners it says" {
	local program folder made
	made='fifo: made
socket: made
whiteout: made
character device: Operation not permitted
block device: Operation not permitted
owner: made
set-uid: made
capability: made'
	gcc -std=gnu17 -D_GNU_SOURCE -O2 -static -o "$WORK/nodes" "$BATS_TEST_DIRNAME/share_nodes.c"
	for program in $(programs); do
		folder=$VOLUME/${#program}
		mkdir "$folder"
		cp "$WORK/nodes" "$folder/program"
		dir=$(bundle "b${#program}" "$mighty | .process.capabilities |= with_entries(.value += [\"CAP_CHOWN\", \"CAP_FOWNER\", \"CAP_FSETID\", \"CAP_SETFCAP\"])
			| .mounts += [$(bind /volume "$folder" rbind rw)]" /volume/program /volume)
		run kata --config "$(configured virtio_fs_daemon "\"$program\"")" run --bundle "$dir" c
		echo "$output"
		[ "$output" = "$made" ]
		[ "$(stat -c '%F %t:%T' "$folder/whiteout")" = "character special file 0:0" ]
		[ "$(stat -c '%u %g %a' "$folder/program")" = "4294967293 70000 6755" ]
		[ "$(stat -c %F "$folder/fifo" "$folder/socket")" = $'fifo\nsocket' ]
		[[ $(getcap "$folder/program") == *"cap_net_bind_service=ep" ]]
	done
}
