# shellcheck shell=bash
# The server of a pod without containerd, and clients of it: lib/pod_client.py. Stands on lib/common; a test file calls
# pod_begin after common_setup, and pod_end before common_teardown.

# The container "pod" runs in it, and a second one is made.
pod_begin() {
	mkdir "$WORK/fifos"
	bundle pod '.linux.resources = {}' sleep 10000 >/dev/null
	# Not a lone container's server: as containerd starts one.
	SOCKET=$(cd "$WORK/pod" && TTRPC_ADDRESS='' KATA_CONF_FILE=$TREE/build/configuration.toml "$TREE/build/containerd-shim-kata-v2" \
		-namespace faults -address "$WORK/none.sock" -publish-binary true -id pod start </dev/null 2>"$WORK/start.err" 3>&-)
	SOCKET=${SOCKET#unix://}
	export SOCKET
	clients begin "$WORK/pod"
}

pod_end() {
	clients end
	wait_for 60 [ ! -e "$SOCKET" ] || true
	rmdir /run/containerd/s /run/containerd 2>/dev/null || true
}

# clients CASE [ARG]...: see pod_client.py.
clients() {
	PYTHONDONTWRITEBYTECODE=1 timeout --foreground 900 /usr/bin/python3 "$TREE/tests/e2e/lib/pod_client.py" "$SOCKET" "$WORK/fifos" "$@" >"$WORK/figures"
	sed 's/^/# /' "$WORK/figures" >&3
}
