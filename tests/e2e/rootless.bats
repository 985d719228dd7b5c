#!/usr/bin/env bats
# Callers that are not root of the host, but of a user namespace: what they keep is in $XDG_RUNTIME_DIR.

bats_require_minimum_version 1.5.0
load lib/common

SOMEBODY=65534

setup() {
	common_setup
	RUN=$WORK/run-of-somebody
	mkdir -m 700 "$RUN"
	chown "$SOMEBODY:$SOMEBODY" "$RUN"
	chmod 755 "$WORK"
}

teardown() {
	common_teardown
}

# somebodys COMMAND...: as root of a user namespace whose only user is somebody else. In a mount namespace with a /run that
# only root writes to, in which root has run containers of its own.
somebodys() {
	unshare --mount sh -euc 'mount -t tmpfs -o mode=755 tmpfs /run
		mkdir -m 700 /run/kata-containers /run/kata-runtime /run/vc
		exec setpriv --reuid '"$SOMEBODY"' --regid '"$SOMEBODY"' --clear-groups "$@"' sh \
		env XDG_RUNTIME_DIR="$RUN" HOME=/ unshare --user --map-root-user --mount "$@"
}

@test "a container of a caller without root: its state is in \$XDG_RUNTIME_DIR, and nothing is left" {
	bundle b . sh -c 'id -u; echo made >/root/here; cat /root/here' >/dev/null
	chown -R "$SOMEBODY:$SOMEBODY" "$ROOTFS"
	run somebodys "$TREE/build/kata-runtime" run --bundle "$WORK/b" c
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *$'0\nmade' ]]
	[ "$(stat -c %u "$ROOTFS/root/here")" = "$SOMEBODY" ]
	[ "$(cd "$RUN" && find . -type d | sort)" = $'.\n./kata-containers\n./kata-containers/shared\n./kata-containers/shared/sandboxes\n./kata-runtime\n./vc\n./vc/sbs' ]
}

@test "a container of a caller without root: verbs find it" {
	bundle b . sleep 1000 >/dev/null
	run somebodys sh -euc '
		k="$1/build/kata-runtime"
		$k run --detach --bundle "$2" c
		$k list --quiet
		$k exec c echo inside
		$k kill c KILL
		$k delete --force c
		$k list --quiet' sh "$TREE" "$WORK/b"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = c ]
	[ "${lines[1]}" = inside ]
}
