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

job() {
	k create -f - >/dev/null <<-EOF
		{apiVersion: batch/v1, kind: Job, metadata: {name: job-$1}, spec: {completions: 2, parallelism: 2, template: {spec: {
			runtimeClassName: $1, restartPolicy: Never, containers: [{name: a, image: "$IMAGE", command: [echo, done]}]}}}}
	EOF
	k wait --for condition=Complete "job/job-$1" --timeout "${PATIENCE}s"
	k logs -l "batch.kubernetes.io/job-name=job-$1"
}

deployment() {
	k create -f - >/dev/null <<-EOF
		{apiVersion: apps/v1, kind: Deployment, metadata: {name: d-$1}, spec: {replicas: 1, selector: {matchLabels: {d: $1}}, template: {metadata: {labels: {d: $1}}, spec: {
			runtimeClassName: $1, terminationGracePeriodSeconds: 1, containers: [{name: a, image: "$IMAGE", command: [sleep, "100000"], env: [{name: V, value: one}]}]}}}}
	EOF
	k rollout status "deployment/d-$1" --timeout "${PATIENCE}s" | tail -1
	k set env "deployment/d-$1" V=two
	k rollout status "deployment/d-$1" --timeout "${PATIENCE}s" | tail -1
	k exec "deployment/d-$1" -- printenv V
	k rollout undo "deployment/d-$1"
	k rollout status "deployment/d-$1" --timeout "${PATIENCE}s" | tail -1
}
