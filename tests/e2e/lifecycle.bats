#!/usr/bin/env bats
# The life of a container as a caller of runc knows it.

load lib/common

setup() { common_setup; }
teardown() { common_teardown; }

@test "run prints what the process prints and ends with its code" {
	run run_once a sh -c 'echo out; echo err >&2; exit 42'
	[ "$status" -eq 42 ]
	[[ $output == *out* && $output == *err* ]]
}

@test "a process that is killed counts from 128" {
	run run_once a sh -c 'kill -TERM $$'
	# PID 1 of its namespace ignores what it has no handler for: the shell lives on.
	[ "$status" -eq 0 ]
	run run_once b sh -c 'sh -c "kill -KILL \$\$"; exit $?'
	[ "$status" -eq 137 ]
}

@test "streams are byte-exact and separate" {
	head -c 8388608 /dev/urandom >"$WORK/in"
	run_once a sh -c 'tee /dev/stderr' <"$WORK/in" >"$WORK/out" 2>"$WORK/err"
	cmp "$WORK/in" "$WORK/out"
	cmp "$WORK/in" "$WORK/err"
}

@test "end of file is passed on" {
	run run_once a sh -c 'cat; echo done' </dev/null
	[ "$output" = "done" ]
}

@test "output written just before the end is not lost" {
	for i in 1 2 3; do
		run_once "a$i" sh -c 'head -c 3000000 /dev/zero' >"$WORK/out"
		[ "$(stat -c %s "$WORK/out")" -eq 3000000 ]
	done
}

# bats test_tags=box
@test "create, state, start, kill, delete" {
	dir=$(bundle b . sleep 1000)
	kata create --bundle "$dir" --pid-file "$WORK/pid" c1 </dev/null >/dev/null 2>&1
	[ "$(kata state c1 | jq -r .status)" = created ]
	[ "$(kata state c1 | jq -r .pid)" = "$(cat "$WORK/pid")" ]
	[ "$(kata list -q)" = c1 ]
	kata start c1
	[ "$(kata state c1 | jq -r .status)" = running ]
	run kata delete c1
	[ "$status" -eq 1 ]
	kata kill c1 KILL
	wait_for 60 gone "$(cat "$WORK/pid")"
	[ "$(kata state c1 | jq -r .status)" = stopped ]
	run kata kill c1 TERM
	[ "$status" -eq 1 ]
	[[ $output == *"container not running"* ]]
	kata delete c1
	run kata state c1
	[ "$status" -eq 1 ]
	[[ $output == *"does not exist"* ]]
}

@test "a container that was killed can be deleted at once" {
	dir=$(bundle b . sleep 1000)
	for id in c1 c2 c3; do
		kata run -d --bundle "$dir" $id </dev/null >/dev/null 2>&1
		kata kill $id KILL
		kata delete $id
	done
	[ -z "$(kata list -q)" ]
}

@test "the process behind the pid file ends with the exit code" {
	dir=$(bundle b . sh -c 'read x; exit 7')
	mkfifo "$WORK/in"
	# A caller that waits for the pid, as conmon does: a subreaper whose grandchild it becomes.
	cat >"$WORK/caller" <<-'END'
		import ctypes, os, subprocess, sys
		ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
		kata, root, bundle, work = sys.argv[1:]
		stdin = os.open(work + "/in", os.O_RDWR)
		subprocess.run([kata, "--root", root, "run", "-d", "--bundle", bundle, "--pid-file", work + "/pid", "c1"],
		               check=True, stdin=stdin, stdout=subprocess.DEVNULL)
		pid = int(open(work + "/pid").read())
		os.write(stdin, b"\n")
		print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
	END
	run /usr/bin/python3 "$WORK/caller" "$TREE/build/kata-runtime" "$ROOT" "$dir" "$WORK"
	[ "${lines[-1]}" = 7 ]
	kata delete c1
}

@test "killing the process behind the pid file kills the container" {
	dir=$(bundle b . sleep 1000)
	kata run -d --bundle "$dir" --pid-file "$WORK/pid" c1 </dev/null >/dev/null 2>&1
	kill -9 "$(cat "$WORK/pid")"
	stopped() { [ "$(kata state c1 | jq -r .status)" = stopped ]; }
	wait_for 60 stopped
	kata delete c1
}

@test "a signal to the foreground reaches the container" {
	dir=$(bundle b . sh -c 'trap "exit 9" TERM; echo ready; while :; do sleep 0.1; done')
	"$TREE/build/kata-runtime" --root "$ROOT" run --bundle "$dir" c1 </dev/null >"$WORK/out" 3>&- &
	pid=$!
	wait_for 60 grep -q ready "$WORK/out"
	kill -TERM $pid
	status=0
	wait $pid || status=$?
	[ "$status" -eq 9 ]
}

@test "an id is taken once, and bad ids are refused before anything exists" {
	dir=$(bundle b . sleep 1000)
	kata run -d --bundle "$dir" c1 </dev/null >/dev/null 2>&1
	run kata run --bundle "$dir" c1
	[ "$status" -eq 1 ]
	[[ $output == *"already exists"* ]]
	for id in '' ../x a/b "$(printf 'x%.0s' {1..1025})"; do
		run kata run --bundle "$dir" "$id"
		[ "$status" -eq 1 ]
	done
	[ "$(ls "$ROOT")" = c1 ]
}

# Whether the file of the output grows within a second.
comes() {
	size=$(stat -c %s "$WORK/out")
	wait_for 1 grown
}

nothing_comes() {
	! comes
}

grown() {
	[ "$(stat -c %s "$WORK/out")" -gt "$size" ]
}

@test "pause stops the clock of a container, resume lets it go on" {
	dir=$(bundle b . sh -c 'while :; do echo x; sleep 0.05; done')
	kata run -d --bundle "$dir" c1 </dev/null >"$WORK/out" 2>/dev/null
	wait_for 60 test -s "$WORK/out"
	kata pause c1
	[ "$(kata state c1 | jq -r .status)" = paused ]
	# What it had written before is still on its way.
	wait_for 60 nothing_comes
	kata resume c1
	wait_for 60 grown
}

# A reader that opens the pipe and never reads.
stalled_reader() {
	mkfifo "$WORK/stalled"
	exec 8<>"$WORK/stalled"
}

@test "a container whose output nobody reads is stopped when it is killed, and can be deleted" {
	stalled_reader
	kata run -d --bundle "$(bundle b . yes)" c1 </dev/null >"$WORK/stalled" 2>/dev/null 8>&-
	kata kill c1 KILL
	stopped() { [ "$(kata state c1 | jq -r .status)" = stopped ]; }
	wait_for 60 stopped
	run kata kill c1 TERM
	[ "$status" -eq 1 ]
	kata delete c1
	exec 8>&-
}

@test "a container that ends while its reader stalls is stopped, and a reader that goes on misses nothing" {
	stalled_reader
	kata run -d --bundle "$(bundle b . seq 30000)" --pid-file "$WORK/pid" c1 </dev/null >"$WORK/stalled" 2>/dev/null 8>&-
	stopped() { [ "$(kata state c1 | jq -r .status)" = stopped ]; }
	wait_for 60 stopped
	kill -0 "$(cat "$WORK/pid")"
	timeout 60 head -c "$(seq 30000 | wc -c)" <&8 >"$WORK/out"
	wait_for 60 gone "$(cat "$WORK/pid")"
	kata delete c1
	seq 30000 | cmp - "$WORK/out"
	exec 8>&-
}

# stacked NAME: a bundle whose mounts cover each other, by their own names and by links, with files of its own.
stacked() {
	local own=$WORK/own-$1 bind='type: "bind", options: ["rbind"]'
	mkdir -p "$own/lower" "$own/upper"
	cp -al "$ROOTFS" "$own/root"
	mkdir "$own/root/stack" "$own/root/other"
	ln -s stack "$own/root/link"
	ln -s /other "$own/upper/away"
	ln -s missing "$own/upper/file"
	echo lower >"$own/lower/name"
	echo upper >"$own/upper/name"
	bundle "b-$1" ".root.path = \"$own/root\" | .mounts += [
		{destination: \"/stack\", type: \"tmpfs\", source: \"none\"},
		{destination: \"/stack/hidden\", source: \"$own/lower\", $bind},
		{destination: \"/stack\", type: \"tmpfs\", source: \"none\"},
		{destination: \"/stack/hidden/too\", source: \"$own/lower\", $bind},
		{destination: \"/link\", source: \"$own/upper\", $bind},
		{destination: \"/stack/seen\", source: \"$own/lower\", $bind},
		{destination: \"/stack/away/seen\", source: \"$own/lower\", $bind},
		{destination: \"/stack/file\", source: \"$own/lower/name\", $bind}]" \
		sh -c 'cd /stack && ls -l | cut -c1-10 && ls && cat name seen/name away/seen/name missing /other/seen/name
			grep -o " /\(stack\|other\)[^ ]*" /proc/self/mountinfo'
}

@test "mounts cover each other as they do under runc" {
	runc --root "$WORK/runc" run --bundle "$(stacked runc)" "kata-peer-stacked" >"$WORK/peer" </dev/null
	kata run --bundle "$(stacked kata)" c1 >"$WORK/ours" </dev/null
	[ "$(grep -c '^lower$' "$WORK/peer")" -eq 4 ]
	diff "$WORK/peer" "$WORK/ours"
}
