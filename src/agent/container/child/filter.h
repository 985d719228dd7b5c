#pragma once

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/err.h"

/*
 * Seccomp programs for the kernel. libseccomp can make them, too, but takes a second for an
 * ordinary profile on a slow machine, because each rule copies all rules before it; here a sort and
 * one walk do. The numbers of system calls still come from libseccomp.
 *
 * The program looks at the architecture, then searches the number of the call in a tree of ranges.
 * A call with conditions tries its rules in their order; the first whose conditions all hold
 * decides. An unconditional rule decides alone.
 */

/* As in enum scmp_compare. */
enum filter_op {
	FILTER_NE = 1,
	FILTER_LT,
	FILTER_LE,
	FILTER_EQ,
	FILTER_GE,
	FILTER_GT,
	FILTER_MASKED_EQ, /* (arg & a) == b */
};

struct filter_cond {
	unsigned arg; /* 0 to 5 */
	enum filter_op op;
	uint64_t a, b;
};

#define FILTER_CONDS_MAX 6
#define FILTER_ARCHS_MAX 32
/* A rule is one call of one architecture: an ordinary profile has a thousand. */
#define FILTER_RULES_MAX 65536

struct filter;

/**
 * filter_new() - a filter without rules
 * @otherwise:	SECCOMP_RET_* with data, for calls without a rule
 *
 * The machine's own architecture is in it. Returns 0 or -ENOMEM.
 */
int filter_new(uint32_t otherwise, struct filter **ret, struct err *e);
/* Accepts NULL. */
void filter_free(struct filter *f);
AUTO_PTR(struct filter, filter_free)

/* @token: SCMP_ARCH_*. Before the first rule. Returns 0, also when it is there already, or
 * -E2BIG. */
int filter_add_arch(struct filter *f, uint32_t token, struct err *e);

/* A rule for @name on every architecture that has such a call. Returns 0, -E2BIG, -ENOMEM. */
int filter_add_rule(struct filter *f, uint32_t action, const char *name,
		    const struct filter_cond *conds, size_t n_conds, struct err *e);

/* Sets the answer to calls newer than all rules: ENOSYS makes programs fall back to an older call,
 * where a profile's default action often makes them fail. */
void filter_answer_newer(struct filter *f, uint32_t action);

/* The program; *@ret is freed with free(). Returns 0, -E2BIG (the kernel takes no more than
 * BPF_MAXINSNS), -ENOMEM. */
int filter_compile(struct filter *f, struct sock_filter **ret, unsigned short *ret_len,
		   struct err *e);
