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

# Limits that a root without CAP_SYS_RESOURCE can set, no journal, and pods without a pause program, which Debian 12 lacks.
engine_begin() {
	cat >"$WORK/containers.conf" <<-END
		[containers]
		default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "file"
		infra_image = "localhost/pause"
		[engine.runtimes]
		kata = ["$TREE/build/kata-runtime"]
	END
}

engine_end() {
	umount "$WORK/podman/root/overlay" 2>/dev/null || true
}

build() {
	engine --runtime kata build --isolation oci --network none "$@"
}

# Debian's Podman only recommends it.
has_init() {
	[ -x /usr/libexec/podman/catatonit ] || command -v catatonit >/dev/null
}

export COMPOSE=podman-compose CONDITION=service_started

# That of Debian 12 (1.0.3) always makes a pod.
has_compose() {
	podman-compose --help 2>/dev/null | grep -q -e --in-pod
}

# It calls a program named podman. Without a pod, whose groups Podman would leave.
compose() {
	mkdir -p "$WORK/compose"
	{
		echo '#!/bin/bash'
		declare -f engine
		printf 'WORK=%q\nPATH=%q\nengine --runtime kata "$@"\n' "$WORK" "$PATH"
	} >"$WORK/compose/podman"
	chmod +x "$WORK/compose/podman"
	podman-compose --in-pod false --podman-path "$WORK/compose/podman" --project-name kata-project --file "$WORK/compose.yaml" "$@"
}
