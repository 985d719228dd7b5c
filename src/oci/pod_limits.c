#include "oci/pod_limits.h"

#include <string.h>

#include "base/file.h"
#include "base/log.h"

static uint64_t annotation(Grpc__Spec__AnnotationsEntry *const *list, size_t n, const char *key)
{
	int64_t value = 0;

	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i]->key, key) == 0 && num_parse_i64(list[i]->value, &value) < 0)
			log_warn("ignoring annotation %s: '%s' is no number", key, list[i]->value);
	return value > 0 ? (uint64_t) value : 0; /* -1 is no limit */
}

struct pod_limits pod_limits_read(Grpc__Spec__AnnotationsEntry *const *annotations, size_t n)
{
#define OF_SANDBOX(what) annotation(annotations, n, "io.kubernetes.cri.sandbox-" what)
	return (struct pod_limits){
		.memory_bytes = OF_SANDBOX("memory"),
		.cpu_shares = OF_SANDBOX("cpu-shares"),
		.cpu_period_us = OF_SANDBOX("cpu-period"),
		.cpu_quota_us = OF_SANDBOX("cpu-quota"),
	};
#undef OF_SANDBOX
}
