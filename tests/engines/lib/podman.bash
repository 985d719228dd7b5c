# shellcheck shell=bash
# Podman as the engine: see engines.bash.

export IMAGE=localhost/busybox
export PIDS='{{.PIDS}}'
export EVENT='{{.Status}} {{.ContainerExitCode}}'
export NEVER=disable

healthy() {
	engine healthcheck run "$1"
}

is_unhealthy() {
	! engine healthcheck run "$1" >/dev/null
}

# In the foreground, because a terminal stops who is not.
engine() {
	CONTAINERS_CONF=$WORK/containers.conf PODMAN_IGNORE_CGROUPSV1_WARNING=1 timeout --foreground 120 \
		podman --root "$WORK/podman/root" --runroot "$WORK/podman/run" --tmpdir "$WORK/podman/tmp" --cgroup-manager cgroupfs --storage-driver overlay "$@"
}

under() {
	local runtime=$1 verb=$2
	shift 2
	engine --runtime "$runtime" "$verb" "$@"
}

discard() {
	engine rm --force --time 0 "$@" >/dev/null || true
}

# Limits that a root without CAP_SYS_RESOURCE can set, and no journal.
engine_begin() {
	cat >"$WORK/containers.conf" <<-END
		[containers]
		default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "file"
		[engine.runtimes]
		kata = ["$TREE/build/kata-runtime"]
	END
}

engine_end() {
	umount "$WORK/podman/root/overlay" 2>/dev/null || true
}
