#include "agent/container/child/filter.h"

#include <assert.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "agent/container/child/filter_code.h"
#include "base/array.h"
#include "base/auto.h"

#define X32_BIT 0x40000000U

struct rule {
	uint32_t arch; /* index in filter.archs */
	uint32_t number;
	uint32_t order;
	uint32_t action;
	uint32_t n_conds;
	uint32_t first_cond; /* index in filter.conds */
};

struct filter {
	uint32_t otherwise;
	bool has_newer;
	uint32_t newer;
	uint32_t archs[FILTER_ARCHS_MAX];
	uint32_t n_archs;
	struct rule *rules;
	size_t n_rules, rules_room;
	struct filter_cond *conds;
	size_t n_conds, conds_room;
};

int filter_new(uint32_t otherwise, struct filter **ret, struct err *e)
{
	struct filter *f = calloc(1, sizeof *f);

	if (!f)
		return err_sys(e, ENOMEM, "make a seccomp filter");
	f->otherwise = otherwise;
	f->archs[f->n_archs++] = seccomp_arch_native();
	*ret = f;
	return 0;
}

void filter_free(struct filter *f)
{
	if (!f)
		return;
	free(f->rules);
	free(f->conds);
	free(f);
}

int filter_add_arch(struct filter *f, uint32_t token, struct err *e)
{
	for (uint32_t i = 0; i < f->n_archs; i++)
		if (f->archs[i] == token)
			return 0;
	if (f->n_archs == FILTER_ARCHS_MAX)
		return err_say(e, E2BIG, "more than %d architectures", FILTER_ARCHS_MAX);
	f->archs[f->n_archs++] = token;
	return 0;
}

void filter_answer_newer(struct filter *f, uint32_t action)
{
	f->has_newer = true;
	f->newer = action;
}

/* Room for @more behind the @n things in *@list. */
static int make_room(void *list, size_t *room, size_t n, size_t more, size_t size)
{
	void *old, *bigger;

	if (n + more <= *room)
		return 0;
	memcpy(&old, list, sizeof old);
	*room = 2 * (n + more) + 256;
	bigger = realloc(old, *room * size);
	if (!bigger)
		return -ENOMEM;
	memcpy(list, &bigger, sizeof bigger);
	return 0;
}

static int append(struct filter *f, struct rule rule, struct err *e)
{
	if (f->n_rules == FILTER_RULES_MAX)
		return err_say(e, E2BIG, "more than %d rules", FILTER_RULES_MAX);
	if (make_room(&f->rules, &f->rules_room, f->n_rules, 1, sizeof *f->rules) < 0)
		return err_sys(e, ENOMEM, "make a seccomp filter");
	rule.order = (uint32_t) f->n_rules;
	f->rules[f->n_rules++] = rule;
	return 0;
}

static int keep_conds(struct filter *f, struct rule *rule, const struct filter_cond *conds,
		      size_t n, struct err *e)
{
	if (make_room(&f->conds, &f->conds_room, f->n_conds, n, sizeof *f->conds) < 0)
		return err_sys(e, ENOMEM, "make a seccomp filter");
	rule->first_cond = (uint32_t) f->n_conds;
	rule->n_conds = (uint32_t) n;
	if (n)
		memcpy(f->conds + f->n_conds, conds, n * sizeof *conds);
	f->n_conds += n;
	return 0;
}

/*
 * Calls that 32-bit x86 has (also) as a number behind socketcall(2) or ipc(2); some later got a
 * number of their own, which libseccomp does not report.
 */
#define SOCKETCALL 102
#define IPC        117

static const struct {
	const char *name;
	uint32_t call, number;
	int own; /* -1 for none */
} multiplexed[] = {
	{"socket", SOCKETCALL, 1, 359},
	{"bind", SOCKETCALL, 2, 361},
	{"connect", SOCKETCALL, 3, 362},
	{"listen", SOCKETCALL, 4, 363},
	{"accept", SOCKETCALL, 5, -1},
	{"getsockname", SOCKETCALL, 6, 367},
	{"getpeername", SOCKETCALL, 7, 368},
	{"socketpair", SOCKETCALL, 8, 360},
	{"send", SOCKETCALL, 9, -1},
	{"recv", SOCKETCALL, 10, -1},
	{"sendto", SOCKETCALL, 11, 369},
	{"recvfrom", SOCKETCALL, 12, 371},
	{"shutdown", SOCKETCALL, 13, 373},
	{"setsockopt", SOCKETCALL, 14, 366},
	{"getsockopt", SOCKETCALL, 15, 365},
	{"sendmsg", SOCKETCALL, 16, 370},
	{"recvmsg", SOCKETCALL, 17, 372},
	{"accept4", SOCKETCALL, 18, 364},
	{"recvmmsg", SOCKETCALL, 19, 337},
	{"sendmmsg", SOCKETCALL, 20, 345},
	{"semop", IPC, 1, -1},
	{"semget", IPC, 2, 393},
	{"semctl", IPC, 3, 394},
	{"semtimedop", IPC, 4, -1},
	{"msgsnd", IPC, 11, 400},
	{"msgrcv", IPC, 12, 401},
	{"msgget", IPC, 13, 399},
	{"msgctl", IPC, 14, 402},
	{"shmat", IPC, 21, 397},
	{"shmdt", IPC, 22, 398},
	{"shmget", IPC, 23, 395},
	{"shmctl", IPC, 24, 396},
};

/* The multiplexer's first argument is the number; no filter can see the call's own arguments, in
 * memory. As in libseccomp, conditions on them, except on argument 0, test the multiplexer's. */
static int append_multiplexer(struct filter *f, const struct rule *rule, uint32_t call,
			      uint32_t number, struct err *e)
{
	struct filter_cond conds[FILTER_CONDS_MAX + 1] = {{.op = FILTER_EQ, .a = number}};
	struct rule again = *rule;
	size_t n = 1;

	for (size_t i = 0; i < rule->n_conds; i++)
		if (f->conds[rule->first_cond + i].arg != 0)
			conds[n++] = f->conds[rule->first_cond + i];
	again.number = call;

	int r = keep_conds(f, &again, conds, n, e);

	return r < 0 ? r : append(f, again, e);
}

static int append_x86(struct filter *f, const struct rule *rule, const char *name, struct err *e)
{
	size_t i = 0;
	struct rule again = *rule;

	while (i < ARRAY_LEN(multiplexed) && strcmp(multiplexed[i].name, name) != 0)
		i++;
	if (i == ARRAY_LEN(multiplexed))
		return 0;
	if (multiplexed[i].own >= 0) {
		again.number = (uint32_t) multiplexed[i].own;

		int r = append(f, again, e);

		if (r < 0)
			return r;
	}
	return append_multiplexer(f, rule, multiplexed[i].call, multiplexed[i].number, e);
}

int filter_add_rule(struct filter *f, uint32_t action, const char *name,
		    const struct filter_cond *conds, size_t n_conds, struct err *e)
{
	struct rule rule = {.action = action};
	int r = keep_conds(f, &rule, conds, n_conds, e);

	assert(n_conds <= FILTER_CONDS_MAX);
	for (rule.arch = 0; r == 0 && rule.arch < f->n_archs; rule.arch++) {
		int number = seccomp_syscall_resolve_name_arch(f->archs[rule.arch], name);

		if (number >= 0) {
			rule.number = (uint32_t) number;
			r = append(f, rule, e);
		} else if (f->archs[rule.arch] == SCMP_ARCH_X86) {
			r = append_x86(f, &rule, name, e);
		}
	}
	return r;
}

/* All rules of a call stand together, the one without conditions first. */
static int by_call(const void *a, const void *b)
{
	const struct rule *x = a, *y = b;

	if (x->arch != y->arch)
		return x->arch < y->arch ? -1 : 1;
	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	if ((x->n_conds == 0) != (y->n_conds == 0))
		return x->n_conds == 0 ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static bool has_64_bits(uint32_t token)
{
	return token & __AUDIT_ARCH_64BIT;
}

/* From @from up to the next range all numbers have the same answer. */
struct range {
	uint32_t from;
	uint32_t action;
	const struct rule *rules; /* with conditions; NULL when the action is all */
	size_t n_rules;
};

struct section {
	const struct filter *f;
	struct range *ranges;
	size_t n;
	bool wide;
};

static void emit_range(struct code *code, const struct section *s, const struct range *range)
{
	for (size_t i = 0; i < range->n_rules; i++)
		code_rule(code, range->rules[i].action, s->f->conds + range->rules[i].first_cond,
			  range->rules[i].n_conds, s->wide);
	code_return(code, range->action);
}

/* Expects the call's number in A; half of the ranges are behind a jump. The jump is a JA of its
 * own, because a conditional jump does not reach far enough. */
static void emit_tree(struct code *code, const struct section *s, size_t first, size_t n)
{
	if (n == 1) {
		emit_range(code, s, &s->ranges[first]);
		return;
	}

	size_t left = n / 2, at = code->n;

	code_add(code, BPF_JMP | BPF_JGE | BPF_K, 0, 1, s->ranges[first + left].from);
	code_add(code, BPF_JMP | BPF_JA, 0, 0, 0);
	emit_tree(code, s, first, left);

	size_t distance = code->n - at - 2;

	if (at + 1 < BPF_MAXINSNS)
		code->insns[at + 1].k = (uint32_t) distance;
	emit_tree(code, s, first + left, n - left);
}

static void add_range(struct section *s, uint32_t from, uint32_t action, const struct rule *rules,
		      size_t n_rules)
{
	const struct range *last = s->n ? &s->ranges[s->n - 1] : NULL;

	if (last && n_rules == 0 && last->n_rules == 0 && last->action == action)
		return;
	s->ranges[s->n++] = (struct range){from, action, rules, n_rules};
}

/* The rules of one architecture as ranges without gaps. @rules are sorted. */
static void make_ranges(struct section *s, const struct rule *rules, size_t n, uint32_t lowest)
{
	uint32_t next = lowest;

	for (size_t i = 0, same; i < n; i += same) {
		for (same = 1; i + same < n && rules[i + same].number == rules[i].number;)
			same++;
		if (next < rules[i].number)
			add_range(s, next, s->f->otherwise, NULL, 0);
		if (rules[i].n_conds == 0)
			add_range(s, rules[i].number, rules[i].action, NULL, 0);
		else
			add_range(s, rules[i].number, s->f->otherwise, &rules[i], same);
		next = rules[i].number + 1;
	}
	add_range(s, next, n && s->f->has_newer ? s->f->newer : s->f->otherwise, NULL, 0);
}

static const struct rule *rules_of(const struct filter *f, uint32_t arch, size_t *ret_n)
{
	size_t first = 0, n = 0;

	while (first < f->n_rules && f->rules[first].arch != arch)
		first++;
	while (first + n < f->n_rules && f->rules[first + n].arch == arch)
		n++;
	*ret_n = n;
	return f->rules + first;
}

static int find_arch(const struct filter *f, uint32_t token)
{
	for (uint32_t i = 0; i < f->n_archs; i++)
		if (f->archs[i] == token)
			return (int) i;
	return -1;
}

static void emit_numbers(struct code *code, const struct filter *f, uint32_t arch, uint32_t lowest,
			 struct range *ranges)
{
	struct section s = {.f = f, .ranges = ranges, .wide = has_64_bits(f->archs[arch])};
	size_t n;
	const struct rule *rules = rules_of(f, arch, &n);

	make_ranges(&s, rules, n, lowest);
	emit_tree(code, &s, 0, s.n);
}

/* x86-64 and x32 have one architecture token and differ by a bit of the number. One that the filter
 * does not list is answered like any other architecture. */
static void emit_x86_64(struct code *code, const struct filter *f, struct range *ranges)
{
	int wide = find_arch(f, SCMP_ARCH_X86_64), x32 = find_arch(f, SCMP_ARCH_X32);
	size_t at = code->n;

	code_add(code, BPF_JMP | BPF_JGE | BPF_K, 0, 1, X32_BIT);
	code_add(code, BPF_JMP | BPF_JA, 0, 0, 0);
	if (wide >= 0)
		emit_numbers(code, f, (uint32_t) wide, 0, ranges);
	else
		code_return(code, SECCOMP_RET_KILL_THREAD);
	if (at + 1 < BPF_MAXINSNS)
		code->insns[at + 1].k = (uint32_t) (code->n - at - 2);
	if (x32 >= 0) {
		emit_numbers(code, f, (uint32_t) x32, X32_BIT, ranges);
		return;
	}
	/* A tracer writes -1 to skip a call. */
	code_add(code, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, UINT32_MAX);
	code_return(code, f->otherwise);
	code_return(code, SECCOMP_RET_KILL_THREAD);
}

static void emit_arch(struct code *code, const struct filter *f, uint32_t arch,
		      struct range *ranges)
{
	uint32_t token = f->archs[arch];
	bool is_x86_64 = token == SCMP_ARCH_X86_64 || token == SCMP_ARCH_X32;
	size_t at = code->n;

	/* emit_x86_64() handles x32 together with x86-64. */
	if (token == SCMP_ARCH_X32 && find_arch(f, SCMP_ARCH_X86_64) >= 0)
		return;
	code_add(code, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, is_x86_64 ? AUDIT_ARCH_X86_64 : token);
	code_add(code, BPF_JMP | BPF_JA, 0, 0, 0);
	code_load(code, offsetof(struct seccomp_data, nr));
	if (is_x86_64)
		emit_x86_64(code, f, ranges);
	else
		emit_numbers(code, f, arch, 0, ranges);
	if (at + 1 < BPF_MAXINSNS)
		code->insns[at + 1].k = (uint32_t) (code->n - at - 2);
}

int filter_compile(struct filter *f, struct sock_filter **ret, unsigned short *ret_len,
		   struct err *e)
{
	/* Each call makes at most two ranges: the gap before it and itself. */
	auto_free struct range *ranges = calloc(2 * f->n_rules + 2, sizeof *ranges);
	auto_free struct code *code = calloc(1, sizeof *code);

	if (!ranges || !code)
		return err_sys(e, ENOMEM, "make a seccomp filter");
	if (f->n_rules)
		qsort(f->rules, f->n_rules, sizeof *f->rules, by_call);
	code_load(code, offsetof(struct seccomp_data, arch));
	for (uint32_t i = 0; i < f->n_archs; i++)
		emit_arch(code, f, i, ranges);
	code_return(code, SECCOMP_RET_KILL_THREAD);
	if (code->n > BPF_MAXINSNS)
		return err_say(e, E2BIG, "the filter needs %zu instructions, the kernel takes %d",
			       code->n, BPF_MAXINSNS);

	struct sock_filter *insns = malloc(code->n * sizeof *insns);

	if (!insns)
		return err_sys(e, ENOMEM, "make a seccomp filter");
	memcpy(insns, code->insns, code->n * sizeof *insns);
	*ret = insns;
	*ret_len = (unsigned short) code->n;
	return 0;
}
