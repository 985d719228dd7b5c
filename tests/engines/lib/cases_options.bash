# shellcheck shell=bash disable=SC2154,SC2016
# Cases that every engine has: what an option of `run` means in the container, beside runc. See engines.bash.

# succeeds ARG...: alike_run whose command ends with 0.
succeeds() {
	alike_run "$@"
	[ "$status" -eq 0 ]
}

ulimits_hold() {
	succeeds --ulimit nofile=100:200 --ulimit nproc=50:60 --ulimit core=0:0 "$IMAGE" sh -c 'ulimit -n; ulimit -Hn; ulimit -c'
	[ "$output" = $'100\n200\n0' ]
}

sysctls_of_the_network_hold() {
	succeeds --sysctl net.ipv4.ip_forward=1 "$IMAGE" cat /proc/sys/net/ipv4/ip_forward
	[ "$output" = 1 ]
}

sysctls_of_ipc_hold() {
	succeeds --sysctl kernel.msgmax=12345 --sysctl fs.mqueue.msg_max=77 "$IMAGE" cat /proc/sys/kernel/msgmax /proc/sys/fs/mqueue/msg_max
	[ "$output" = $'12345\n77' ]
}

shared_memory_has_its_size() {
	succeeds --shm-size 3m "$IMAGE" sh -c 'df /dev/shm | awk "{ print \$2, \$6 }" | tail -1; stat -c "%a %u" /dev/shm'
	[ "$output" = $'3072 /dev/shm\n1777 0' ]
}

devices_are_there() {
	succeeds --device /dev/null:/dev/other "$IMAGE" sh -c 'stat -c "%F %t %T %a" /dev/other; echo x >/dev/other'
	[[ $output == "character special file 1 3 "* ]]
}

disks_are_lent() {
	local disk
	truncate -s 8M "$WORK/disk"
	disk=$(losetup --find --show "$WORK/disk") || skip "this host gives no loop device"
	succeeds --device "$disk:/dev/xvda" "$IMAGE" sh -c 'blockdev --getsize64 /dev/xvda; echo kept | dd of=/dev/xvda conv=fsync 2>/dev/null; head -c 4 /dev/xvda'
	[ "$output" = $'8388608\nkept' ]
	[ "$(head -c 4 "$disk")" = kept ]
	alike_run --device "$disk:/dev/xvda:r" "$IMAGE" sh -c 'head -c 4 /dev/xvda; exec 2>/dev/null; echo >/dev/xvda'
	[ "$status" -ne 0 ]
	[[ $output == kept* ]]
	losetup -d "$disk"
}

tmpfs_has_mode_and_size() {
	succeeds --mount type=tmpfs,destination=/t,tmpfs-mode=700,tmpfs-size=1000000 "$IMAGE" sh -c 'stat -c %a /t; df /t | awk "{ print \$2 }" | tail -1'
	[ "$output" = $'700\n980' ]
}

hosts_and_names_are_written() {
	succeeds --add-host there:1.2.3.4 --hostname me "$IMAGE" sh -c 'grep there /etc/hosts; cat /etc/hostname; hostname'
	[[ $output == *there*me*me ]]
}

environment_comes_from_a_file() {
	printf 'A=1\nB=two words\n' >"$WORK/variables"
	succeeds --env-file "$WORK/variables" "$IMAGE" sh -c 'echo $A $B'
	[ "$output" = "1 two words" ]
	rm "$WORK/variables"
}

groups_are_added() {
	succeeds --user 5:6 --group-add 77 --group-add 88 "$IMAGE" id -G
	[ "$output" = "6 77 88" ]
}

oom_score_is_adjusted() {
	succeeds --oom-score-adj 500 "$IMAGE" cat /proc/self/oom_score_adj
	[ "$output" = 500 ]
}

processors_are_chosen() {
	succeeds --cpuset-cpus 0 "$IMAGE" sh -c 'grep Cpus_allowed_list /proc/self/status; nproc'
	[[ $output == *$'\n1' ]]
}

processes_are_limited() {
	alike_run --pids-limit 10 "$IMAGE" sh -c 'exec 2>&1; for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 5 & done; wait; echo end'
	[ "$status" -eq 2 ]
	[[ $output == *"can't fork"* ]]
}

seccomp_can_be_off() {
	succeeds --security-opt seccomp=unconfined "$IMAGE" grep Seccomp: /proc/self/status
	alike_run "$IMAGE" sh -c 'exec 2>&1; grep Seccomp: /proc/self/status; unshare -m true'
	[ "$status" -eq 1 ]
}

users_have_names() {
	succeeds --user root "$IMAGE" id -un
	[ "$output" = root ]
	alike_failure run --rm --network none --user nobody-here "$IMAGE" true
}

ipc_can_be_none() {
	alike_run --ipc none "$IMAGE" sh -c 'exec 2>&1; ls -d /dev/shm; ls /dev/mqueue'
}

a_file_is_a_volume() {
	echo "of the host" >"$WORK/single"
	alike_run -v "$WORK/single:/h:ro" "$IMAGE" sh -c 'exec 2>&1; cat /h; echo x >/h'
	[ "$status" -eq 1 ]
	[ "$(cat "$WORK/single")" = "of the host" ]
	rm "$WORK/single"
}

anonymous_volumes_go_with_it() {
	local before
	before=$(engine volume ls --quiet)
	succeeds -v /anonymous "$IMAGE" sh -c 'echo x >/anonymous/f; cat /anonymous/f'
	[ "$(engine volume ls --quiet)" = "$before" ]
}

named_volumes_stay() {
	local name
	for name in runc kata; do
		under "$name" run --rm --network none -v "of-$name:/v" "$IMAGE" sh -c 'echo kept >/v/f'
		[ "$(under "$name" run --rm --network none --mount "type=volume,src=of-$name,dst=/v" "$IMAGE" cat /v/f)" = kept ]
		engine volume rm "of-$name" >/dev/null
	done
}

volumes_come_from_another() {
	succeeds --volumes-from @ "$IMAGE" cat /volume/file
	[ "$output" = "in the volume" ]
}

codes_are_of_one_byte() {
	alike_run "$IMAGE" sh -c 'exit 300'
	[ "$status" -eq 44 ]
}

the_end_takes_what_is_left() {
	alike_run "$IMAGE" sh -c '(sleep 1000 &); exit 4'
	[ "$status" -eq 4 ]
}

much_output_arrives() {
	local runtime
	for runtime in runc kata; do
		[ "$(under "$runtime" run --rm --network none "$IMAGE" seq 1 300000 | md5sum)" = "$(seq 1 300000 | md5sum)" ]
	done
}

# One machine for both, which the second is told by the engine as a pid of the first. Each has what it does not share.
ipc_is_shared() {
	local name
	pair_make run -d --network none --ipc shareable --hostname first --name @-ipc "$IMAGE" sh -c 'echo shared >/dev/shm/f; exec sleep 1000'
	for name in runc kata; do
		wait_for 60 inside "$name-ipc" test -s /dev/shm/f
		run under "$name" run --rm --network none --ipc "container:$name-ipc" --hostname second "$IMAGE" \
			sh -c 'cat /dev/shm/f; hostname; readlink /proc/self/ns/ipc'
		[ "$status" -eq 0 ]
		[ "$output" = "shared"$'\n'"second"$'\n'"$(inside "$name-ipc" readlink /proc/self/ns/ipc)" ]
		[ "$(inside "$name-ipc" hostname)" = first ]
	done
}

processes_are_shared() {
	local name
	for name in runc kata; do
		run under "$name" run --rm --network none --pid "container:$name" "$IMAGE" ps -o pid,args
		[ "$status" -eq 0 ]
		[[ $output == *"1 sleep $LONG"* ]]
	done
}

network_is_shared() {
	local name
	for name in runc kata; do
		# Without what Docker says of forwarding on stderr.
		[ "$(under "$name" run --rm --network "container:$name" "$IMAGE" readlink /proc/self/ns/net 2>/dev/null)" = \
			"$(inside "$name" readlink /proc/self/ns/net)" ]
	done
}
