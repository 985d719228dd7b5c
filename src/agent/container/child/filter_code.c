#include "agent/container/child/filter_code.h"

#include <endian.h>
#include <linux/seccomp.h>

void code_add(struct code *c, uint16_t op, size_t jt, size_t jf, uint32_t k)
{
	if (c->n < BPF_MAXINSNS)
		c->insns[c->n] = (struct sock_filter){
			.code = op, .jt = (uint8_t) jt, .jf = (uint8_t) jf, .k = k};
	c->n++;
}

void code_return(struct code *c, uint32_t action)
{
	code_add(c, BPF_RET | BPF_K, 0, 0, action);
}

void code_load(struct code *c, size_t offset)
{
	code_add(c, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t) offset);
}

/* How many instructions a condition is, on 32 bits or on 64. */
static size_t cond_length(const struct filter_cond *c, bool wide)
{
	if (!wide)
		return c->op == FILTER_MASKED_EQ ? 3 : 2;
	switch (c->op) {
	case FILTER_EQ:
	case FILTER_NE:
		return 4;
	case FILTER_MASKED_EQ:
		return 6;
	default:
		return 5;
	}
}

/* Compares the lower half of the argument with @c: falls through when it holds, else jumps @fail
 * behind its own end. */
static void emit_low(struct code *code, const struct filter_cond *c, size_t low, size_t fail)
{
	uint32_t a = (uint32_t) c->a, b = (uint32_t) c->b;

	code_load(code, low);
	switch (c->op) {
	case FILTER_EQ:
		code_add(code, BPF_JMP | BPF_JEQ | BPF_K, 0, fail, a);
		break;
	case FILTER_NE:
		code_add(code, BPF_JMP | BPF_JEQ | BPF_K, fail, 0, a);
		break;
	case FILTER_GT:
		code_add(code, BPF_JMP | BPF_JGT | BPF_K, 0, fail, a);
		break;
	case FILTER_GE:
		code_add(code, BPF_JMP | BPF_JGE | BPF_K, 0, fail, a);
		break;
	case FILTER_LT:
		code_add(code, BPF_JMP | BPF_JGE | BPF_K, fail, 0, a);
		break;
	case FILTER_LE:
		code_add(code, BPF_JMP | BPF_JGT | BPF_K, fail, 0, a);
		break;
	case FILTER_MASKED_EQ:
		code_add(code, BPF_ALU | BPF_AND | BPF_K, 0, 0, a);
		code_add(code, BPF_JMP | BPF_JEQ | BPF_K, 0, fail, b & a);
		break;
	}
}

/* Compares the upper half, which may decide, either way, before the lower is looked at. */
static void emit_high(struct code *code, const struct filter_cond *c, size_t high, size_t fail)
{
	uint32_t a = (uint32_t) (c->a >> 32), b = (uint32_t) (c->b >> 32);
	size_t low = cond_length(c, false);

	code_load(code, high);
	switch (c->op) {
	case FILTER_EQ:
		code_add(code, BPF_JMP | BPF_JEQ | BPF_K, 0, fail + low, a);
		break;
	case FILTER_NE:
		code_add(code, BPF_JMP | BPF_JEQ | BPF_K, 0, low, a);
		break;
	case FILTER_GT:
	case FILTER_GE:
		code_add(code, BPF_JMP | BPF_JGT | BPF_K, low + 1, 0, a);
		code_add(code, BPF_JMP | BPF_JEQ | BPF_K, 0, fail + low, a);
		break;
	case FILTER_LT:
	case FILTER_LE:
		code_add(code, BPF_JMP | BPF_JGT | BPF_K, fail + low + 1, 0, a);
		code_add(code, BPF_JMP | BPF_JEQ | BPF_K, 0, low, a);
		break;
	case FILTER_MASKED_EQ:
		code_add(code, BPF_ALU | BPF_AND | BPF_K, 0, 0, a);
		code_add(code, BPF_JMP | BPF_JEQ | BPF_K, 0, fail + low, b & a);
		break;
	}
}

void code_rule(struct code *code, uint32_t action, const struct filter_cond *conds, size_t n,
	       bool wide)
{
	size_t rest = 1;

	for (size_t i = 0; i < n; i++)
		rest += cond_length(&conds[i], wide);
	for (size_t i = 0; i < n; i++) {
		const struct filter_cond *c = &conds[i];
		size_t arg = offsetof(struct seccomp_data, args) + c->arg * sizeof(uint64_t);
		bool little = __BYTE_ORDER == __LITTLE_ENDIAN;

		rest -= cond_length(c, wide);
		if (wide)
			emit_high(code, c, little ? arg + 4 : arg, rest);
		emit_low(code, c, little ? arg : arg + 4, rest);
	}
	code_return(code, action);
}
