#!/usr/bin/env bats
# docs/processes.md says what each process of ours is allowed. Here the running ones are held beside it, so that the page
# and the truth cannot part.

bats_require_minimum_version 1.5.0
load ../e2e/lib/common
load lib/attack
load lib/process

setup_file() {
	export KATA_TEST_TOKEN=secret dir
	attack_setup_file
	machine_start c1
	# Without a pid namespace of its own a container sees the processes of its machine.
	machine_start c2 '.linux.namespaces |= map(select(.type != "pid"))'
	dir=$(bundle b-c3 . sleep 3600)
	# exec: the process in the background is the command itself.
	(exec "$TREE/build/kata-runtime" --root "$ROOT" run --bundle "$dir" c3) </dev/null >/dev/null 2>"$WORK/c3.err" 3>&- &
	export FOREGROUND=$!
	wait_for 120 running c3
}

running() {
	[ "$(kata state "$1" 2>/dev/null | jq -r .status)" = running ]
}

setup() {
	fence_enter
}

teardown_file() {
	attack_teardown_file
}

# bats test_tags=box
@test "the page has a row for each kind of process, and nothing else runs" {
	diff <(table_processes) - <<-END
		containerd-shim-kata-v2
		QEMU
		QEMU, 9p
		virtiofsd
		stand-in
		kata-runtime run
		kata-agent
		kata-agent zygote
	END
	for pid in $(family "$(server_of c1)"); do
		cat "/proc/$pid/comm"
	done >"$WORK/family"
	diff <(sed 's/^qemu-system-.*/QEMU/' "$WORK/family" | sort) - <<-END
		QEMU
		containerd-shim
		virtiofsd
	END
}

# bats test_tags=box
@test "the server is as the page says" {
	as_the_page_says containerd-shim-kata-v2 "$(server_of c1)" "$(server_of c2)"
}

# bats test_tags=box
@test "QEMU is as the page says" {
	as_the_page_says QEMU "$(process_of c1 qemu-system)" "$(process_of c2 qemu-system)"
}

@test "virtiofsd is as the page says" {
	as_the_page_says virtiofsd "$(process_of c1 virtiofsd)" "$(process_of c2 virtiofsd)"
}

@test "the stand-in is as the page says" {
	as_the_page_says stand-in "$(cat "$WORK/c1.pid")" "$(cat "$WORK/c2.pid")"
}

@test "a run in the foreground is as the page says" {
	as_the_page_says "kata-runtime run" "$FOREGROUND" "$(cat "$WORK/c1.pid")"
}

# guest_process PROCESS ARGUMENTS: what the page says of a process in the guest, whose arguments begin with those. (A kernel hands
# init those words of its command line that it does not know.)
guest_process() {
	local name=$1 pid column seen wrong=0
	# shellcheck disable=SC2016
	pid=$(kata exec c2 sh -c 'for p in /proc/[0-9]*; do
		case $(tr "\\0" " " <$p/cmdline) in "$1"*) echo ${p#/proc/} ;; esac; done' sh "$2")
	[ -n "$pid" ]
	kata exec c2 cat "/proc/$pid/status" >"$WORK/status"
	guest_field() { sed -n "s/^$1:[[:space:]]*//p" "$WORK/status"; }
	for column in user capabilities filter sealed; do
		case $column in
		user) [ "$(guest_field Uid | cut -f1)" = 0 ] && seen=root || seen=$(guest_field Uid) ;;
		capabilities) seen=$(capability_words "$(guest_field CapPrm)") ;;
		filter) [ "$(guest_field Seccomp)" = 2 ] && seen=yes || seen=no ;;
		sealed) [ "$(guest_field NoNewPrivs)" = 1 ] && seen=yes || seen=no ;;
		esac
		[ "$seen" != "$(capability_words 1ffffffffff)" ] || seen=all
		if [ "$seen" != "$(table_cell "$name" "$column")" ]; then
			echo "$name, $column: the page says '$(table_cell "$name" "$column")', it is '$seen'"
			wrong=1
		fi
	done
	return $wrong
}

@test "the agent is as the page says" {
	guest_process kata-agent "/init "
}

@test "the agent's zygote is as the page says" {
	guest_process "kata-agent zygote" "kata-agent zygote "
}

# bats test_tags=box
@test "whoever looks for what the page does not say finds it" {
	sed 's/^\(| `QEMU` | \)[^|]* | [^|]* |/\1somebody | chown |/' "$PAGE" >"$WORK/page.md"
	PAGE=$WORK/page.md
	run -1 as_the_page_says QEMU "$(process_of c1 qemu-system)" "$(process_of c2 qemu-system)"
	echo "$output"
	[[ $output == *"user: the page says 'somebody', "*"capabilities: the page says 'chown', "* ]]
}

# The last one, because nothing is left after it.
# bats test_tags=box
@test "all of them end with the server" {
	local pids
	mapfile -t pids < <(family "$(server_of c1)")
	pids+=("$(cat "$WORK/c1.pid")")
	[ "${#pids[@]}" -ge 4 ]
	kill -9 "$(server_of c1)"
	for pid in "${pids[@]}"; do
		wait_for 30 ended "$pid"
	done
}

ended() {
	[[ ! -e /proc/$1 || $(field "$1" State) == Z* ]]
}
