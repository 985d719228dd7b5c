#pragma once

#include "host/cli/verb.h"

/**
 * overhead_measure() - what a pod takes of this host beside its containers
 *
 * Starts the machine of a pod that has no container, lets it be idle for some seconds, and prints
 * what its processes use as a block of Kubernetes' RuntimeClass. Nothing is left, also after
 * SIGINT, SIGTERM and SIGHUP. Returns 0 or -errno.
 */
int overhead_measure(const struct cli *cli, struct err *e);
