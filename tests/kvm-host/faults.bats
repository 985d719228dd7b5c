#!/usr/bin/env bats
# What cannot be done to a developer's machine, done to a box: it runs inside one, under `tests/kvm-host/check`.
# After each fault nothing is lost and nothing is left. KATA_CROWD says how many containers a crowd is (200).

# bats file_tags=box-only

bats_require_minimum_version 1.5.0
load ../e2e/lib/common

setup() {
	[ -d /results ] || skip "this would fill, starve and kill the machine it runs on: run tests/kvm-host/check"
	common_setup
	date_before=$(date +%s) monotonic_before=$(uptime_seconds)
}

teardown() {
	[ -n "${WORK:-}" ] || return 0
	rm -f /fill /run/fill /dev/shm/fill
	date -s "@$((date_before + $(uptime_seconds) - monotonic_before))" >/dev/null
	common_teardown
}

uptime_seconds() {
	cut -d. -f1 /proc/uptime
}

# fill FOLDER: not a byte is left in its file system.
fill() {
	fallocate -l "$(df --output=avail -B1 "$1" | tail -1)" "$1/fill" 2>/dev/null || true
	cat /dev/zero >>"$1/fill" 2>/dev/null || true
	! echo x >"$1/fill-more" 2>/dev/null
	rm -f "$1/fill-more"
}


sleeping_container() {
	kata run -d --bundle "$(bundle main . sleep 100000)" --pid-file "$WORK/pid" c1 </dev/null >/dev/null 2>&1
}

pid_of() {
	local pid
	for pid in $(leftover_pids); do
		[ "$(cat "/proc/$pid/comm")" != "$1" ] || { echo "$pid" && return 0; }
	done
	return 1
}

# full FOLDER: a container that runs already does not notice, one that cannot be made is refused in a sentence, and when
# there is room again everything works.
full() {
	local rc=0
	sleeping_container
	bundle other . echo made >/dev/null
	fill "$1"
	[ "$(kata exec c1 echo works)" = works ]
	[ "$(kata state c1 | jq -r .status)" = running ]
	kata run --bundle "$WORK/other" c2 </dev/null >/dev/shm/out 2>/dev/shm/err || rc=$?
	rm "$1/fill"
	echo "with a full $1: $rc, $(cat /dev/shm/out /dev/shm/err)"
	if [ "$rc" -eq 0 ]; then
		[ "$(cat /dev/shm/out)" = made ]
	else
		[ "$(wc -l </dev/shm/err)" -eq 1 ]
		grep -q "No space left" /dev/shm/err
	fi
	rm /dev/shm/out /dev/shm/err
	[ "$(ls "$ROOT")" = c1 ]
	[ "$(kata run --bundle "$WORK/other" c2 </dev/null)" = made ]
	kata delete --force c1
	leak_check
}

@test "a full root file system" {
	full /
}

@test "a full /run" {
	full /run
}

# Where QEMU might keep the machine's memory, and we the output.
@test "a full /dev/shm" {
	bundle other . echo made >/dev/null
	fill /dev/shm
	run kata run --bundle "$WORK/other" c2
	rm /dev/shm/fill
	echo "$output"
	[ "$status" -eq 0 ] || [[ $output == *"No space left"* ]]
	leak_check
}

@test "out of memory on the host, and the kernel takes the machine: 137 for who waits, stopped for who asks" {
	dir=$(bundle b . sh -c 'echo ready; sleep 1000')
	"$TREE/build/kata-runtime" --root "$ROOT" run --bundle "$dir" c1 </dev/null >"$WORK/out" 2>"$WORK/err" 3>&- &
	command=$!
	wait_for 120 grep -q ready "$WORK/out"
	echo 1000 >"/proc/$(pid_of qemu-system-x86)/oom_score_adj"
	echo f >/proc/sysrq-trigger
	code=0
	wait $command || code=$?
	dmesg | tail -3
	echo "$code: $(cat "$WORK/err")"
	[ "$code" -eq 137 ]
	dmesg | grep -q 'Out of memory: Killed process .*qemu-system-x86'
	leak_check
	sleeping_container
	qemu=$(pid_of qemu-system-x86)
	echo 1000 >"/proc/$qemu/oom_score_adj"
	echo f >/proc/sysrq-trigger
	wait_for 20 gone "$(cat "$WORK/pid")"
	[ "$(kata state c1 | jq -r .status)" = stopped ]
	kata delete c1
}

@test "the clock jumps a year ahead and two years back" {
	sleeping_container
	for jump in "+1 year" "-2 years"; do
		date -s "$jump" >/dev/null
		run -3 timeout 60 busybox sh -c "exec '$TREE/build/kata-runtime' --root '$ROOT' exec c1 sh -c 'echo in; exit 3'"
		[ "$output" = in ]
		[ "$(run_once "after$RANDOM" echo made)" = made ]
	done
	date -s "+3 years" >/dev/null
	kata kill c1 KILL
	wait_for 20 gone "$(cat "$WORK/pid")"
	kata delete c1
}

@test "a crowd of containers, made and removed four at a time" {
	crowd=${KATA_CROWD:-200}
	bundle b . sh -c 'echo made; exit 5' >/dev/null
	one() {
		local out code=0
		out=$(kata run --bundle "$WORK/b" "c$1" </dev/null 2>"$WORK/err$1") || code=$?
		[ "$out:$code" = made:5 ] || echo "container $1: '$out', $code, $(cat "$WORK/err$1")" >>"$WORK/wrong"
	}
	for ((i = 1; i <= crowd; i++)); do
		one "$i" 3>&- &
		[ "$(jobs -rp | wc -l)" -lt 4 ] || wait -n
	done
	wait
	cat "$WORK/wrong" 2>/dev/null || true
	[ ! -e "$WORK/wrong" ]
	leak_check
}
