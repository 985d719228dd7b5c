#!/usr/bin/env bats
# Many pods of containerd's CRI, and one under load. `make check-scale` runs it: it takes minutes, and a machine to itself.

load ../e2e/lib/common
load ../e2e/lib/containerd
load ../e2e/lib/cri

# A crowd of machines on few processors boots for longer than one machine may.
patience() {
	CONFIGURATION=$WORK/patience.toml
	sed 's/^reconnect_timeout_ms = .*/reconnect_timeout_ms = 600000/' "$TREE/build/configuration.toml" >"$CONFIGURATION"
	grep -q '^reconnect_timeout_ms = 600000$' "$CONFIGURATION"
}

setup() {
	common_setup
	patience
	cri_begin
}

teardown() {
	tail -n 40 "$WORK/containerd.log" 2>/dev/null || true
	cri_end
	common_teardown
}

# clients CASE: see scale_client.py.
clients() {
	PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$BATS_TEST_DIRNAME/scale_client.py" "$WORK" "$IMAGE" "$1" >"$WORK/figures" || {
		cat "$WORK/figures"
		return 1
	}
	sed 's/^/# /' "$WORK/figures" >&3
}

@test "200 execs in one pod, 20 at a time: output and codes, and the server does not grow" {
	clients execs
}

@test "20 pods at once" {
	clients crowd
}

@test "100 pods made and removed leave nothing, and nothing grows" {
	clients rows
}
