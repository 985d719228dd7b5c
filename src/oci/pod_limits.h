#pragma once

#include <stddef.h>
#include <stdint.h>

#include "oci.pb-c.h"

/*
 * What all containers of a pod may use together, as containerd's CRI says it of the pod's own
 * container: annotations io.kubernetes.cri.sandbox-memory (bytes), -cpu-shares, -cpu-period and
 * -cpu-quota (microseconds), which have the kubelet's sums. 0: nothing is said, or there is no
 * limit.
 */
struct pod_limits {
	uint64_t memory_bytes;
	uint64_t cpu_shares;
	uint64_t cpu_period_us;
	uint64_t cpu_quota_us;
};

/* An annotation that is no number is logged and ignored. */
struct pod_limits pod_limits_read(Grpc__Spec__AnnotationsEntry *const *annotations, size_t n);
