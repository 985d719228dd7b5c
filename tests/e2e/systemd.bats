#!/usr/bin/env bats
# Control groups that are units of systemd (linux.cgroupsPath "slice:prefix:name"), with a systemd that manages nothing but what
# the test starts: it has a pid namespace and a root of its own (tests/engines/in-root), and units of its own only.

load lib/common

setup() {
	[ -x /lib/systemd/systemd ] || skip "systemd is not installed"
	common_setup
	SYSTEMD=''
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
units_are_gone() {
	find /sys/fs/cgroup -depth -path "*/$(basename "$FENCE")/*" \( -name '*.scope' -o -name '*.slice' \) -exec rmdir {} + 2>/dev/null
	[ -z "$(find /sys/fs/cgroup -path "*/$(basename "$FENCE")/*" \( -name '*.scope' -o -name '*.slice' \) -print -quit)" ]
}

# begin: a systemd. What it and those in it write to the root is forgotten; $WORK is the test's.
begin() {
	mkdir "$WORK/units"
	printf '[Unit]\nDefaultDependencies=no\n' >"$WORK/units/quiet.target"
	(cd "$TREE" && exec tests/engines/in-root / env container=test SYSTEMD_UNIT_PATH="$WORK/units:/run/systemd/transient" unshare --pid --fork \
		--mount-proc --kill-child /lib/systemd/systemd --system --unit=quiet.target --log-target=console --show-status=no) \
		>"$WORK/systemd.log" 2>&1 </dev/null 3>&- &
	wait_for 60 find_systemd
	wait_for 60 inside systemctl list-units --no-pager
}

find_systemd() {
	local pid
	for pid in $(fence_pids); do
		[ "$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)" = "/lib/systemd/systemd --system --unit=quiet.target --log-target=console --show-status=no " ] ||
			continue
		SYSTEMD=$pid
	done
	[ -n "$SYSTEMD" ]
}

# inside COMMAND...: where systemd is the first process.
inside() {
	nsenter --target "$SYSTEMD" --pid --mount --wdns="$TREE" env SYSTEMD_IGNORE_CHROOT=1 timeout -k 1 100 "$@" >"$WORK/inside.out" 2>&1 </dev/null || {
		cat "$WORK/inside.out"
		return 1
	}
	cat "$WORK/inside.out"
}

# unit WHAT...: properties of the scope.
unit() {
	inside systemctl show kata-one.scope "${@/#/--property=}"
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

	inside "$TREE/build/kata-runtime" --root "$ROOT" run --detach --bundle "$dir" ours
	unit ActiveState Slice Delegate | sort >"$WORK/ours"
	diff "$WORK/theirs" "$WORK/ours"
	[ "$(unit CPUQuotaPerSecUSec)" = CPUQuotaPerSecUSec=750ms ]
	# Server, virtiofsd, QEMU, and the process that stands for the container's.
	[ "$(inside systemctl status --no-pager kata-one.scope | grep -cE 'containerd-shim-kata-v2|virtiofsd|qemu-system|kata-container')" -ge 3 ]
	limit=$(limits)
	[ "$limit" -gt $((1 << 30)) ]
	# What systemd knows of is still so when it has read its units again.
	inside systemctl daemon-reload
	[ "$(limits)" = "$limit" ]
	inside "$TREE/build/kata-runtime" --root "$ROOT" exec ours echo lives | grep -x lives

	inside "$TREE/build/kata-runtime" --root "$ROOT" delete --force ours
	[ "$(unit ActiveState)" = ActiveState=inactive ]
	[ -z "$(find /sys/fs/cgroup -name 'kata-one*')" ]
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

@test "of a server that was killed systemd's scope goes with delete" {
	local pid
	begin
	inside "$TREE/build/kata-runtime" --root "$ROOT" run --detach --bundle "$(bundle one '.linux.cgroupsPath = "system.slice:kata:one"' sleep 4711)" ours
	for pid in $(fence_pids); do
		[ "$(cat "/proc/$pid/comm")" != containerd-shim ] || kill -9 "$pid"
	done
	inside "$TREE/build/kata-runtime" --root "$ROOT" delete --force ours
	[ -z "$(find /sys/fs/cgroup -path '*/kata-one*' -name cgroup.procs -exec cat {} +)" ]
}
