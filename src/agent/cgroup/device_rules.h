#pragma once

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "oci.pb-c.h"

/*
 * Device rules as a program for the kernel (BPF_PROG_TYPE_CGROUP_DEVICE), which is asked at every
 * mknod and open of a device. In the specification a later rule wins; a program asks them from the
 * last to the first, and the first that fits decides.
 */

/* Instructions for one rule, and around all. */
#define DEVICE_RULE_INSNS_MAX 8
#define DEVICE_FIXED_INSNS    8

/* No more rules than this. */
#define DEVICE_RULES_MAX 4096

struct device_program {
	struct bpf_insn *insns;
	size_t n;
	bool allows_all; /* it need not be loaded */
};

/* Those of @rules, then those that every container has. Errors name the field. On success the caller
 * frees ret->insns. */
int device_program_make(Grpc__LinuxDeviceCgroup *const *rules, size_t n_rules,
			struct device_program *ret, struct err *e);
