#pragma once

#include "agent/cgroup/device_rules.h"

/*
 * Device programs that the kernel has. Most containers have the same rules, and to verify a program
 * costs the kernel more than to make the control group that it is attached to; so the last few stay
 * loaded, and a container whose rules make the same program is given that one.
 */
#define DEVICE_PROGRAMS_KEPT 6

struct device_programs {
	struct kept_program {
		struct bpf_insn *insns; /* NULL: none */
		size_t n;
		int fd;
	} kept[DEVICE_PROGRAMS_KEPT];
	size_t next; /* the place of the one that is loaded next */
};

/* The program in the kernel: a descriptor, the caller's, or -errno. It is loaded unless it is
 * kept. */
int device_programs_get(struct device_programs *all, const struct device_program *p);

/* Loads the programs that the engines' containers have. Returns 0 or -errno. */
int device_programs_warm(struct device_programs *all);

/* Those that are attached stay. */
void device_programs_fini(struct device_programs *all);
