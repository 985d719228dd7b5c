#!/usr/bin/env bats
# Kubernetes: a cluster of one node in a room (make check-kubernetes), the same pods with our RuntimeClass and with runc's.
# bats file_tags=kubernetes

bats_require_minimum_version 1.5.0
load lib/cluster
load lib/cases_containers
load lib/cases_volumes
load lib/cases_kubectl
load lib/cases_node
load lib/cases_handlers

setup_file() {
	cluster_setup_file
}

teardown_file() {
	cluster_teardown_file
}

setup() {
	cluster_setup
}

teardown() {
	cluster_teardown
}

@test "a pod of two containers" {
	alike two_containers
}

@test "init containers and a sidecar" {
	alike init_and_sidecar
}

@test "exec probes: startup, readiness, and liveness restarts" {
	alike probes
}

@test "probes over HTTP and TCP, and a pod that reaches another one" {
	alike dialled
}

@test "restartPolicy: a container that fails is started again, later each time" {
	alike restarts
}

@test "a container out of memory is OOMKilled, and its neighbour is not" {
	alike out_of_memory
}

@test "a grace period, postStart and preStop" {
	alike grace
}

@test "shareProcessNamespace" {
	alike processes_are_shared
}

@test "kubectl debug: a container beside a running one" {
	alike debug_container
}

@test "securityContext: users, groups, capabilities, a read-only root, seccomp" {
	alike security
}

@test "volumes: ConfigMap, Secret, downward API, emptyDir on disk and in memory, updates" {
	alike volumes
}

@test "eviction: an emptyDir above its limit" {
	alike too_much_is_evicted
}

@test "eviction: a layer above its limit" {
	alike too_large_a_layer_is_evicted
}

@test "eviction: the node runs out of memory" {
	alike_in_turn memory_pressure
}

@test "hostUsers: false" {
	needs userNamespaces
	alike users_of_their_own
}

@test "recursiveReadOnly" {
	needs recursiveReadOnlyMounts
	alike read_only_below
}

@test "supplementalGroupsPolicy" {
	[ "$(k get node node -o 'jsonpath={.status.features.supplementalGroupsPolicy}')" = true ] || skip "this containerd does not know of it"
	alike groups
}

@test "kubectl exec, logs, cp" {
	alike exec_logs_cp
}

@test "kubectl attach" {
	alike attach
}

@test "a resize in place, up and down" {
	alike resizes
}

@test "resources of the pod as a whole" {
	alike pod_resources
}

@test "a job of two pods" {
	alike job
}

@test "a deployment is rolled out and back" {
	alike deployment
}

@test "the overhead of the RuntimeClass is in the kubelet's cgroup of the pod" {
	overhead
}

@test "hostNetwork, hostPID and hostIPC are refused with a sentence in the pod's events" {
	refusals
}

@test "kubelet and containerd are killed and started again beside running pods" {
	restarts_of_the_node
}
