#pragma once

#include <stdint.h>

#include "base/err.h"
#include "host/config/config.h"
#include "oci.pb-c.h"

/*
 * What a machine gets of the host: how many CPUs and how much memory, from the configuration and
 * the limits of the container that it is made for, within what the host has.
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

/* How large a machine for these limits must be; @resources may be NULL. */
struct machine_size machine_size(const struct config_hypervisor *config,
				 const Grpc__LinuxResources *resources,
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
