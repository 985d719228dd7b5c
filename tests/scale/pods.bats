#!/usr/bin/env bats
# Many pods of containerd's CRI, and one under load. `make check-scale` runs it: it takes minutes, and a machine to itself.

load ../e2e/lib/common
load ../e2e/lib/containerd
load ../e2e/lib/cri

setup() {
	common_setup
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
