#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * A container's use of its guest for containerd: io.containerd.cgroups.v2.Metrics, because the
 * guest has cgroup v2 whatever the host has, and containerd tells the two apart by the message's
 * name. Private to host/shim.
 *
 * Source: containerd/cgroups, cgroup2/stats/metrics.proto.
 */
#define METRICS_TYPE "io.containerd.cgroups.v2.Metrics"

/* Packs what the guest has answered, a packed Grpc__StatsContainerResponse. *@ret is freed by the
 * caller. Returns 0 or -errno. */
int metrics_pack(const void *stats, size_t bytes, uint8_t **ret, size_t *ret_bytes, struct err *e);
