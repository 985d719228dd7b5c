#!/usr/bin/env bats
# More processes in a running container. One machine serves all tests of this file.

bats_require_minimum_version 1.5.0
load lib/common

setup_file() {
	common_setup
	export WORK ROOT ROOTFS FENCE OUTSIDE mounts_before cgroups_before names_before
	kata run -d --bundle "$(bundle main '.process.env += ["FROM=config"]' sleep 10000)" c1 </dev/null >/dev/null 2>&1
}

setup() {
	fence_enter
}

teardown_file() {
	common_teardown
}

# bats test_tags=box
@test "exec runs a process and ends with its code" {
	run kata exec c1 sh -c 'echo hello; exit 3'
	[ "$status" -eq 3 ]
	[ "$output" = hello ]
}

@test "a missing program is 255 and a sentence" {
	run kata exec c1 no-such-program
	[ "$status" -eq 255 ]
	[[ $output == *no-such-program* ]]
	[ "${#lines[@]}" -eq 1 ]
}

@test "what is not said comes from the container, what is said wins" {
	run kata exec c1 sh -c 'echo $FROM; pwd'
	[ "$output" = $'config\n/' ]
	run kata exec -e FROM=option --cwd /tmp -u 12:34 -g 56 c1 sh -c 'echo $FROM; pwd; id -u; id -g; id -G'
	[ "$output" = $'option\n/tmp\n12\n34\n34 56' ]
}

# bats test_tags=box
@test "stdin and stdout are byte-exact" {
	head -c 20000000 /dev/urandom >"$WORK/in"
	kata exec c1 cat <"$WORK/in" >"$WORK/out"
	cmp "$WORK/in" "$WORK/out"
}

# bats test_tags=box
@test "many at once do not mix" {
	for i in $(seq 8); do
		kata exec c1 sh -c "seq 1 20000 | sed 's/^/$i /'" >"$WORK/out$i" &
	done
	wait
	for i in $(seq 8); do
		cmp "$WORK/out$i" <(seq 1 20000 | sed "s/^/$i /")
	done
}

# bats test_tags=box
@test "a terminal has a size, and one stream" {
	run script -qec "stty rows 33 cols 77; $TREE/build/kata-runtime --root $ROOT exec -t c1 sh -c 'tty; stty size; echo err >&2'" /dev/null
	[ "$status" -eq 0 ]
	[[ $output == */dev/pts/* ]]
	[[ $output == *"33 77"* ]]
	[[ $output == *err* ]]
}

# bats test_tags=box
@test "detached, the process behind the pid file stays until it ends" {
	kata exec -d --pid-file "$WORK/pid" c1 sleep 1000 </dev/null >/dev/null 2>&1
	kill -0 "$(cat "$WORK/pid")"
	sleeps() { kata exec c1 ps | grep -q 'sleep 1000$'; }
	sleeps
	kill -9 "$(cat "$WORK/pid")"
	no_sleep() { ! sleeps; }
	wait_for 60 no_sleep
}

@test "process.json is run as it stands" {
	jq '.process | .args = ["sh", "-c", "echo $X"] | .env += ["X=from file"]' "$WORK/main/config.json" >"$WORK/process.json"
	run kata exec -p "$WORK/process.json" c1
	[ "$output" = "from file" ]
}

@test "ps lists the processes of the container" {
	[[ $(kata ps c1) == *sleep* ]]
	kata ps -f json c1 | jq -e 'length >= 1 and all(type == "number")'
}

@test "events --stats counts" {
	kata events --stats c1 | jq -e '.type == "stats" and .id == "c1" and .data.memory.usage.usage > 0 and .data.pids.current >= 1'
}

# bats test_tags=box
@test "update changes limits in the guest" {
	kata update --memory 64m --pids-limit 100 c1
	[ "$(kata exec c1 cat /sys/fs/cgroup/memory.max)" = 67108864 ]
	[ "$(kata exec c1 cat /sys/fs/cgroup/pids.max)" = 100 ]
	echo '{"cpu":{"quota":50000,"period":100000}}' | kata update -r - c1
	[ "$(kata exec c1 cat /sys/fs/cgroup/cpu.max)" = "50000 100000" ]
	run kata update --memory nonsense c1
	[ "$status" -eq 1 ]
}

@test "what of the standard streams the caller has closed is /dev/null" {
	code=0
	timeout 60 "$TREE/build/kata-runtime" --root "$ROOT" exec c1 sh -c 'echo out; echo err >&2; cat; exit 4' 0<&- 1>&- 2>&- || code=$?
	[ "$code" -eq 4 ]
	[ "$(kata exec c1 sh -c 'echo out; echo err >&2' 0<&- 2>&-)" = out ]
	[ "$(kata exec c1 sh -c 'echo out; echo err >&2' 2>&1 1>&-)" = err ]
	kata exec -d c1 true 0<&- 1>&- 2>&-
	dir=$(bundle closed . sleep 1000)
	kata run -d --bundle "$dir" c2 0<&- 1>&- 2>&-
	[ "$(kata state c2 | jq -r .status)" = running ]
	kata delete --force c2
}

@test "what a child prints after the end of an exec arrives, and the exec does not wait for it" {
	kata exec c1 sh -c 'mkfifo /tmp/go; (read x </tmp/go; echo late; echo late too >&2) & echo first; exit 3' >"$WORK/out" 2>"$WORK/err" || [ $? -eq 3 ]
	[ "$(cat "$WORK/out")" = first ]
	kata exec c1 sh -c 'echo go >/tmp/go; rm /tmp/go'
	wait_for 60 grep -q late "$WORK/out"
	[ "$(cat "$WORK/out")" = $'first\nlate' ]
	wait_for 60 grep -q "late too" "$WORK/err"
	# Who reads a pipe sees its end when the last child has closed it, not when the exec has ended.
	[ "$(kata exec c1 sh -c '(sleep 1; seq 100000 | tail -n 1) & echo first')" = $'first\n100000' ]
	# A reader that is gone is a broken pipe for the child.
	kata exec c1 sh -c '(yes; echo over >/tmp/over) 2>/dev/null & sleep 0.1' | head -n 1
	no_yes() { ! kata exec c1 ps | grep -q '[y]es$'; }
	wait_for 60 no_yes
}

@test "what was left open by an exec goes with its container" {
	kata run -d --bundle "$(bundle left . sleep 1000)" c3 </dev/null >/dev/null 2>&1
	mkfifo "$WORK/pipe"
	cat "$WORK/pipe" >"$WORK/out" &
	kata exec c3 sh -c 'sleep 2000 & echo first' >"$WORK/pipe"
	wait_for 60 grep -q first "$WORK/out"
	kata delete --force c3
	wait $! # cat has seen the end
}

@test "a limit that leaves no descriptor does not hide the program" {
	jq '.process | .args = ["echo", "ran"] | .rlimits = [{type: "RLIMIT_NOFILE", soft: 3, hard: 3}]' "$WORK/main/config.json" >"$WORK/few.json"
	[ "$(kata exec -p "$WORK/few.json" c1)" = ran ]
	jq '.args = ["no-such-program"]' "$WORK/few.json" >"$WORK/few-missing.json"
	run -255 kata exec -p "$WORK/few-missing.json" c1
	[[ $output == *"executable file not found"* ]]
}
