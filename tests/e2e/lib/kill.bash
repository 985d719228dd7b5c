# shellcheck shell=bash
# Kills somebody with -9 at a step of a command. The sandbox server says in its log which step it takes; the log is a fifo
# on descriptor 9, and the line is the trigger. Stands on lib/common; a test file calls story_open in setup() after
# common_setup, and story_close in teardown() before common_teardown.

story_open() {
	mkfifo "$WORK/log"
	exec 9<>"$WORK/log"
}

story_close() {
	stop_log
	exec 9>&-
}

logged() {
	"$TREE/build/kata-runtime" --root "$ROOT" --log "$WORK/log" --debug "$@"
}

# wait_step STEP: reads the log up to it.
wait_step() {
	local line
	while read -rt 120 line <&9; do
		echo "$line" >>"$WORK/story"
		[[ $line != *"step: $1\""* ]] || return 0
	done
	echo "the step '$1' was never taken" >&2
	return 1
}

# From here on nobody waits for a step; the log must not fill up.
let_log_go() {
	sed -u '/^that is all$/q' <&9 >>"$WORK/story" 3>&- &
	drain=$!
}

stop_log() {
	[ -n "${drain:-}" ] || return 0
	echo "that is all" >&9
	wait "$drain"
	drain=
}

# pid_of NAME: the first process of that name which this test has started.
pid_of() {
	local pid
	while read -r pid; do
		if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$1" ]; then
			echo "$pid"
			return 0
		fi
	done < <(fence_pids)
	return 1
}

# Whoever is to be killed there may be gone by itself: a detached exec ends with the answer to that step, and a delete takes
# less time than a shell needs to start kill in a host that is translated.
at_the_very_end() {
	case $1 in
	"answer create" | exec | "remove the container" | "say goodbye" | "stop the machine" | "remove the cgroup" | "remove the share" | "close the management socket") ;;
	*) return 1 ;;
	esac
}

# kill_at STEP VICTIM COMMAND...: the command's code is in $code, what it said in $WORK/err.
kill_at() {
	local step=$1 victim=$2 pid
	shift 2
	code=0
	# Who runs already is looked up before: a delete can be through while one looks.
	pid=$(pid_of "$victim") || pid=
	# exec: the process in the background is the command itself.
	(exec "$TREE/build/kata-runtime" --root "$ROOT" --log "$WORK/log" --debug "$@") </dev/null >"$WORK/out" 2>"$WORK/err" 3>&- 9>&- &
	local command=$!
	[ "$victim" != kata-runtime ] || pid=$command
	wait_step "$step"
	[ -n "$pid" ] || pid=$(pid_of "$victim") || at_the_very_end "$step"
	[ -z "$pid" ] || kill -9 "$pid" || at_the_very_end "$step"
	let_log_go
	wait "$command" || code=$?
	stop_log
}

# A command that was not killed itself says what happened, or ends as if it had been.
clear_end() {
	echo "$1 killed at '$2': $code, $(cat "$WORK/err")"
	[ "$code" -eq 137 ] || { [ "$code" -ne 0 ] && [ "$(wc -l <"$WORK/err")" -eq 1 ]; }
	[ "$code" -eq 137 ] || [ "$1" != containerd-shim ] || grep -q "sandbox server.* died" "$WORK/err"
}

# Reads what the servers of the last step wrote after nobody waited for a step any more, because the next wait_step would
# take one of these lines for its own. Behind a leak check, so that no server is left that writes another one.
story_forget() {
	local line
	while read -rt 0 <&9 && read -rt 60 line <&9; do
		echo "$line" >>"$WORK/story"
	done
}

nothing_after_delete() {
	kata delete --force c1
	leak_check
	story_forget
}
