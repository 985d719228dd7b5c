#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "host/config/config.h"
#include "oci.pb-c.h"
#include "oci/pod_limits.h"

/*
 * What a machine gets of the host: how many CPUs and how much memory, from the configuration and
 * the limits of its containers, within what the host has.
 *
 * Threads: any, nothing is kept. Distrusts: the authors of annotations.
 */

struct machine_size {
	uint32_t vcpus;
	uint64_t memory_bytes;
};

struct host_size {
	uint32_t cpus;
	uint64_t memory_bytes;
};

struct host_size host_size(void);

/* What containers may use at the same time, by their limits. Zeroed: no container. */
struct machine_need {
	uint64_t cpu_milli;    /* of their quotas, in thousandths of a CPU */
	uint64_t cpus_named;   /* one more than the highest CPU that one of them names */
	uint64_t memory_bytes; /* of their limits */
	uint32_t n_unlimited;  /* how many have no limit for memory */
};

/* What one container needs; @resources may be NULL. */
struct machine_need machine_need(const Grpc__LinuxResources *resources);

/* What the containers of a pod will need, by what is said of all of them before there is one. False
 * when nothing is. */
bool machine_need_of_pod(const struct pod_limits *limits, struct machine_need *ret);

/* What is needed after an update, which changes only what it names. */
struct machine_need machine_need_updated(const struct machine_need *need,
					 const Grpc__LinuxResources *update);

/* Adds the need of one more container to @sum. */
void machine_need_add(struct machine_need *sum, const struct machine_need *one);

/* What is enough for both. */
struct machine_need machine_need_most(const struct machine_need *a, const struct machine_need *b);

/* How large a machine for this need must be, and how large one may become at most. */
struct machine_size machine_size(const struct config_hypervisor *config,
				 const struct machine_need *need, const struct host_size *host);
struct machine_size machine_size_most(const struct config_hypervisor *config,
				      const struct host_size *host);

/* What the configuration's file says of the size, before annotations change it. */
struct machine_wish {
	int32_t vcpus;
	uint32_t max_vcpus, memory_mib, max_memory_mib;
};

struct machine_wish machine_wish(const struct config_hypervisor *config);

/* Checks that annotations have raised @file in @config no higher than @file and @host allow,
 * because the author of an annotation need not be the host's administrator. */
int machine_wish_check(const struct machine_wish *file, const struct config_hypervisor *config,
		       const struct host_size *host, struct err *e);
