# shellcheck shell=bash
# shellcheck disable=SC2034 # test files use what is set here
# A containerd of the test's own with its CRI, and a client of it: gRPC is HTTP/2, which curl speaks, and protoc knows the
# messages of lib/cri.proto. Stands on lib/common and lib/containerd; a test file calls cri_begin in setup() after
# common_setup, and cri_end in teardown() before common_teardown.

LIB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

cri_begin() {
	export CONTAINERD_NAMESPACE=k8s.io
	mkdir -p "$WORK/cni-bin" "$WORK/cni" "$WORK/logs"
	cri_network
	cri_configure
	containerd_start
	cri_image
}

cri_image() {
	wait_for 60 cri_answers
	mkdir "$WORK/image"
	cp -al "$ROOTFS/." "$WORK/image"
	gcc -std=gnu17 -D_GNU_SOURCE -O2 -static -o "$WORK/image/bin/pod_member" "$LIB/../pod_member.c"
	# It is the pause image, too.
	IMAGE_CONFIG='{"Cmd": ["sleep", "100000"], "Env": ["PATH=/bin"]}'
	image_make "$IMAGE" "$WORK/image"
}

# cri_setup, cri_teardown: what a file does around each case that has a containerd of its own. Without curl it is skipped.
cri_setup() {
	command -v curl >/dev/null || skip "curl is not installed: tools/install-deps"
	common_setup
	cri_begin
}

cri_teardown() {
	[ -n "${WORK:-}" ] || return 0
	tail -n 40 "$WORK"/peer* "$WORK"/ours* 2>/dev/null || true
	cri_end
	common_teardown
}

# CRI_KEYS are more keys of the CRI, SANDBOX_KEYS of the handler kata-sandbox, HANDLER_LINES are more handlers, whose plugin
# is @cri@. Without CAP_SYS_RESOURCE runc cannot lower what CRI wants to lower.
cri_configure() {
	cat >"$WORK/containerd.toml" <<-EOF
		version = $(containerd_is_1 && echo 2 || echo 3)
		root = "$WORK/containerd.root"
		state = "$WORK/containerd.state"
		[grpc]
		  address = "$WORK/containerd.sock"
		[plugins."io.containerd.internal.v1.opt"]
		  path = "$WORK/opt"
		$(cri_keys_of_"$(containerd_is_1 && echo 1 || echo 2)")
		$(cri_handler_lines | sed "s/@cri@/$(cri_plugin)/" | sed 's/^/\t\t/')
	EOF
}

containerd_is_1() {
	[[ $(containerd --version) =~ \ v?1\. ]]
}

# Of which plugin the handlers are.
cri_plugin() {
	containerd_is_1 && echo io.containerd.grpc.v1.cri || echo io.containerd.cri.v1.runtime
}

# A file of version 2 has one plugin for all of CRI.
cri_keys_of_1() {
	cat <<-EOF
		[plugins."io.containerd.grpc.v1.cri"]
		  sandbox_image = "$IMAGE"
		  restrict_oom_score_adj = true
		  stream_server_address = "127.0.0.1"
		  ${CRI_KEYS:-}
		  [plugins."io.containerd.grpc.v1.cri".cni]
		    bin_dir = "${CNI_BIN:-$WORK/cni-bin}"
		    conf_dir = "$WORK/cni"
	EOF
}

# In one of version 3 they are three.
cri_keys_of_2() {
	cat <<-EOF
		[plugins."io.containerd.cri.v1.images".pinned_images]
		  sandbox = "$IMAGE"
		[plugins."io.containerd.grpc.v1.cri"]
		  stream_server_address = "127.0.0.1"
		[plugins."io.containerd.cri.v1.runtime"]
		  restrict_oom_score_adj = true
		  ${CRI_KEYS:-}
		  [plugins."io.containerd.cri.v1.runtime".cni]
		    bin_dirs = ["${CNI_BIN:-$WORK/cni-bin}"]
		    conf_dir = "$WORK/cni"
	EOF
}

# Ours is what the page for users says.
cri_handler_lines() {
	cat <<-EOF
		[plugins."@cri@".containerd.runtimes.runc]
		  runtime_type = "io.containerd.runc.v2"
		$(sed -n '/^```toml/,/^```$/{/^```/d;s/io.containerd.grpc.v1.cri/@cri@/;p}' "$TREE/docs/engines/containerd.md")
		[plugins."@cri@".containerd.runtimes.kata-sandbox]
		  runtime_type = "io.containerd.kata.v2"
		  sandboxer = "shim"
		  ${SANDBOX_KEYS:-}
		  privileged_without_host_devices = true
		${HANDLER_LINES:-}
	EOF
}

# Our handlers: containerd 2 can also ask the sandbox server for a pod, and makes no container for it then.
cri_handlers() {
	echo kata
	containerd_is_1 || echo kata-sandbox
}

# beside_runc COMMAND LINES: what it prints with each of our handlers is what it prints with runc, at least LINES lines.
beside_runc() {
	local handler
	"$1" runc >"$WORK/peer" 2>"$WORK/peer.err"
	[ "$(grep -c . "$WORK/peer")" -ge "$2" ]
	for handler in $(cri_handlers); do
		"$1" "$handler" >"$WORK/ours.$handler" 2>"$WORK/ours.err.$handler"
		diff "$WORK/peer" "$WORK/ours.$handler"
		diff "$WORK/peer.err" "$WORK/ours.err.$handler"
	done
}

# A network that is none: the address that CRI wants to hear of, and the loopback device up, for runc's pods.
cri_network() {
	cat >"$WORK/cni-bin/loopback" <<-'EOF'
		#!/bin/sh
		cat >/dev/null
		case $CNI_COMMAND in
		VERSION) echo '{"cniVersion": "1.0.0", "supportedVersions": ["0.3.1", "0.4.0", "1.0.0"]}' ;;
		ADD)
			nsenter --net="$CNI_NETNS" ip link set lo up
			echo '{"cniVersion": "0.3.1", "interfaces": [{"name": "'"$CNI_IFNAME"'", "sandbox": "'"$CNI_NETNS"'"}],
				"ips": [{"version": "4", "address": "192.0.2.1/32", "interface": 0}]}'
			;;
		esac
	EOF
	chmod 755 "$WORK/cni-bin/loopback"
	ln -s loopback "$WORK/cni-bin/none"
	echo '{"cniVersion": "0.3.1", "name": "none", "plugins": [{"type": "none"}]}' >"$WORK/cni/10-none.conflist"
}

cri_end() {
	local id
	for id in $(cri ListPodSandbox <<<'' 2>/dev/null | fields id); do
		cri StopPodSandbox <<<"pod_sandbox_id: '$id'" >/dev/null || true
		cri RemovePodSandbox <<<"pod_sandbox_id: '$id'" >/dev/null || true
	done
	containerd_end
}

# cri METHOD < request in protobuf's text form: prints the answer so, or fails with the sentence.
cri() {
	local call
	call=$(mktemp -d "$WORK/call-XXXXXX")
	cri_frame "$1" >"$call/request"
	curl --silent --show-error --http2-prior-knowledge --unix-socket "$WORK/containerd.sock" --max-time 300 \
		-H 'content-type: application/grpc' -H 'te: trailers' --data-binary "@$call/request" \
		-D "$call/headers" -o "$call/answer" "http://localhost/runtime.v1.RuntimeService/$1" || return
	if ! grep -qi '^grpc-status: 0' "$call/headers"; then
		sed -n 's/^grpc-message: //Ip' "$call/headers" | tr -d '\r' >&2
		return 1
	fi
	tail -c +6 "$call/answer" | protoc -I"$LIB" --decode="runtime.v1.$1Response" "$LIB/cri.proto"
}

# A message of gRPC: not compressed, four bytes of length, the bytes.
cri_frame() {
	protoc -I"$LIB" --encode="runtime.v1.$1Request" "$LIB/cri.proto" >"$call/message"
	printf '\0'
	printf '%08x' "$(stat -c %s "$call/message")" | sed 's/../\\x&/g' | xargs -0 printf
	cat "$call/message"
}

cri_answers() {
	cri ListPodSandbox <<<'' >/dev/null 2>&1
}

# fields NAME < answer: the values of it, one a line.
fields() {
	sed -n "s/^ *$1: \"\{0,1\}\([^\"]*\)\"\{0,1\}$/\1/p"
}

# pod_run HANDLER NAME [FIELDS OF LinuxPodSandboxConfig]: prints the pod's id.
pod_run() {
	cri RunPodSandbox <<<"runtime_handler: '$1' config {$(pod_config "$2" "${3:-}")}" | fields pod_sandbox_id
}

pod_config() {
	echo "metadata {name: '$1' uid: '$1' namespace: 'default'} hostname: '$1-host' log_directory: '$WORK/logs' linux {$2}"
}

pod_remove() {
	cri StopPodSandbox <<<"pod_sandbox_id: '$1'"
	cri RemovePodSandbox <<<"pod_sandbox_id: '$1'"
}

# container_make POD NAME FIELDS ARG...: creates and starts one, with FIELDS of LinuxContainerSecurityContext; prints its id.
# POD_FIELDS are what pod_run was given, CONTAINER_FIELDS are fields of LinuxContainerConfig, CONFIG_FIELDS of ContainerConfig.
container_make() {
	local pod=$1 name=$2 context=$3 id args=''
	shift 3
	for arg; do args+=" command: '${arg//\'/\\\'}'"; done
	id=$(cri CreateContainer <<<"pod_sandbox_id: '$pod' sandbox_config {$(pod_config pod "${POD_FIELDS:-}")}
		config {metadata {name: '$name'} image {image: '$IMAGE'} $args log_path: '$name.log' ${CONFIG_FIELDS:-} linux {security_context {$context} ${CONTAINER_FIELDS:-}}}" |
		fields container_id)
	[ -n "$id" ]
	cri StartContainer <<<"container_id: '$id'" || return
	echo "$id"
}

container_stop() {
	cri StopContainer <<<"container_id: '$1' timeout: ${2:-0}"
}

container_remove() {
	cri RemoveContainer <<<"container_id: '$1'"
}

# container_exec ID ARG...: prints what the program does, ends with its code.
container_exec() {
	local id=$1 args='' code
	shift
	for arg; do args+=" cmd: '${arg//\'/\\\'}'"; done
	cri ExecSync <<<"container_id: '$id' timeout: 120 $args" >"$WORK/exec" || return
	printf '%b' "$(fields stdout <"$WORK/exec")"
	printf '%b' "$(fields stderr <"$WORK/exec")" >&2
	code=$(fields exit_code <"$WORK/exec")
	return "${code:-0}"
}

# container_status ID: its state and its exit code.
container_status() {
	cri ContainerStatus <<<"container_id: '$1'" >"$WORK/status"
	echo "$(fields state <"$WORK/status") $(fields exit_code <"$WORK/status") $(fields reason <"$WORK/status")"
}

container_is() {
	[[ "$(container_status "$1")" == "$2"* ]]
}

# container_pid ID: that of the host, as CRI knows it.
container_pid() {
	cri "${2:-ContainerStatus}" <<<"${3:-container_id}: '$1' verbose: true" | sed -n 's/.*\\"pid\\":\([0-9]*\).*/\1/p' | head -1
}

# What a container has printed, without times.
container_log() {
	cut -d' ' -f2- "$WORK/logs/$1.log"
}

log_has() {
	container_log "$1" | grep -q "$2"
}
