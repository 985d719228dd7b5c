#pragma once

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "oci.pb-c.h"

/*
 * Device rules as a program for the kernel (BPF_PROG_TYPE_CGROUP_DEVICE), which runs at every mknod
 * and open of a device. In the specification a later rule wins; the program tests the rules from
 * the last to the first, and the first that matches decides.
 */

/* Maximum of instructions for one rule, and for what surrounds the rules. */
#define DEVICE_RULE_INSNS_MAX 8
#define DEVICE_FIXED_INSNS    8

/* No more rules than this. */
#define DEVICE_RULES_MAX 4096

struct device_program {
	struct bpf_insn *insns;
	size_t n;
	bool allows_all; /* it need not be loaded */
};

/* The program for @rules and, after them, the rules of every container. Errors name the field. On
 * success the caller frees ret->insns. */
int device_program_make(Grpc__LinuxDeviceCgroup *const *rules, size_t n_rules,
			struct device_program *ret, struct err *e);
