# shellcheck shell=bash disable=SC2154,SC2016
# Cases that every engine has: what people do with it day by day. See engines.bash.

# The init is the first process, takes orphans, and hands on signals.
init_is_the_first_process() {
	local name
	has_init || skip "the engine has no init here"
	pair_make run -d --init --network none --name @-init "$IMAGE" sh -c '(sleep 0.1 &); trap "exit 12" TERM; echo up; while :; do sleep 0.1; done'
	for name in runc-init kata-init; do
		wait_for 60 logged "$name" up
		[[ $(inside "$name" sh -c 'tr "\0" " " </proc/1/cmdline') == /*init\ --\ sh\ * ]]
		wait_for 60 no_zombies "$name"
		engine stop --time 60 "$name" >/dev/null
		is_field "$name" .State.ExitCode 12
	done
}

no_zombies() {
	[[ $(inside "$1" sh -c 'cat /proc/[0-9]*/stat 2>/dev/null') != *") Z "* ]]
}

# The third time it stays, because Podman may begin one anew that is stopped while it has just ended.
restart_policy_always_ends_with_stop() {
	local name
	pair_make run -d --restart always --network none --name @-always "$IMAGE" \
		sh -c "echo run >>/root/runs; test \$(wc -l </root/runs) -lt 3 || { echo up; exec sleep $LONG; }; exit 2"
	for name in runc-always kata-always; do
		wait_for 120 logged "$name" up
		[ "$(field "$name" .RestartCount)" -eq 2 ]
		engine stop --time 1 "$name" >/dev/null 2>&1
		wait_for 60 ended "$name"
	done
}

stop_signal_and_name_can_be_chosen() {
	local name
	pair_make run -d --stop-signal USR1 --network none --name @-old "$IMAGE" sh -c 'trap "exit 13" USR1; echo up; while :; do sleep 0.1; done'
	for name in runc kata; do
		wait_for 60 logged "$name-old" up
		engine rename "$name-old" "$name-new"
		engine stop --time 60 "$name-new" >/dev/null
		is_field "$name-new" .State.ExitCode 13
		engine start "$name-new" >/dev/null
		[ "$(inside "$name-new" echo again)" = again ]
	done
}

# The version of control groups is the machine's, or the host's. Podman 4.3 does not update the number of processes.
update_of_processors_and_processes() {
	local name processes=''
	! engine update --help 2>&1 | grep -q -- --pids-limit || processes='--pids-limit=33'
	pair_make run -d --cpus 0.5 --network none --name @-up "$IMAGE" sleep "$LONG"
	for name in runc-up kata-up; do
		is_quota "$name" 50000
		engine update --cpus 0.7 ${processes:+"$processes"} --cpuset-cpus 0 "$name" >/dev/null
		is_quota "$name" 70000
		[ -z "$processes" ] || is_pids_limit "$name" 33
		[ "$(inside "$name" nproc)" = 1 ]
	done
}

is_quota() {
	[ "$(inside "$1" sh -c '{ cat /sys/fs/cgroup/cpu.max 2>/dev/null || cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us; } | cut -d " " -f 1')" = "$2" ]
}

cp_with_a_paused_container() {
	local name
	echo new >"$WORK/copied"
	for name in runc kata; do
		engine pause "$name" >/dev/null
		engine cp "$WORK/copied" "$name:/root/paused" >/dev/null
		engine cp "$name:/etc/origin" "$WORK/out" >/dev/null
		engine unpause "$name" >/dev/null
		[ "$(cat "$WORK/out")" = "of the image" ]
		[ "$(inside "$name" cat /root/paused)" = new ]
		inside "$name" rm /root/paused
	done
}

# Each step is a container with our runtime: its kernel was given the parameters of ours.
build_runs_its_steps() {
	mkdir "$WORK/context"
	echo "of the context" >"$WORK/context/file"
	cat >"$WORK/context/Dockerfile" <<-END
		FROM $IMAGE
		COPY file /file
		RUN cat /file /proc/cmdline >/seen
		USER 65534
		WORKDIR /tmp
		RUN id -u >who
	END
	build --tag built "$WORK/context"
	run under kata run --rm --network none built cat /seen /tmp/who
	[ "${lines[0]}" = "of the context" ]
	[[ ${lines[1]} == *" agent."* ]]
	[ "${lines[2]}" = 65534 ]
	engine rmi built >/dev/null
	rm -r "$WORK/context"
}

build_ends_with_the_code_of_its_step() {
	printf 'FROM %s\nRUN exit 9\n' "$IMAGE" >"$WORK/Dockerfile"
	capture build --force-rm - <"$WORK/Dockerfile"
	[ "$status" -eq 9 ]
	rm "$WORK/Dockerfile"
}

# One service waits for the other. (Podman's checks are timers of systemd, which the room has not.)
compose_brings_up_and_down() {
	has_compose || skip "there is no $COMPOSE here"
	cat >"$WORK/compose.yaml" <<-END
		services:
		  one:
		    image: $IMAGE
		    runtime: kata
		    container_name: kata-one
		    network_mode: none
		    command: [sh, -c, "echo kept >/v/file; exec sleep $LONG"]
		    healthcheck: {test: ["CMD", "test", "-s", "/v/file"], interval: 1s}
		    volumes: ["kept:/v"]
		  two:
		    image: $IMAGE
		    runtime: kata
		    container_name: kata-two
		    network_mode: none
		    depends_on: {one: {condition: $CONDITION}}
		    command: [sh, -c, "until test -s /v/file; do sleep 0.1; done; cat /v/file /proc/cmdline; exit 3"]
		    volumes: ["kept:/v"]
		volumes: {kept: {}}
	END
	compose up -d
	wait_for 60 ended kata-two
	is_field kata-two .State.ExitCode 3
	[[ $(engine logs kata-two) == kept$'\n'*" agent."* ]]
	[ "$(compose exec -T one cat /v/file)" = kept ]
	compose down --volumes
	[ -z "$(engine ps --all --quiet --filter name=kata-one --filter name=kata-two)" ]
	rm "$WORK/compose.yaml"
}
