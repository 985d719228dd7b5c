# shellcheck shell=bash disable=SC2154
# Cases that every engine has: what it does with "the container's pid" and with the container's files must reach the
# container and never this host. See engines.bash.

cp_into_reaches_the_container_only() {
	echo new >"$WORK/copied"
	both engine_quiet cp "$WORK/copied" @:/tmp/copied
	[ ! -e /tmp/copied ]
	alike exec @ cat /tmp/copied
	[ "$output" = new ]
	both inside @ rm /tmp/copied
}

cp_out_reads_the_containers() {
	echo "of the host" >/tmp/same-name
	both inside @ sh -c 'echo of the container >/tmp/same-name'
	both copy_out @ /tmp/same-name
	[ "$(cat "$WORK/out-kata")" = "of the container" ]
	[ "$(cat "$WORK/out-runc")" = "of the container" ]
	rm /tmp/same-name "$WORK"/out-*
	both inside @ rm /tmp/same-name
}

copy_out() {
	engine cp "$1:$2" "$WORK/out-$1" >/dev/null
}

cp_of_what_only_the_host_has_fails() {
	echo "of the host" >/tmp/only-here
	alike_failure cp @:/tmp/only-here "$WORK/out"
	[ ! -e "$WORK/out" ]
	rm /tmp/only-here
}

cp_keeps_a_folder_as_it_is() {
	mkdir -p "$WORK/folder/sub"
	echo one >"$WORK/folder/one"
	chmod 640 "$WORK/folder/one"
	ln -s ../one "$WORK/folder/sub/link"
	both engine_quiet cp "$WORK/folder" @:/root/
	alike exec @ sh -c 'cd /root/folder && find . | sort && stat -c "%a %u:%g %s" one && readlink sub/link'
	[ "$status" -eq 0 ]
	both copy_out @ /root/folder
	diff -r "$WORK/out-runc" "$WORK/out-kata"
	[ "$(readlink "$WORK/out-kata/sub/link")" = ../one ]
	rm -r "$WORK/folder" "$WORK"/out-*
	both inside @ rm -r /root/folder
}

cp_speaks_tar() {
	tar -C /etc -c hostname passwd >"$WORK/some.tar"
	both tar_in @
	alike exec @ sh -c 'ls /root/tar'
	[ "$output" = $'hostname\npasswd' ]
	[ "$(engine cp kata:/root/tar/hostname - | tar -xO)" = "$(cat /etc/hostname)" ]
	both inside @ rm -r /root/tar
}

tar_in() {
	inside "$1" mkdir /root/tar
	engine cp - "$1:/root/tar" <"$WORK/some.tar"
}

cp_into_a_volume_is_on_the_host() {
	local name
	for name in runc kata; do
		echo "by $name" >"$WORK/copied"
		engine cp "$WORK/copied" "$name:/volume/copied" >/dev/null
		[ "$(cat "$WORK/volume/copied")" = "by $name" ]
		inside "$name" rm /volume/copied
	done
}

cp_into_a_read_only_volume_fails() {
	echo new >"$WORK/copied"
	alike_failure cp "$WORK/copied" @:/fixed/copied
	[ ! -e "$WORK/volume/copied" ]
}

# The path is the container's, however its links point.
cp_through_a_link_stays_inside() {
	mkdir /tmp/target
	both inside @ sh -c 'mkdir /tmp/target && ln -s /tmp/target /root/link && ln -s ../../../../../../tmp/target /root/up'
	echo new >"$WORK/copied"
	both engine_quiet cp "$WORK/copied" @:/root/link/one
	both engine_quiet cp "$WORK/copied" @:/root/up/two
	[ -z "$(ls -A /tmp/target)" ]
	alike exec @ ls /tmp/target
	[ "$output" = $'one\ntwo' ]
	rmdir /tmp/target
	both inside @ rm -r /tmp/target /root/link /root/up
}

cp_with_a_stopped_container() {
	pair_make run --network none --name @-cp "$IMAGE" sh -c 'echo left >/root/left'
	echo new >"$WORK/copied"
	both engine_quiet cp "$WORK/copied" @-cp:/root/new
	both copy_out @-cp /root/left
	both copy_out @-cp /root/new
	[ "$(cat "$WORK/out-kata-cp")" = new ]
	rm "$WORK"/out-*
}

# The columns are the engine's choice; the last is the command.
top_shows_the_containers() {
	run engine top kata
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"sleep $LONG"* ]]
	[ "${#lines[@]}" -eq 2 ]
	no_process_of_the_host
}

top_shows_an_exec() {
	both engine_quiet exec -d @ sh -c 'echo $$ >/tmp/pid; exec sleep 123456'
	wait_for 60 top_has runc "sleep 123456"
	wait_for 60 top_has kata "sleep 123456"
	run engine top kata
	[ "${#lines[@]}" -eq 3 ]
	no_process_of_the_host
	both inside @ sh -c 'kill $(cat /tmp/pid); rm /tmp/pid'
}

top_has() {
	[[ $(engine top "$1") == *"$2"* ]]
}

no_process_of_the_host() {
	[[ $output != *tools/room* && $output != *bats* && $output != *qemu* && $output != *dockerd* ]]
}

# joined TYPE COMMAND...: the command in an ordinary container that asks for ours's namespace. To be refused is right,
# too; to be on the host is not.
joined() {
	local type=$1 own none=(--network none)
	own=$(readlink "/proc/self/ns/${type/network/net}")
	shift
	[ "$type" != network ] || none=()
	run under runc run --rm "${none[@]}" "--$type" container:kata "$IMAGE" sh -c 'readlink /proc/self/ns/'"${type/network/net}; $1"
	echo "$output"
	[[ $output != *"$own"* ]]
}

pid_namespace_is_not_the_hosts() {
	local victim
	sleep "$LONG" 3>&- &
	victim=$!
	joined pid "ps -o args; kill -9 $victim"
	no_process_of_the_host
	kill -0 "$victim"
	kill "$victim"
	alike exec @ echo "still there"
}

network_namespace_is_not_the_hosts() {
	ip link show host0
	joined network 'cat /proc/net/dev'
	[[ $output != *host0* ]]
}

ipc_namespace_is_not_the_hosts() {
	local id
	id=$(ipcmk --shmem 4096 | grep -o '[0-9]*$')
	joined ipc 'cat /proc/sysvipc/shm'
	[[ $output != *4096* ]]
	ipcrm --shmem-id "$id"
}

uts_namespace_is_not_the_hosts() {
	joined uts hostname
	[[ $output != *"$(hostname)"* ]]
}

# What follows the pid that the engine tells.
nsenter_is_not_on_the_host() {
	local pid type victim
	pid=$(field kata .State.Pid)
	for type in mnt pid ipc uts net cgroup; do
		if [ "$(readlink "/proc/$pid/ns/$type")" = "$(readlink "/proc/self/ns/$type")" ]; then
			echo "the $type namespace is the host's" >&2
			return 1
		fi
	done
	sleep "$LONG" 3>&- &
	victim=$!
	run nsenter --target "$pid" --all busybox sh -c "kill -9 $victim; ps; ls /; cat /proc/net/dev"
	echo "$output"
	no_process_of_the_host
	[[ $output != *host0* ]]
	kill -0 "$victim"
	kill "$victim"
}

root_of_the_pid_is_the_containers() {
	local root
	root=/proc/$(field kata .State.Pid)/root
	[ "$(cat "$root/etc/origin")" = "of the image" ]
	[ ! -e "$root$TREE" ]
	inside kata sh -c 'echo inside >/root/seen'
	[ "$(cat "$root/root/seen")" = inside ]
	inside kata rm /root/seen
}
