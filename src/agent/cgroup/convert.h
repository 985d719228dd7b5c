#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Converts the cgroup v1 numbers of the specification to those of cgroup v2; the formulas are
 * runc's, so that a workload finds the same values in its files. */

/* cpu.shares (2 to 262144) as cpu.weight (1 to 10000). 0 is "not set" and stays 0. */
uint64_t cpu_weight_from_shares(uint64_t shares);

/* blkio.weight (10 to 1000) as io.weight (1 to 10000). */
uint64_t io_weight_from_blkio(uint32_t weight);

/**
 * memory_swap_from_v1() - v1 counts memory and swap together, v2 swap alone
 * @swap, @limit: -1 is "no limit", 0 "not set"
 * @ret:	-1 for "max"
 *
 * Returns 0, -EINVAL when swap has a limit and memory has none, or less.
 */
int memory_swap_from_v1(int64_t swap, int64_t limit, int64_t *ret, struct err *e);
