#!/usr/bin/env bats
# The host loses its power while containers run, and starts again from the same disk.

bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_DIRNAME" || return 1
	DISK=$BATS_TEST_TMPDIR/disk.img
}

# To be run in a subshell where its number matters: it becomes kvm-host, with which the box ends.
box() {
	exec ./kvm-host run --timeout 300 --disk "$DISK" --results "$BATS_TEST_TMPDIR/results" "$@"
}

@test "after a power cut a container that ran is stopped, and delete leaves nothing of it" {
	# Its state is on the disk, not in /run: so it is there after the cut.
	box -- bash -euc '
		. tests/e2e/lib/common.bash
		ROOT=/var/lib/kata WORK=/var/tmp ROOTFS=/var/lib/rootfs
		make_rootfs $ROOTFS
		kata run -d --bundle "$(bundle b . sleep 100000)" c1 </dev/null >/dev/null 2>&1
		kata create --bundle /var/tmp/b c2 </dev/null >/dev/null 2>&1
		[ "$(kata state c1 | jq -r .status)" = running ]
		sync
		echo ready
		sleep 100000' >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	for ((i = 0; i < 2400; i++)); do
		! grep -q ready "$BATS_TEST_TMPDIR/out" || break
		kill -0 $! || break
		sleep 0.1
	done
	cat "$BATS_TEST_TMPDIR/err"
	grep -q ready "$BATS_TEST_TMPDIR/out"
	kill -9 $!
	wait || true

	run box -- bash -euc '
		. tests/e2e/lib/common.bash
		ROOT=/var/lib/kata WORK=/var/tmp ROOTFS=/var/lib/rootfs
		exec 2>&1
		[ "$(kata list -q | sort | xargs)" = "c1 c2" ]
		[ "$(kata state c1 | jq -r .status)" = stopped ]
		[ "$(kata state c2 | jq -r .status)" = stopped ]
		! kata exec c1 true
		kata delete c1
		kata delete --force c2
		[ -z "$(ls -A $ROOT)" ]
		[ -z "$(leftover_mounts)$(leftover_cgroups)$(leftover_names)" ]
		[ "$(kata run --bundle /var/tmp/b --pid-file /tmp/pid -d c1 </dev/null >/dev/null 2>&1; kata exec c1 echo works)" = works ]
		kata delete --force c1'
	echo "$output"
	[ "$status" -eq 0 ]
}
