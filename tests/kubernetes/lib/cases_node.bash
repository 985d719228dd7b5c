# shellcheck shell=bash disable=SC2016
# The node and its limits, and what makes pods. Each case is a function of the handler; see cluster.bash.

# group_of_pod POD CONTROLLER: the kubelet's cgroup of it.
group_of_pod() {
	find "/sys/fs/cgroup/$2/kubepods" "/sys/fs/cgroup/kubepods" -type d -name "pod$(of "$1" .metadata.uid)" 2>/dev/null
}

host_file() {
	cat "$(group_of_pod "$1" "$2")/$3"
}

limits_of() {
	of "$1" '.status.containerStatuses[0].resources.limits'
}

# resize POD CPU MEMORY: until the kubelet says that it is so.
resize() {
	k patch pod "$1" --subresource resize --patch \
		'{"spec": {"containers": [{"name": "a", "resources": {"limits": {"cpu": "'"$2"'", "memory": "'"$3"'"}, "requests": {"cpu": "100m", "memory": "32Mi"}}}]}}' >/dev/null
	until_is "$1" '.status.containerStatuses[0].resources.limits.memory' "$3"
	until_is "$1" '.status.containerStatuses[0].resources.limits.cpu' "$2"
	limits_of "$1"
}

resizes() {
	pod_make "$1" resize <<-EOF
		containers: [{name: a, image: "$IMAGE", command: [sleep, "100000"], resources: {limits: {cpu: 200m, memory: 64Mi}, requests: {cpu: 100m, memory: 32Mi}},
			resizePolicy: [{resourceName: cpu, restartPolicy: NotRequired}, {resourceName: memory, restartPolicy: NotRequired}]}]
	EOF
	until_ready "resize-$1"
	resize "resize-$1" 500m 128Mi
	resize "resize-$1" 300m 96Mi
	of "resize-$1" '.status.containerStatuses[0].restartCount'
}

# What the pod as a whole may use, and each of its containers then.
pod_resources() {
	local -A overhead=([runc]=0 [kata]=384)
	local most
	pod_make "$1" level <<-EOF
		restartPolicy: Never, resources: {limits: {cpu: 500m, memory: 128Mi}, requests: {cpu: 100m, memory: 64Mi}},
		containers: [{name: a, image: "$IMAGE", command: [sleep, "100000"]},
			{name: b, image: "$IMAGE", command: [sh, -c, "exec 2>&1; until test -e /tmp/go; do sleep 1; done; tail /dev/zero; echo survived"]}]
	EOF
	until_ready "level-$1"
	of "level-$1" .status.qosClass
	most=$(host_file "level-$1" memory memory.limit_in_bytes 2>/dev/null || host_file "level-$1" . memory.max)
	echo "$(((most >> 20) - overhead[$1])) MiB on the host besides the overhead"
	k exec "level-$1" -c b -- touch /tmp/go
	until_is "level-$1" '.status.containerStatuses[1].state.terminated.reason' OOMKilled
	k logs "level-$1" -c b
	k exec "level-$1" -c a -- echo "a goes on"
}

# Bytes that the kubelet counts as left on the node.
memory_available() {
	k get --raw /api/v1/nodes/node/proxy/stats/summary | jq .node.memory.availableBytes
}

no_pressure() {
	k wait node/node --for condition=MemoryPressure=False --timeout "${PATIENCE}s" >/dev/null
}

no_group_of() {
	[ -z "$(group_of_pod "$1" memory)" ]
}

# Of two pods one takes 900 MiB, when the kubelet wants to keep all but 500 MiB of what is left. It counts what is in this room
# only, so nothing outside is at stake.
memory_pressure() {
	pod_make "$1" steady <<-EOF
		containers: [{name: a, image: "$IMAGE", command: [sleep, "100000"], resources: {limits: {cpu: 100m, memory: 64Mi}}}]
	EOF
	pod_make "$1" hog <<-EOF
		containers: [{name: a, image: "$IMAGE",
			command: [sh, -c, "until test -e /tmp/go; do sleep 1; done; dd if=/dev/zero bs=900M count=1 | sleep 100000"]}]
	EOF
	until_ready "steady-$1"
	until_ready "hog-$1"
	kubelet_again "$((($(memory_available) >> 20) - 500))Mi"
	no_pressure
	# Until the kubelet knows its pods again.
	wait_for "$PATIENCE" in_pod "hog-$1" touch /tmp/go 2>/dev/null
	until_is "hog-$1" .status.reason Evicted
	of "hog-$1" .status.phase
	of "hog-$1" .status.message | sed 's/[0-9]\+[kKMGi]*/N/g'
	# The reason is there before the container has ended.
	until_is "hog-$1" '.status.containerStatuses[0].state.terminated.exitCode'
	of "hog-$1" '.status.containerStatuses[0].state.terminated.exitCode'
	of "hog-$1" '.status.conditions[?(@.type=="DisruptionTarget")].reason'
	wait_for "$PATIENCE" no_group_of "hog-$1"
	no_pressure
	in_pod "steady-$1" echo "still there"
	of "steady-$1" '.status.phase'
	of "steady-$1" '.status.containerStatuses[0].restartCount'
	k delete pod "steady-$1" "hog-$1" >/dev/null
}

job() {
	k create -f - >/dev/null <<-EOF
		{apiVersion: batch/v1, kind: Job, metadata: {name: job-$1}, spec: {completions: 2, parallelism: 2, template: {spec: {
			runtimeClassName: $1, restartPolicy: Never, containers: [{name: a, image: "$IMAGE", command: [echo, done]}]}}}}
	EOF
	k wait --for condition=Complete "job/job-$1" --timeout "${PATIENCE}s"
	k logs -l "batch.kubernetes.io/job-name=job-$1"
}

# one_pod LABEL
one_pod() {
	[ "$(k get pods -l "$1" -o name | wc -l)" -eq 1 ]
}

deployment() {
	k create -f - >/dev/null <<-EOF
		{apiVersion: apps/v1, kind: Deployment, metadata: {name: d-$1}, spec: {replicas: 1, selector: {matchLabels: {d: $1}}, template: {metadata: {labels: {d: $1}}, spec: {
			runtimeClassName: $1, terminationGracePeriodSeconds: 1, dnsPolicy: Default, containers: [{name: a, image: "$IMAGE", command: [sleep, "100000"], env: [{name: V, value: one}]}]}}}}
	EOF
	k rollout status "deployment/d-$1" --timeout "${PATIENCE}s" | tail -1
	k set env "deployment/d-$1" V=two
	k rollout status "deployment/d-$1" --timeout "${PATIENCE}s" | tail -1
	# The pod of before may still be on its way out.
	wait_for "$PATIENCE" one_pod "d=$1"
	in_pod "$(k get pods -l "d=$1" -o name)" sh -c 'echo $V'
	k rollout undo "deployment/d-$1"
	k rollout status "deployment/d-$1" --timeout "${PATIENCE}s" | tail -1
}

# has_event POD WORDS
has_event() {
	k get events --field-selector "involvedObject.name=$1" -o 'jsonpath={.items[*].message}' | grep -qF "$2"
}

# The host's namespaces are what no program under another kernel can be in.
refusals() {
	local field name
	for field in hostNetwork hostPID hostIPC; do
		name=${field,,}
		pod_make kata "$name" <<-EOF
			$field: true, containers: [{name: a, image: "$IMAGE", command: [sleep, "1000"]}]
		EOF
		wait_for "$PATIENCE" has_event "$name-kata" "($field): a pod in a virtual machine cannot have the host's"
		k delete pod "$name-kata" --grace-period 0 --force 2>/dev/null
	done
}

# The kubelet's cgroup of a pod has room for the machine, as the RuntimeClass says.
overhead() {
	local most
	pod_make kata large <<-EOF
		containers: [{name: a, image: "$IMAGE", command: [sleep, "100000"], resources: {limits: {cpu: 200m, memory: 64Mi}}}]
	EOF
	until_ready large-kata
	diff <(of large-kata .spec.overhead) <(k get runtimeclass kata -o 'jsonpath={.overhead.podFixed}{"\n"}')
	most=$(host_file large-kata memory memory.limit_in_bytes 2>/dev/null || host_file large-kata . memory.max)
	[ "$most" = $(((64 + 384) << 20)) ]
	# The machine has been up for as long as its boot; what it uses is far below.
	echo "an idle pod uses $(host_file large-kata memory memory.usage_in_bytes 2>/dev/null || host_file large-kata . memory.current) of $most" >&2
}

still_there() {
	until_ready "steady-$1"
	# Until the kubelet answers and knows its pods again.
	wait_for "$PATIENCE" says kept "steady-$1" cat /tmp/file 2>/dev/null
	of "steady-$1" '.status.containerStatuses[0].restartCount'
	in_pod "steady-$1" sh -c 'kill -TERM 1'
	until_is "steady-$1" .status.phase Succeeded
	k logs "steady-$1"
}

restarts_of_the_node() {
	local handler was
	was=$(cat "$WORK/containerd.pid")
	for handler in runc kata; do
		pod_make "$handler" steady <<-EOF
			restartPolicy: OnFailure,
			containers: [{name: a, image: "$IMAGE", command: [sh, -c, "trap 'echo asked; exit 0' TERM; echo kept > /tmp/file; while :; do sleep 1; done"]}]
		EOF
		until_ready "steady-$handler"
		wait_for "$PATIENCE" says kept "steady-$handler" cat /tmp/file
	done
	background_end kubelet -KILL
	background_end containerd -KILL
	node_containerd_start
	kubelet_start
	# The new one is what may be left now.
	sed "s,/proc/$was/,/proc/$CONTAINERD/," "$WORK/before" | sort >"$WORK/before.new"
	mv "$WORK/before.new" "$WORK/before"
	alike still_there
}
