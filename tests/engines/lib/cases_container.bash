# shellcheck shell=bash disable=SC2154
# Cases that every engine has: a container's life, options and figures. See engines.bash.

inspect_says_the_state() {
	local pid
	alike inspect --format '{{.State.Status}} {{.State.ExitCode}} {{.State.Running}} {{.State.Paused}}' @
	[ "$output" = "running 0 true false" ]
	pid=$(field kata .State.Pid)
	kill -0 "$pid"
	[[ $(cat "/proc/$pid/comm") == kata-* ]]
}

restart_begins_anew() {
	local before
	pair_make run -d --network none --name @-re "$IMAGE" sh -c 'echo run >>/root/runs; exec sleep 1000'
	# What is killed as soon as it is started may not have run a command.
	both wait_for 60 inside @-re test -s /root/runs
	before=$(field kata-re .State.Pid)
	both engine_quiet restart --time 0 @-re
	[ "$(field kata-re .State.Pid)" != "$before" ]
	wait_for 60 ran_twice kata-re
	wait_for 60 ran_twice runc-re
}

ran_twice() {
	[ "$(engine exec "$1" wc -l /root/runs)" = "2 /root/runs" ]
}

restart_policy_counts() {
	pair_make run -d --network none --restart on-failure:1 --name @-policy "$IMAGE" sh -c 'echo run; exit 3'
	both wait_for 90 restarted @-policy
	both is_field @-policy .State.ExitCode 3
}

restarted() {
	is_field "$1" .RestartCount 1 && is_field "$1" .State.Status exited && [ "$(engine logs "$1")" = $'run\nrun' ]
}

update_reaches_the_container() {
	both engine_quiet update --memory 128m @
	both is_memory_limit @ $((128 << 20))
	both engine_quiet update --memory 256m @
	both is_memory_limit @ $((256 << 20))
}

# The container's limit, where its version of control groups has it.
is_memory_limit() {
	[ "$(inside "$1" sh -c 'cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes')" = "$2" ]
}

limits_stand_in_the_container() {
	both is_memory_limit @ $((256 << 20))
	both is_pids_limit @ 60
}

is_pids_limit() {
	[ "$(inside "$1" sh -c 'cat /sys/fs/cgroup/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids/pids.max')" = "$2" ]
}

commit_takes_the_files() {
	both inside @ sh -c 'echo kept >/root/kept'
	both commit_one @
	alike_run @-from cat /root/kept
	[ "$output" = kept ]
	engine rmi kata-from runc-from >/dev/null
	both inside @ rm /root/kept
}

commit_one() {
	engine commit "$1" "$1-from" >/dev/null 2>&1
}

diff_names_the_files() {
	pair_make run --network none --name @-diff "$IMAGE" sh -c 'echo x >/root/new; rm /etc/origin; chmod 700 /var'
	[ "$(engine diff kata-diff | sort)" = "$(engine diff runc-diff | sort)" ]
	[[ $(engine diff kata-diff) == *"A /root/new"* ]]
	[[ $(engine diff kata-diff) == *"D /etc/origin"* ]]
}

export_has_the_files() {
	inside kata sh -c 'echo exported >/root/exported'
	[ "$(engine export kata | tar -xO root/exported)" = exported ]
	inside kata rm /root/exported
}

events_are_told() {
	local since
	since=$(date +%s)
	pair_make run --network none --name @-ev "$IMAGE" true
	both engine_quiet rm @-ev
	wait_for 60 same_events "$since" || {
		events_of runc-ev "$since"
		events_of kata-ev "$since"
		return 1
	} >&2
}

same_events() {
	[ -n "$(events_of kata-ev "$1")" ] && [ "$(events_of kata-ev "$1")" = "$(events_of runc-ev "$1")" ]
}

# Without Podman's `cleanup`, which is told if its background process comes before `rm` does, and once each, because the two
# may both tell the end.
events_of() {
	engine events --since "$2" --until "$(($(date +%s) + 1))" --filter "container=$1" --format "$EVENT" | grep -v ^cleanup | sort -u
}

rm_removes_a_running_one() {
	pair_make run -d --network none --name @-rm "$IMAGE" sleep "$LONG"
	alike_failure rm @-rm
	discard runc-rm kata-rm
	[ -z "$(engine ps --all --quiet --filter name=-rm)" ]
}

options_of_identity() {
	alike_run --user 65534:65534 --workdir /tmp --env A=b --hostname there --entrypoint sh "$IMAGE" -c 'id -u; id -g; pwd; echo $A; hostname'
	[ "$output" = $'65534\n65534\n/tmp\nb\nthere' ]
}

options_of_rights() {
	alike_run --cap-drop all --cap-add chown --security-opt no-new-privileges "$IMAGE" grep -E '^(Cap(Eff|Prm|Bnd|Amb)|NoNewPrivs)' /proc/self/status
	[ "$status" -eq 0 ]
	alike_run "$IMAGE" grep -E '^Cap(Eff|Prm|Bnd|Amb)' /proc/self/status
	[ "$status" -eq 0 ]
}

options_of_files() {
	alike_run --read-only --tmpfs /run:size=1m -v "$WORK/volume:/volume:ro" "$IMAGE" sh -c 'exec 2>&1
		echo x >/etc/no; echo x >/volume/no; cat /volume/file; echo x >/run/yes && cat /run/yes'
	[ "$status" -eq 0 ]
	[ ! -e "$WORK/volume/no" ]
}

volumes_are_shared_with_the_host() {
	both inside @ sh -c 'cat /volume/file && echo from inside >/volume/inside'
	[ "$(cat "$WORK/volume/inside")" = "from inside" ]
	alike_failure exec @ sh -c 'echo x >/fixed/inside'
	[ "$(cat "$WORK/volume/inside")" = "from inside" ]
	rm "$WORK/volume/inside"
}

# A machine of its own has more than the container: so figures of a machine, not those of the whole host. The limit is the
# container's (Podman 4), or that of the group on the host, which is some machine's (Podman 5).
stats_are_the_containers() {
	local processes cpu memory
	processes=$(engine stats --no-stream --format "$PIDS" kata)
	cpu=$(engine stats --no-stream --format '{{.CPUPerc}}' kata)
	memory=$(engine stats --no-stream --format '{{.MemUsage}}' kata)
	echo "$processes $cpu $memory" >&2
	[ "$processes" -ge 1 ] && [ "$processes" -le 40 ]
	cpu=${cpu%%[.%]*}
	[ "$cpu" -le 400 ]
	[[ $memory =~ ^[0-9.]+\ ?(B|[kKM]i?B)\ /\ (2[56][0-9.]+\ ?Mi?B|[1-9](\.[0-9]+)?\ ?Gi?B)$ ]]
}

stats_are_of_all() {
	[ "$(engine stats --no-stream --format '{{.Name}}' | sort)" = $'kata\nrunc' ]
}

health_is_asked_inside() {
	pair_make run -d --network none --health-cmd 'test -f /root/healthy' --health-interval "$NEVER" --health-retries 1 --name @-hc "$IMAGE" \
		sh -c 'touch /root/healthy; echo up; exec sleep 1000'
	both wait_for 60 logged @-hc up
	both healthy @-hc
	both inside @-hc rm /root/healthy
	both unhealthy @-hc
	[ ! -e /root/healthy ]
}

unhealthy() {
	wait_for 60 is_unhealthy "$1"
}
