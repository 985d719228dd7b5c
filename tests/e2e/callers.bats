#!/usr/bin/env bats
# The callers of runc call us: podman with conmon, containerd's runc shim.

bats_require_minimum_version 1.5.0
load lib/common

setup() {
	common_setup
	# Not --runtime-flag: what podman leaves behind to clean up does not know of it.
	printf '#!/bin/sh\nexec "%s" --root "%s" "$@"\n' "$TREE/build/kata-runtime" "$ROOT" >"$WORK/kata"
	chmod 755 "$WORK/kata"
	# Limits that a root without CAP_SYS_RESOURCE can set.
	cat >"$WORK/containers.conf" <<-END
		[containers]
		default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "file"
		runtime_supports_nocgroup = ["kata"]
		[engine.runtimes]
		kata = ["$WORK/kata"]
	END
}

teardown() {
	if command -v podman >/dev/null; then
		pod rm --all --force --time 0 >/dev/null 2>&1 || true
	fi
	umount -R "$WORK/pod" 2>/dev/null || true
	common_teardown
}

pod() {
	CONTAINERS_CONF=$WORK/containers.conf timeout 120 podman --root "$WORK/pod/root" --runroot "$WORK/pod/run" --tmpdir "$WORK/pod/tmp" \
		--cgroup-manager cgroupfs --storage-driver vfs --runtime kata "$@"
}

run_in_pod() {
	pod run --network none --cgroups=disabled "$@"
}

need_podman() {
	command -v podman >/dev/null || skip "podman is not installed"
}

# bats test_tags=podman
@test "podman run: streams and the exit code" {
	need_podman
	run -7 run_in_pod --rm --rootfs "$ROOTFS" sh -c 'echo out; exit 7'
	echo "$output"
	[[ $output == *out* ]]
	wait_for 60 no_state
}

no_state() {
	[ -z "$(ls -A "$ROOT")" ]
}

# bats test_tags=podman
@test "podman run -d, exec, a terminal, kill, rm" {
	need_podman
	run_in_pod -d --name c1 --rootfs "$ROOTFS" sh -c 'echo started; exec sleep 1000'
	run -5 pod exec c1 sh -c 'echo in; exit 5'
	[[ $output == *in* ]]
	[ "$(echo from outside | pod exec -i c1 cat)" = "from outside" ]
	run script -qec "CONTAINERS_CONF=$WORK/containers.conf podman --root $WORK/pod/root --runroot $WORK/pod/run --tmpdir $WORK/pod/tmp \
		--cgroup-manager cgroupfs --storage-driver vfs --runtime kata exec -it c1 sh -c 'tty; exit 3'" /dev/null
	[ "$status" -eq 3 ]
	[[ $output == */dev/pts/* ]]
	[[ $(pod logs c1) == *started* ]]
	[ "$(pod inspect -f '{{.State.Status}}' c1)" = running ]
	pod kill c1
	[ "$(pod wait c1)" = 137 ]
	pod rm c1
	wait_for 60 no_state
}

# bats test_tags=podman
@test "podman cp, podman top and --pid container: are about the container, not about the host" {
	need_podman
	local probe=/tmp/kata-e2e-probe-$$
	mkdir "$WORK/volume"
	# With a cgroup: podman top asks for one.
	pod run --network none -d --name c1 -v "$WORK/volume:/volume" -v "$WORK/volume:/readonly:ro" --rootfs "$ROOTFS" sleep 1000
	echo into >"$WORK/file"
	pod cp "$WORK/file" c1:$probe
	[ ! -e $probe ]
	[ "$(pod exec c1 cat $probe)" = into ]
	pod exec c1 sh -c 'echo out >/root/out; ln -s /proc/sys/kernel/domainname /root/link'
	pod cp c1:/root/out "$WORK/out"
	[ "$(cat "$WORK/out")" = out ]
	pod cp "$WORK/file" c1:/volume/new
	[ "$(cat "$WORK/volume/new")" = into ]
	run ! pod cp "$WORK/file" c1:/readonly/other
	[ ! -e "$WORK/volume/other" ]
	pod cp "$WORK/file" c1:/root/link || true
	[ "$(cat /proc/sys/kernel/domainname)" != into ]
	run pod top c1
	echo "$output"
	[[ ${lines[1]} == *"sleep 1000"* ]]
	[ ${#lines[@]} -eq 2 ]
	if command -v runc >/dev/null; then
		run pod --runtime "$(command -v runc)" run --rm --network container:c1 --pid container:c1 --ipc container:c1 \
			--rootfs "$ROOTFS" sh -c 'ps; ip -o link; kill -9 1'
		echo "$output"
		[[ $output == *"sleep 1000"* ]]
		[ "$(grep -c LOOPBACK <<<"$output")" -eq 1 ]
		[ "$(grep -c 'link/' <<<"$output")" -eq 1 ]
		[ "$(pod inspect -f '{{.State.Status}}' c1)" = running ]
	fi
	pod rm --force --time 0 c1
	wait_for 60 no_state
	rmdir /sys/fs/cgroup/libpod_parent /sys/fs/cgroup/*/libpod_parent 2>/dev/null || true
}

# bats test_tags=podman
@test "podman run -t: a terminal of its own" {
	need_podman
	run_in_pod -d -t --name c1 --rootfs "$ROOTFS" sh -c 'tty; stty size; exit 4'
	[ "$(pod wait c1)" = 4 ]
	[[ $(pod logs c1) == */dev/pts/* ]]
	pod rm c1
	wait_for 60 no_state
}

# bats test_tags=podman
@test "podman learns why a container cannot be made" {
	need_podman
	run -127 run_in_pod --rm --rootfs "$ROOTFS" no-such-program
	[[ $output == *no-such-program* ]]
	wait_for 60 no_state
}

# bats test_tags=podman
@test "podman run --privileged: all devices of the machine, none of the host's" {
	need_podman
	run -0 run_in_pod --rm --privileged --rootfs "$ROOTFS" sh -c 'echo x >/dev/null && ls /dev'
	[[ $output == *urandom* ]]
	for disk in /sys/dev/block/*; do
		name=$(sed -n 's/^DEVNAME=//p' "$disk/uevent")
		[ -b "/dev/$name" ] || continue
		if grep -qx "$name" <<<"$output"; then return 1; fi
	done
	wait_for 60 no_state
}

# bats test_tags=podman
@test "podman run -v ...:O: an overlay of the volume" {
	need_podman
	mkdir "$WORK/data"
	echo old >"$WORK/data/file"
	run -0 run_in_pod --rm -v "$WORK/data:/mnt:O" --rootfs "$ROOTFS" sh -c 'cat /mnt/file; echo new >/mnt/file; cat /mnt/file'
	[[ $output == *old*new* ]]
	[ "$(cat "$WORK/data/file")" = old ]
	wait_for 60 no_state
}

# What containerd's shim for runc calls, in its order.
@test "the calls of containerd's runc shim" {
	dir=$(bundle b . sh -c 'echo ready; exec sleep 1000')
	log=$WORK/log.json
	shim() { kata --log "$log" --log-format json "$@"; }
	shim create --bundle "$dir" --pid-file "$WORK/pid" c1 </dev/null >"$WORK/out" 2>&1
	shim start c1
	wait_for 60 grep -q ready "$WORK/out"
	jq '.process | .args = ["sh", "-c", "echo exec; exit 6"]' "$dir/config.json" >"$WORK/process.json"
	shim exec --process "$WORK/process.json" --detach --pid-file "$WORK/exec.pid" c1 </dev/null >"$WORK/exec.out" 2>&1
	wait_for 60 gone "$(cat "$WORK/exec.pid")"
	[ "$(cat "$WORK/exec.out")" = exec ]
	shim ps --format json c1 | jq -e 'length >= 1'
	shim ps c1 -ef | grep -q "sleep 1000"
	shim ps c1 -o pid,cmd | grep -q "sleep 1000"
	shim pause c1
	shim resume c1
	echo '{"pids": {"limit": 50}}' | shim update --resources - c1
	shim kill c1 15 # sleep is PID 1 of its namespace: nothing happens
	shim kill --all c1 9
	wait_for 60 gone "$(cat "$WORK/pid")"
	shim delete c1
	[ ! -s "$log" ]
	run shim start c1
	[ "$status" -eq 1 ]
	jq -e 'select(.level == "error").msg | test("does not exist")' "$log"
}
