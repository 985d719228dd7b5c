#pragma once

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/container/child/filter.h"

/*
 * The kernel's instructions (classic BPF) for the parts of a filter. They grow at the end of one
 * buffer; what does not fit any more is only counted, so that one check at the end suffices.
 */
struct code {
	struct sock_filter insns[BPF_MAXINSNS];
	size_t n;
};

void code_add(struct code *c, uint16_t op, size_t jt, size_t jf, uint32_t k);
void code_return(struct code *c, uint32_t action);

/* A := the word at @offset of struct seccomp_data. */
void code_load(struct code *c, size_t offset);

/* Returns @action when all conditions hold, else goes on behind itself. @wide: arguments have 64
 * bits. */
void code_rule(struct code *code, uint32_t action, const struct filter_cond *conds, size_t n,
	       bool wide);
