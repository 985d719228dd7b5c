# shellcheck shell=bash
# A cluster of one node in a room (tools/room): etcd, the API server, the controllers, the scheduler, a kubelet, and a
# containerd with our shim as the handler `kata` and beside it `runc`. Each test makes the same pods under both handlers
# and compares what they do. The programs are in PATH (fetch-kubernetes).

load ../engines/lib/engines
load ../e2e/lib/containerd
load ../e2e/lib/cri

KUBERNETES_LIB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
NODE_IP=192.0.2.10
# Seconds. Other suites run beside this one, so they are many: they only pass when a test fails.
PATIENCE=300
# What the kubelet leaves on the node, in its own words.
LEAST_MEMORY=100Mi

cluster_setup_file() {
	in_a_room || {
		echo "a cluster runs in a room of its own: make check-kubernetes" >&2
		return 1
	}
	export WORK=$BATS_FILE_TMPDIR ROOTFS=$BATS_FILE_TMPDIR/rootfs
	export KUBECONFIG=$WORK/kubeconfig HOME=$WORK/home
	mkdir "$WORK/home"
	# The root of a pod with a user namespace is nobody on the host, and must get to its root file system.
	chmod 711 "$BATS_RUN_TMPDIR" "$WORK"
	make_rootfs "$ROOTFS"
	# For the case of a group that only the image knows of.
	echo 'somebody:x:1234:1234::/:/bin/sh' >>"$ROOTFS/etc/passwd"
	echo 'more:x:5678:somebody' >"$ROOTFS/etc/group"
	node_folders
	node_network
	everything >"$WORK/before-cluster"
	control_plane_begin
	node_begin
	wait_for "$PATIENCE" node_is_ready
	runtime_classes
}

# In a mount namespace of its own with an empty /run, in control groups of its own, and without a network.
in_a_room() {
	[ "$(stat -fc %T /run)" = tmpfs ] || return 1
	[ -d /sys/fs/cgroup/suite ] || [ -d /sys/fs/cgroup/pids/suite ] || return 1
	! ip -brief link show up | grep -qv '^lo '
}

# Paths that the kubelet has compiled in. What is in it shall reach containerd, as on a host, and nothing else shall.
node_folders() {
	local dir
	for dir in /var/lib /var/log; do
		mount -t tmpfs -o mode=755 kubernetes "$dir"
	done
	mkdir /var/lib/kubelet
	mount --bind /var/lib/kubelet /var/lib/kubelet
	mount --make-shared /var/lib/kubelet
}

# The address of the node is on a bridge without ports, because every kernel has bridges. Pods get theirs of a plugin of
# Debian's.
node_network() {
	hostname node
	ip link add node0 type bridge
	ip address add $NODE_IP/24 dev node0
	ip link set node0 up
}

# background NAME COMMAND...: with a log and a pid of that name. Descriptors of bats would keep it from ending.
background() {
	local name=$1
	shift
	"$@" >>"$WORK/$name.log" 2>&1 </dev/null 3>&- &
	echo $! >"$WORK/$name.pid"
}

# Bats has each test in a process of its own, so what one has started is not its child's child.
background_end() {
	local pid
	pid=$(cat "$WORK/$1.pid" 2>/dev/null) || return 0
	kill "${2:-}" "$pid" 2>/dev/null || true
	wait_for 120 gone "$pid"
}

control_plane_begin() {
	keys_make
	background etcd etcd --data-dir "$WORK/etcd" --unsafe-no-fsync --log-level warn
	background kube-apiserver kube-apiserver --etcd-servers http://127.0.0.1:2379 --advertise-address $NODE_IP \
		--tls-cert-file "$WORK/tls.crt" --tls-private-key-file "$WORK/tls.key" --cert-dir "$WORK/apiserver" \
		--service-account-key-file "$WORK/tls.key" --service-account-signing-key-file "$WORK/tls.key" \
		--service-account-issuer https://kubernetes.default.svc --token-auth-file "$WORK/tokens" \
		--authorization-mode RBAC --kubelet-preferred-address-types InternalIP --allow-privileged --endpoint-reconciler-type none \
		--service-cluster-ip-range 198.51.100.0/24
	wait_for "$PATIENCE" k get --raw /readyz >/dev/null 2>&1 || cluster_failed
	background kube-controller-manager kube-controller-manager --kubeconfig "$KUBECONFIG" --leader-elect=false \
		--service-account-private-key-file "$WORK/tls.key" --root-ca-file "$WORK/tls.crt" --bind-address 127.0.0.1
	background kube-scheduler kube-scheduler --kubeconfig "$KUBECONFIG" --leader-elect=false --bind-address 127.0.0.1
}

cluster_failed() {
	tail -n 20 "$WORK"/*.log >&2
	return 1
}

# One key for all, and one user, who may do everything.
keys_make() {
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=node -addext "subjectAltName=IP:127.0.0.1,IP:$NODE_IP,DNS:node" \
		-keyout "$WORK/tls.key" -out "$WORK/tls.crt" 2>/dev/null
	echo 'token-of-the-test,admin,admin,"system:masters"' >"$WORK/tokens"
	cat >"$KUBECONFIG" <<-EOF
		apiVersion: v1
		kind: Config
		clusters: [{name: c, cluster: {server: "https://127.0.0.1:6443", certificate-authority: $WORK/tls.crt}}]
		users: [{name: admin, user: {token: token-of-the-test}}]
		contexts: [{name: c, context: {cluster: c, user: admin}}]
		current-context: c
	EOF
}

node_begin() {
	export CONTAINERD_NAMESPACE=k8s.io
	mkdir -p "$WORK/cni" "$WORK/plugins"
	cat >"$WORK/cni/10-pods.conflist" <<-EOF
		{"cniVersion": "0.4.0", "name": "pods", "plugins": [{"type": "bridge", "bridge": "pods0", "isGateway": true,
			"ipam": {"type": "host-local", "dataDir": "$WORK/addresses", "ranges": [[{"subnet": "203.0.113.0/24"}]]}}]}
	EOF
	CNI_BIN=/usr/lib/cni HANDLER_LINES=$(handler_of_users) cri_configure
	node_containerd_start
	cri_image
	kubelet_configure "$LEAST_MEMORY"
	kubelet_start
}

# What the page for users says of pods with user namespaces on the first containerds of version 2, with the program of this tree.
handler_of_users() {
	containerd_is_1 || page toml | sed "s,/usr/local/bin/,$TREE/build/,"
}

# kubelet_configure MEMORY: that much is to be left on the node.
kubelet_configure() {
	cat >"$WORK/kubelet.yaml" <<-EOF
		apiVersion: kubelet.config.k8s.io/v1beta1
		kind: KubeletConfiguration
		authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
		authorization: {mode: AlwaysAllow}
		tlsCertFile: $WORK/tls.crt
		tlsPrivateKeyFile: $WORK/tls.key
		containerRuntimeEndpoint: unix://$WORK/containerd.sock
		volumePluginDir: $WORK/plugins
		cgroupDriver: cgroupfs
		cgroupsPerQOS: true
		failCgroupV1: false
		failSwapOn: false
		makeIPTablesUtilChains: false
		protectKernelDefaults: true
		imageGCHighThresholdPercent: 100
		evictionHard: {memory.available: "$1", nodefs.available: 1%, imagefs.available: 1%}
		evictionPressureTransitionPeriod: 5s
		syncFrequency: 5s
		nodeStatusUpdateFrequency: 5s
		runtimeRequestTimeout: 10m
	EOF
}

node_containerd_start() {
	containerd_start
	echo "$CONTAINERD" >"$WORK/containerd.pid"
}

# kubelet_again MEMORY: another one, beside running pods, that leaves so much on the node.
kubelet_again() {
	background_end kubelet
	kubelet_configure "$1"
	kubelet_start
	wait_for "$PATIENCE" kubelet_answers
}

# After a case that has had another one.
kubelet_usual() {
	grep -q "memory.available: \"$LEAST_MEMORY\"" "$WORK/kubelet.yaml" || kubelet_again "$LEAST_MEMORY"
}

kubelet_answers() {
	k get --raw /api/v1/nodes/node/proxy/healthz >/dev/null 2>&1
}

kubelet_start() {
	background kubelet unshare --mount --propagation unchanged "$KUBERNETES_LIB/kubelet-alone" --config "$WORK/kubelet.yaml" \
		--kubeconfig "$KUBECONFIG" --hostname-override node --node-ip $NODE_IP
}

node_is_ready() {
	[ "$(k get node node -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}' 2>/dev/null)" = True ]
}

# kubectl, which waits for an API server that does not answer.
k() {
	timeout --foreground --signal KILL $((2 * PATIENCE)) kubectl "$@"
}

# What the page for users says is what runs; and the same without a machine.
runtime_classes() {
	page yaml | k apply -f - >/dev/null
	page yaml | sed 's/: kata$/: kata-users/' | k apply -f - >/dev/null
	k create -f - >/dev/null <<-EOF
		{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: runc}, handler: runc}
	EOF
	wait_for "$PATIENCE" k get serviceaccount default >/dev/null 2>&1
}

# page LANGUAGE: the text of that language on it.
page() {
	sed -n "/^\`\`\`$1/,/^\`\`\`\$/{/^\`\`\`/d;p}" "$TREE/docs/engines/kubernetes.md"
}

cluster_teardown_file() {
	[ "$HOME" = "$BATS_FILE_TMPDIR/home" ] || return 0
	background_end kubelet
	CONTAINERD=$(cat "$WORK/containerd.pid")
	cri_end
	for name in kube-scheduler kube-controller-manager kube-apiserver etcd; do background_end $name; done
	ip link delete pods0 2>/dev/null || true
	# What a repeated file finds it would take for a host's.
	ip link delete node0
	wait_for 60 nothing_since before-cluster >/dev/null || {
		nothing_since before-cluster
		return 1
	} >&2
}

cluster_setup() {
	everything >"$WORK/before"
}

# A pod that a test leaves is one that the next test would find.
cluster_teardown() {
	[ -n "$BATS_TEST_COMPLETED" ] || explain
	kubelet_usual
	k delete deployment,job,pod,configmap,secret --all --grace-period 1 --wait >/dev/null 2>&1 || true
	wait_for 120 nothing_since before >/dev/null || {
		nothing_since before
		return 1
	} >&2
}

# nothing_since LIST: prints what is there besides, and is false then. The kubelet's groups of all pods stay while it runs.
nothing_since() {
	! everything | comm -13 "$WORK/$1" - | grep -vE '^control group .*/kubepods(/besteffort|/burstable)?$|^file /run/kata-[a-z/]*$'
}

explain() {
	k get pods
	k get events --sort-by .lastTimestamp -o 'custom-columns=:.involvedObject.name,:.reason,:.message' | grep -vwE 'Pulled|Created|Scheduled' | tail -n 20
} >&2

# alike FUNCTION: with each handler as its argument, at the same time. What it prints must be the same, and that it is done.
alike() {
	local handler failed=0
	local -A running=()
	for handler in runc kata; do
		"$1" "$handler" >"$WORK/of-$handler" 2>&1 3>&- &
		running[$handler]=$!
	done
	for handler in runc kata; do
		wait "${running[$handler]}" || failed=1
	done
	compare_both $failed
}

# alike_in_turn FUNCTION: one after the other, where they would be in each other's way.
alike_in_turn() {
	local handler failed=0
	for handler in runc kata; do
		"$1" "$handler" >"$WORK/of-$handler" 2>&1 3>&- &
		wait $! || failed=1
	done
	compare_both $failed
}

# compare_both FAILED
compare_both() {
	local handler failed=$1
	for handler in runc kata; do
		sed -i "s/\b$handler\b/HANDLER/g" "$WORK/of-$handler"
	done
	[ "$failed" -eq 0 ] && [ -s "$WORK/of-kata" ] && diff "$WORK/of-runc" "$WORK/of-kata" && return
	tail -n 30 "$WORK/of-runc" "$WORK/of-kata"
	return 1
}

# pod_make HANDLER NAME < SPEC: a pod of that name and handler, or with the RuntimeClass CLASS.
pod_make() {
	{
		echo "{apiVersion: v1, kind: Pod, metadata: {name: $2-$1, labels: {of: $2}}, spec: {runtimeClassName: ${CLASS:-$1},"
		echo "terminationGracePeriodSeconds: 1, automountServiceAccountToken: false, enableServiceLinks: false, dnsPolicy: Default,"
		cat
		echo "}}"
	} | k create -f - >/dev/null
}

# of POD JSONPATH: a value of it.
of() {
	k get pod "$1" -o "jsonpath={$2}{\"\n\"}"
}

# until_is POD JSONPATH [VALUE]: that value, or any.
until_is() {
	k wait "pod/$1" --for "jsonpath={$2}${3:+=$3}" --timeout "${PATIENCE}s" >/dev/null || {
		echo "$1: $2 is '$(of "$1" "$2")' and not '${3:-}'"
		return 1
	}
}

until_ready() {
	k wait "pod/$1" --for condition=Ready --timeout "${PATIENCE}s" >/dev/null
}

# logged POD WORDS: once it has said so.
logged() {
	k logs "$1" | grep -x "$2"
}

# in_pod POD COMMAND...
in_pod() {
	local pod=$1
	shift
	k exec "$pod" -- "$@"
}
