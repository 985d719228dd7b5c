# shellcheck shell=bash disable=SC2154,SC2016
# Buildah, whose containers are Podman's storage: each `run` is a machine. See engines.bash.

b() {
	CONTAINERS_CONF=$WORK/containers.conf timeout --foreground 120 \
		buildah --root "$WORK/podman/root" --runroot "$WORK/podman/run" --storage-driver overlay "$@"
}

# in_build RUNTIME ARG...: `run` in the working container of that runtime.
in_build() {
	local runtime=$1
	shift
	b run --runtime "$runtime" --isolation oci --network none "$@"
}

# For each runtime, a name of a working container, and the runtime's program.
builders_make() {
	command -v buildah >/dev/null || skip "there is no buildah here"
	local name
	for name in runc kata; do b from --name "$name-build" "$IMAGE" >/dev/null; done
}

builders_remove() {
	b rm runc-build kata-build >/dev/null
}

program() {
	case $1 in
	kata) echo "$TREE/build/kata-runtime" ;;
	*) command -v "$1" ;;
	esac
}

buildah_runs_a_step() {
	local name
	builders_make
	for name in runc kata; do
		capture in_build "$(program $name)" "$name-build" sh -c 'echo out; exit 5'
		[ "$status" -eq 5 ]
		[[ $output == out* ]]
		[ "$(echo "through stdin" | in_build "$(program $name)" "$name-build" cat)" = "through stdin" ]
		in_build "$(program $name)" --user 65534 "$name-build" sh -c 'id -u >/tmp/who'
		[ "$(in_build "$(program $name)" -v "$WORK/volume:/v:ro" "$name-build" cat /tmp/who /v/file)" = $'65534\nin the volume' ]
	done
	[[ $(in_build "$(program kata)" kata-build cat /proc/cmdline) == *" agent."* ]]
	builders_remove
}

buildah_commits_what_ran() {
	local name
	builders_make
	for name in runc kata; do
		in_build "$(program $name)" "$name-build" sh -c 'echo made >/root/made; rm /etc/origin'
		b commit --quiet "$name-build" "$name-built" >/dev/null
		run under "$name" run --rm --network none "$name-built" sh -c 'cat /root/made; ls /etc/origin 2>/dev/null'
		[ "$output" = made ]
		engine rmi "$name-built" >/dev/null
	done
	builders_remove
}
