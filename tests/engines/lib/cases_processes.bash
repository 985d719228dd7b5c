# shellcheck shell=bash disable=SC2154
# Cases that every engine has: processes of a container, their streams and their ends. See engines.bash.

exec_gives_exit_codes() {
	local code
	for code in 0 5 255; do
		alike exec @ sh -c "exit $code"
		[ "$status" -eq "$code" ]
	done
}

# With the code that the engine makes of runc's failure.
exec_says_what_cannot_be_run() {
	alike_failure exec @ no-such-program
	[[ $output == *no-such-program* ]]
	alike_failure exec @ /etc/origin
	[[ $output == *[Pp]ermission\ denied* ]]
}

exec_keeps_streams_apart() {
	[ "$(engine exec kata sh -c 'echo out; echo err >&2' 2>/dev/null)" = out ]
	[ "$(engine exec kata sh -c 'echo out; echo err >&2' 2>&1 >/dev/null)" = err ]
}

exec_takes_stdin_to_its_end() {
	local sum
	head -c 3000000 /dev/urandom >"$WORK/bytes"
	sum=$(md5sum <"$WORK/bytes")
	[ "$(engine exec -i kata md5sum <"$WORK/bytes")" = "$sum" ]
	[ "$(engine exec -i kata cat <"$WORK/bytes" | md5sum)" = "$sum" ]
	rm "$WORK/bytes"
}

exec_without_stdin_reads_nothing() {
	[ -z "$(echo unseen | engine exec kata cat)" ]
	[ -z "$(echo unseen | engine exec runc cat)" ]
}

exec_has_user_folder_and_environment() {
	alike exec -u 65534:65534 -w /tmp -e A=b @ sh -c 'id -u; id -g; pwd; echo $A'
	[ "$output" = $'65534\n65534\n/tmp\nb' ]
}

exec_has_a_terminal() {
	local name
	for name in runc kata; do
		run on_terminal exec -it "$name" sh -c 'test -t 0 && test -t 1 && tty; exit 3' </dev/null
		[ "$status" -eq 3 ]
		[[ $output == */dev/pts/0* ]]
	done
}

exec_in_the_background() {
	both engine_quiet exec -d @ sh -c 'echo done >/tmp/background'
	wait_for 60 inside kata test -s /tmp/background
	alike exec @ cat /tmp/background
	[ "$output" = "done" ]
	both inside @ rm /tmp/background
}

engine_quiet() {
	engine "$@" >/dev/null
}

exec_sees_the_first_process() {
	alike exec @ sh -c 'tr "\0" " " </proc/1/cmdline'
	[ "$output" = "sleep $LONG " ]
}

logs_are_complete() {
	pair_make run -d --network none --name @-log "$IMAGE" sh -c 'seq 1 20000; seq 5 >&2'
	wait_for 60 ended kata-log
	wait_for 60 ended runc-log
	both logs_hold @-log
}

# Each stream by itself, because a line of one may stand in the middle of a line of the other.
logs_hold() {
	[ "$(engine logs "$1" 2>/dev/null | md5sum)" = "$(seq 1 20000 | md5sum)" ]
	[ "$(engine logs "$1" 2>&1 >/dev/null | md5sum)" = "$(seq 5 | md5sum)" ]
}

ended() {
	is_field "$1" .State.Status exited
}

logs_follow_to_the_end() {
	under kata run -d --network none --name talker "$IMAGE" sh -c 'for i in 1 2 3; do echo line $i; sleep 0.2; done' >/dev/null
	[ "$(engine logs --follow talker)" = $'line 1\nline 2\nline 3' ]
	[ "$(engine logs --tail 1 talker)" = "line 3" ]
}

logs_of_a_running_container() {
	alike logs @
	[ "$output" = ready ]
}

run_passes_streams_and_exit_code() {
	local runtime code=0
	for runtime in runc kata; do
		code=0
		under "$runtime" run --rm --network none "$IMAGE" sh -c 'echo out; echo err >&2; exit 7' >"$WORK/out" 2>"$WORK/err" || code=$?
		[ "$code" -eq 7 ]
		[ "$(cat "$WORK/out")" = out ]
		[ "$(cat "$WORK/err")" = err ]
	done
	rm "$WORK/out" "$WORK/err"
}

run_takes_stdin() {
	local runtime
	for runtime in runc kata; do
		run under "$runtime" run --rm -i --network none "$IMAGE" sh -c 'wc -c; exit 3' < <(head -c 200000 /dev/zero)
		[ "$status" -eq 3 ]
		[ "$output" = 200000 ]
	done
}

run_has_a_terminal() {
	local runtime
	for runtime in runc kata; do
		under "$runtime" run -dt --network none --name "$runtime-tty" "$IMAGE" sh -c 'test -t 1 && tty; exit 4' >/dev/null
		[ "$(engine wait "$runtime-tty")" = 4 ]
		[[ $(engine logs "$runtime-tty") == */dev/pts/0* ]]
	done
}

run_says_what_cannot_be_run() {
	local runtime
	for runtime in runc kata; do
		capture under "$runtime" run --rm --network none "$IMAGE" no-such-program
		[ "$status" -eq 127 ]
		[[ $output == *no-such-program* ]]
	done
}

run_ends_by_a_signal() {
	alike_run "$IMAGE" sh -c 'exec 2>&1; sh -c "kill -15 \$\$"; echo $?; sh -c "kill -9 \$\$"; exit $?'
	[ "$status" -eq 137 ]
	[[ $output == *143* ]]
}

# Podman's attach gives 0 when the container has ended before it asks.
attach_passes_streams() {
	local name
	for name in runc-at kata-at; do
		under "${name%-at}" run -di --network none --name "$name" "$IMAGE" sh -c 'read line; echo got $line; exit 9' >/dev/null
		capture engine attach "$name" < <(echo hello && wait_for 60 ended "$name")
		[[ $output == *"got hello"* ]]
		[ "$(engine wait "$name")" = 9 ]
	done
}

start_attaches() {
	local name
	pair_make create --network none --name @-start "$IMAGE" sh -c 'echo started; exit 6'
	for name in runc-start kata-start; do
		capture engine start --attach "$name"
		[ "$status" -eq 6 ]
		[ "$output" = started ]
	done
}

# Typed again until it is seen, because an engine may not be listening yet; each key alone, because Podman takes the
# detach keys only so.
attach_and_detach() {
	local terminal
	under kata run -dit --network none --name at "$IMAGE" sh -c 'while read line; do echo got $line; done' >/dev/null
	mkfifo "$WORK/typed"
	exec 9<>"$WORK/typed"
	on_terminal attach at <&9 >"$WORK/screen" 2>&1 3>&- &
	terminal=$!
	wait_for 60 greeted
	wait_for 60 detached "$terminal"
	exec 9>&-
	is_field at .State.Status running
	rm "$WORK/typed" "$WORK/screen"
}

greeted() {
	type_key 'hello\n'
	grep -q 'got hello' "$WORK/screen"
}

detached() {
	type_key '\020'
	type_key '\021'
	gone "$1"
}

type_key() {
	# shellcheck disable=SC2059 # The escape is meant.
	printf "$1" >&9
	read -rt 0.3 <> <(:) || true
}

signals_reach_the_process() {
	local name
	pair_make run -d --network none --name @-sig "$IMAGE" sh -c 'trap "echo usr1; exit 11" USR1; echo up; while :; do sleep 0.1; done'
	for name in runc-sig kata-sig; do
		wait_for 60 logged "$name" up
		engine kill --signal USR1 "$name" >/dev/null
		[ "$(engine wait "$name")" = 11 ]
		logged "$name" usr1
	done
}

logged() {
	[[ $(engine logs "$1") == *"$2"* ]]
}

kill_ends_with_137() {
	local name
	pair_make run -d --network none --name @-end "$IMAGE" sleep "$LONG"
	for name in runc-end kata-end; do
		engine kill "$name" >/dev/null
		[ "$(engine wait "$name")" = 137 ]
		wait_for 60 is_field "$name" .State.Status exited
		is_field "$name" .State.ExitCode 137
	done
}

stop_is_term_then_kill() {
	local name
	pair_make run -d --network none --name @-soft "$IMAGE" sh -c 'trap "exit 21" TERM; echo up; while :; do sleep 0.1; done'
	pair_make run -d --network none --name @-hard "$IMAGE" sh -c 'trap "" TERM; echo up; while :; do sleep 0.1; done'
	for name in runc kata; do
		wait_for 60 logged "$name-soft" up
		wait_for 60 logged "$name-hard" up
		engine stop --time 60 "$name-soft" >/dev/null 2>&1
		engine stop --time 1 "$name-hard" >/dev/null 2>&1
		is_field "$name-soft" .State.ExitCode 21
		is_field "$name-hard" .State.ExitCode 137
	done
}

pause_stops_everything() {
	local name
	for name in runc kata; do
		engine pause "$name" >/dev/null
		is_field "$name" .State.Status paused
		run engine exec "$name" true
		[ "$status" -ne 0 ]
		engine unpause "$name" >/dev/null
		is_field "$name" .State.Status running
	done
	alike exec @ echo again
	[ "$output" = again ]
}
