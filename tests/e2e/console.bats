#!/usr/bin/env bats
# kata-runtime console: a shell in the guest, outside of its containers, where the configuration allows it.

load lib/common

setup() {
	common_setup
	CONFIG=$WORK/configuration.toml
	sed 's/^debug_console_enabled = .*/debug_console_enabled = true/' "$TREE/build/configuration.toml" >"$CONFIG"
	mkfifo "$WORK/typed"
}

teardown() {
	common_teardown
}

# begin: a container c1 whose sandbox has a console.
begin() {
	KATA_CONF_FILE=$CONFIG kata run --detach --bundle "$(bundle b . sleep 4711)" c1 </dev/null
}

# console < script
console() {
	timeout -k 1 100 "$TREE/build/kata-runtime" --root "$ROOT" console c1 3>&-
}

# open_console: one that stays: what is written to descriptor 5 is typed, and what it prints is in $WORK/said.
open_console() {
	console <"$WORK/typed" >"$WORK/said" 2>&1 &
	CONSOLE=$!
	exec 5>"$WORK/typed"
	echo 'echo ready; sleep 4712 & echo $!' >&5
	wait_for 60 grep -q ready "$WORK/said"
}

says() {
	grep -q "$1" "$WORK/said"
}

alone() {
	[ "$(console <<<'ls -d /guest/run/kata-containers/debug-console-*/root/bin | wc -l')" = 1 ]
}

sleeps() {
	[ "$(console <<<"ps -o args | grep -c '[s]leep $1'")" = "$2" ]
}

@test "the shell sees the guest and its containers, and what it prints and how it ends arrives" {
	begin
	run console <<<'ps -o pid,args | grep -oE "^ *1 /init"; ps -o args | grep -x "[s]leep 4711"; ls -d /guest/run/kata-containers
		cat /guest/proc/1/comm; head -c 5000000 /dev/zero | tr "\0" x; echo; echo error >&2; exit 3'
	[ "$status" -eq 0 ]
	[[ $output == *"1 /init"*"sleep 4711"*"/guest/run/kata-containers"*xxx* ]]
	[ "$(tr -cd x <<<"$output" | wc -c)" -ge 5000000 ]
	[[ $output == *error ]]
	# The container does not see it, and goes on.
	[ "$(kata exec c1 ps -o args | grep -c init)" -eq 0 ]
	[ "$(kata list --quiet)" = c1 ]
}

@test "a terminal has the size of the user's" {
	begin
	run script -q -c "stty rows 41 cols 101; '$TREE/build/kata-runtime' --root '$ROOT' console c1" /dev/null <<<'stty size; exit'
	echo "$output"
	[[ $output == *"41 101"* ]]
}

@test "several at once, and whoever hangs up leaves nothing in the guest" {
	begin
	open_console
	sleeps 4712 1
	kill -9 "$CONSOLE"
	wait "$CONSOLE" 2>/dev/null || true
	exec 5>&-
	wait_for 60 sleeps 4712 0
	# Only its own root is mounted.
	wait_for 60 alone
	[ "$(kata exec c1 echo lives)" = lives ]
}

@test "a console goes with its machine" {
	begin
	open_console
	kata delete --force c1
	wait "$CONSOLE" || true
	exec 5>&-
	run console <<<exit
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"no sandbox 'c1' runs"* ]]
}

@test "what is not allowed, and what cannot be lent, is said in a sentence" {
	kata run --detach --bundle "$(bundle b . sleep 4711)" c1 </dev/null
	run console <<<exit
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"debug_console_enabled is not set"* ]]
	kata delete --force c1
	sed -i 's|^debug_console_shell = .*|debug_console_shell = "/bin/true"|' "$CONFIG"
	KATA_CONF_FILE=$CONFIG kata run --detach --bundle "$WORK/b" c1 </dev/null
	run console <<<exit
	echo "$output"
	[[ $output == *"'/bin/true' is not linked statically"* ]]
	run kata console nobody
	[[ $output == *"no sandbox 'nobody' runs"* ]]
}
