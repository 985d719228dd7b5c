#!/usr/bin/env bats
# Control groups that are units of systemd (linux.cgroupsPath "slice:prefix:name"), with a systemd that manages nothing but what
# the test starts: it has a pid namespace and a root of its own (tests/engines/in-root), and units of its own only.

# On control groups of version 1 here, of version 2 in the box.
# bats file_tags=box

load lib/common

setup() {
	[ -x /lib/systemd/systemd ] || skip "systemd is not installed"
	common_setup
	SYSTEMD='' MACHINE=''
}

teardown() {
	[ -x /lib/systemd/systemd ] || return 0
	[ -z "$SYSTEMD" ] || kill -9 "$SYSTEMD" 2>/dev/null || true
	tail -20 "$WORK/systemd.log" 2>/dev/null || true
	wait_for 60 nothing_runs || true
	wait_for 60 units_are_gone || true
	common_teardown
}

# The groups of a systemd that was killed; the kernel keeps each until its last process is really gone.
units() {
	find /sys/fs/cgroup -depth -path "*/$(basename "$FENCE")/*" \( -name '*.scope' -o -name '*.slice' -o -path '*/machine*' \) "$@"
}

units_are_gone() {
	units -exec rmdir {} + 2>/dev/null
	[ -z "$(units -print -quit)" ]
}

# machine: of version 2, the group that is the root of all for systemd and for who enters its machine (inside): beside the
# test's own, because a group with processes in it hands on no controllers.
machine() {
	[ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ] || return 0
	MACHINE=$FENCE/machine
	mkdir "$MACHINE" "$MACHINE/callers"
	sed 's/[^ ]\+/+&/g' "$FENCE/cgroup.controllers" >"$FENCE/cgroup.subtree_control"
}

# begin: a systemd. What it and those in it write to the root is forgotten; $WORK is the test's.
begin() {
	touch "$WORK/log"
	mkdir "$WORK/units"
	printf '[Unit]\nDefaultDependencies=no\n' >"$WORK/units/quiet.target"
	machine
	# shellcheck disable=SC2016 # the inner shells'
	(cd "$TREE" && MACHINE=$MACHINE exec tests/engines/in-root / env container=test SYSTEMD_UNIT_PATH="$WORK/units:/run/systemd/transient" \
		unshare --pid --fork --mount-proc --kill-child sh -euc '
			if [ -n "$MACHINE" ]; then
				echo 0 >"$MACHINE/cgroup.procs"
				exec unshare --cgroup sh -euc "umount /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup; exec \"\$@\"" - "$@"
			fi
			exec "$@"' - /lib/systemd/systemd --system --unit=quiet.target --log-target=console --show-status=no) \
		>"$WORK/systemd.log" 2>&1 </dev/null 3>&- &
	wait_for 60 find_systemd
	wait_for 60 inside systemctl list-units --no-pager
}

find_systemd() {
	local pid
	for pid in $(fence_pids); do
		[ "$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline")" = "/lib/systemd/systemd --system --unit=quiet.target --log-target=console --show-status=no " ] ||
			continue
		SYSTEMD=$pid
	done
	[ -n "$SYSTEMD" ]
}

# inside COMMAND...: where systemd is the first process.
inside() {
	local out=$WORK/inside.$BASHPID
	(
		[ -z "$MACHINE" ] || echo 0 >"$MACHINE/callers/cgroup.procs"
		exec nsenter --target "$SYSTEMD" --pid --mount ${MACHINE:+--cgroup} --wdns="$TREE" env SYSTEMD_IGNORE_CHROOT=1 timeout -k 1 100 "$@"
	) >"$out" 2>&1 </dev/null || {
		cat "$out"
		return 1
	}
	cat "$out"
}

# unit WHAT...: properties of the scope.
unit() {
	inside systemctl show kata-one.scope "${@/#/--property=}"
}

# members: the processes in the scope. Of version 2 systemctl cannot tell, because threads of KVM's have no number in a pid
# namespace that is not the host's.
members() {
	local pid
	[ -n "$MACHINE" ] || {
		inside systemctl status --no-pager kata-one.scope
		return
	}
	while read -r pid; do
		cat "/proc/$pid/comm"
	done <"$MACHINE/system.slice/kata-one.scope/cgroup.procs"
}

# names: of the processes in the scope, which need not be those of their programs.
names() {
	local pid
	while read -r pid; do
		cat "/proc/$pid/comm"
	done < <(find /sys/fs/cgroup -path '*/system.slice/kata-one.scope/cgroup.procs' -exec cat {} + | sort -u)
}

# limits: of the scope's memory, as the kernel has it.
limits() {
	find /sys/fs/cgroup \( -path '*/system.slice/kata-one.scope/memory.limit_in_bytes' -o -path '*/system.slice/kata-one.scope/memory.max' \) -exec cat {} +
}

@test "a unit that the engine names is a scope of systemd's, with its limits, and goes with the container, as under runc" {
	local dir limit
	begin
	dir=$(bundle one '.linux.cgroupsPath = "system.slice:kata:one" | .linux.resources.memory.limit = 268435456
		| .linux.resources.cpu = {quota: 50000, period: 100000, shares: 512}' sleep 4711)
	inside runc --systemd-cgroup --root "$WORK/runc" run --detach --bundle "$dir" peer
	unit ActiveState Slice Delegate | sort >"$WORK/theirs"
	inside runc --root "$WORK/runc" delete --force peer
	[ "$(unit ActiveState)" = ActiveState=inactive ]

	inside "$TREE/build/kata-runtime" --root "$ROOT" --log "$WORK/log" run --detach --bundle "$dir" ours
	unit ActiveState Slice Delegate | sort >"$WORK/ours"
	diff "$WORK/theirs" "$WORK/ours"
	[ "$(unit CPUQuotaPerSecUSec)" = CPUQuotaPerSecUSec=750ms ]
	# Server, virtiofsd, QEMU, and the process that stands for the container's.
	[ "$(members | grep -cE 'containerd-shim|virtiofsd|qemu-system|kata-container')" -ge 3 ]
	limit=$(limits)
	[ "$limit" -gt $((1 << 30)) ]
	# What systemd knows of is still so when it has read its units again.
	inside systemctl daemon-reload
	[ "$(limits)" = "$limit" ]
	inside "$TREE/build/kata-runtime" --root "$ROOT" exec ours echo lives | grep -x lives

	inside "$TREE/build/kata-runtime" --root "$ROOT" delete --force ours
	[ "$(unit ActiveState)" = ActiveState=inactive ]
	[ -z "$(find /sys/fs/cgroup -name 'kata-one*')" ]
	# It has answered each call, and no deadline had to pass. Of version 1 the kernel tells of an empty group by a program
	# (release_agent), which only the host's own root of control groups can have; so this systemd never hears that the scope is empty.
	cat "$WORK/log"
	[ -z "$MACHINE" ] || [ "$(grep -c systemd "$WORK/log")" = 0 ]
}

@test "a unit that is there already is refused with systemd's words, and nothing is left" {
	begin
	mkdir "$WORK/other"
	inside "$TREE/build/kata-runtime" --root "$ROOT" run --detach --bundle "$(bundle one '.linux.cgroupsPath = "system.slice:kata:one"' sleep 4711)" first
	run inside "$TREE/build/kata-runtime" --root "$ROOT" run --detach --bundle "$WORK/one" second
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *"systemd refuses unit 'kata-one.scope': Unit kata-one.scope was already loaded"* ]]
	inside "$TREE/build/kata-runtime" --root "$ROOT" delete --force first
}

# overhead_apart: from here on only the virtual CPUs, or of version 2 the VMM, are in the unit.
overhead_apart() {
	sed 's/^sandbox_cgroup_only = .*/sandbox_cgroup_only = false/' "$TREE/build/configuration.toml" >"$WORK/configuration.toml"
	export KATA_CONF_FILE=$WORK/configuration.toml
}

# no_groups: neither of the scope nor of what is apart from it.
no_groups() {
	[ -z "$(find /sys/fs/cgroup \( -name 'kata-one*' -o -path '*/kata_overhead/ours' \) -print -quit)" ]
}

@test "the overhead apart from a unit: the scope lives before the machine does, and goes with the container" {
	begin
	overhead_apart
	inside "$TREE/build/kata-runtime" --root "$ROOT" --log "$WORK/log" run --detach \
		--bundle "$(bundle one '.linux.cgroupsPath = "system.slice:kata:one" | .linux.resources.memory.limit = 268435456' sleep 4711)" ours
	[ "$(unit ActiveState)" = ActiveState=active ]
	[ "$(limits)" -gt $((1 << 30)) ]
	names >"$WORK/names"
	grep -x kata-scope "$WORK/names"
	# Of version 1 its virtual CPUs only, which the kernel may tell as threads and not as a process.
	[ -z "$MACHINE" ] || grep qemu-system "$WORK/names"
	[ "$(grep -cE 'containerd-shim|virtiofsd' "$WORK/names")" = 0 ]
	inside "$TREE/build/kata-runtime" --root "$ROOT" exec ours echo lives | grep -x lives

	inside "$TREE/build/kata-runtime" --root "$ROOT" delete --force ours
	[ "$(unit ActiveState)" = ActiveState=inactive ]
	no_groups
	[ "$(grep -cE 'systemd|cgroup' "$WORK/log")" = 0 ]
}

# kill_servers: by a signal that they cannot see.
kill_servers() {
	local pid
	for pid in $(fence_pids); do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" != containerd-shim ] || kill -9 "$pid"
	done
}

keeper_is_gone() {
	local pid
	for pid in $(fence_pids); do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" != kata-scope ] || return 1
	done
}

@test "of a server that was killed systemd's scope goes with delete" {
	begin
	inside "$TREE/build/kata-runtime" --root "$ROOT" run --detach --bundle "$(bundle one '.linux.cgroupsPath = "system.slice:kata:one"' sleep 4711)" ours
	kill_servers
	inside "$TREE/build/kata-runtime" --root "$ROOT" delete --force ours
	[ -z "$(find /sys/fs/cgroup -path '*/kata-one*' -name cgroup.procs -exec cat {} +)" ]
}

@test "the overhead apart from a unit: wherever the server is killed, who kept the scope goes with it, and the scope with delete" {
	local step
	begin
	overhead_apart
	bundle one '.linux.cgroupsPath = "system.slice:kata:one"' true
	for step in "make the cgroup" "make the share" "start the machine" "remove the cgroup"; do
		echo "killed at '$step'"
		: >"$WORK/log"
		inside "$TREE/build/kata-runtime" --root "$ROOT" --debug --log "$WORK/log" run --bundle "$WORK/one" ours 3>&- &
		wait_for 120 grep -q "step: $step" "$WORK/log"
		kill_servers
		wait $! || true
		wait_for 60 keeper_is_gone
		inside "$TREE/build/kata-runtime" --root "$ROOT" delete --force ours
		wait_for 60 no_groups
	done
}

@test "while systemd is silent, who asks for a state has it during an update, which ends all the same" {
	local update
	begin
	inside "$TREE/build/kata-runtime" --root "$ROOT" --debug --log "$WORK/log" run --detach \
		--bundle "$(bundle one '.linux.cgroupsPath = "system.slice:kata:one" | .linux.resources.memory.limit = 268435456' sleep 4711)" ours
	kill -STOP "$SYSTEMD"
	inside "$TREE/build/kata-runtime" --root "$ROOT" update --cpu-quota 40000 ours 3>&- &
	update=$!
	wait_for 60 grep -q 'step: limit the sandbox' "$WORK/log"
	[ "$(inside "$TREE/build/kata-runtime" --root "$ROOT" state ours | jq -r .status)" = running ]
	# The update has not given systemd up yet.
	[ "$(grep -c 'until systemd reads its units' "$WORK/log")" = 0 ]
	kill -CONT "$SYSTEMD"
	wait "$update"
	[ "$(grep -c 'until systemd reads its units' "$WORK/log")" = 0 ]
	[ "$(unit CPUQuotaPerSecUSec)" = CPUQuotaPerSecUSec=650ms ]
	inside "$TREE/build/kata-runtime" --root "$ROOT" delete --force ours
}
