# shellcheck shell=bash
# shellcheck disable=SC2034 # test files use what is set here
# A containerd of the test's own, with an image of busybox. Stands on lib/common; a test file calls containerd_begin in
# setup() after common_setup, and containerd_end in teardown() before common_teardown.

KATA=(--runtime io.containerd.kata.v2)
IMAGE=localhost/busybox:test
IMAGE_CONFIG='{"Cmd": ["sh"]}'

containerd_begin() {
	cat >"$WORK/containerd.toml" <<-EOF
		version = 2
		root = "$WORK/containerd.root"
		state = "$WORK/containerd.state"
		disabled_plugins = ["io.containerd.grpc.v1.cri"]
		[grpc]
		  address = "$WORK/containerd.sock"
		[plugins."io.containerd.internal.v1.opt"]
		  path = "$WORK/opt"
		[debug]
		  level = "${CONTAINERD_LEVEL:-info}"
	EOF
	containerd_start
	image_make "$IMAGE" "$ROOTFS"
}

containerd_start() {
	# Descriptors of bats would keep it from ending.
	PATH=$TREE/build:$PATH KATA_CONF_FILE=${CONFIGURATION:-$TREE/build/configuration.toml} \
		containerd --config "$WORK/containerd.toml" >>"$WORK/containerd.log" 2>&1 </dev/null 3>&- &
	CONTAINERD=$!
	wait_for 60 containerd_answers || {
		tail "$WORK/containerd.log" >&2
		return 1
	}
}

containerd_answers() {
	c version >/dev/null 2>&1
}

containerd_end() {
	local id
	for id in $(c task ls -q 2>/dev/null); do
		c task kill --signal KILL "$id" >/dev/null 2>&1 || true
		wait_for 20 task_is "$id" STOPPED || true
		c task rm "$id" >/dev/null 2>&1 || true
	done
	kill "$CONTAINERD" 2>/dev/null || true
	wait "$CONTAINERD" || true
	# What of it is only there while something runs.
	rmdir /run/containerd/s /run/containerd/runc/* /run/containerd/runc /run/containerd 2>/dev/null || true
}

# Killed after a time in which any of these commands is over, because ctr passes other signals on. From version 2.2 on it
# warns of the host's control groups in every call.
c() {
	CONTAINERD_SUPPRESS_DEPRECATION_WARNINGS=1 timeout --foreground --signal KILL 120 ctr --address "$WORK/containerd.sock" "$@"
}

task_status() {
	c task ls | awk -v id="$1" '$1 == id {print $3}'
}

task_is() {
	[ "$(task_status "$1")" = "$2" ]
}

# image_make NAME FOLDER...: an image of a layer from each folder, imported.
image_make() {
	local name=$1 dir n=0 sums=() layers=() archive
	archive=$WORK/archive.$RANDOM
	mkdir "$archive"
	shift
	for dir; do
		n=$((n + 1))
		tar -C "$dir" -cf "$archive/$n.tar" .
		sums+=("sha256:$(sha256sum "$archive/$n.tar" | cut -d' ' -f1)")
		layers+=("$n.tar")
	done
	jq -n '{architecture: "amd64", os: "linux", config: $config, rootfs: {type: "layers", diff_ids: $ARGS.positional}}' \
		--argjson config "$IMAGE_CONFIG" --args "${sums[@]}" >"$archive/config.json"
	jq -n --arg name "$name" '[{Config: "config.json", RepoTags: [$name], Layers: $ARGS.positional}]' \
		--args "${layers[@]}" >"$archive/manifest.json"
	tar -C "$archive" -cf "$archive.tar" .
	c image import "$archive.tar" >/dev/null
	rm -rf "$archive" "$archive.tar"
}
