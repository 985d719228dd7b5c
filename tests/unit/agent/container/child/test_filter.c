/*
 * Our seccomp programs beside those that libseccomp makes from the same rules: whatever the call,
 * the answer is the same.
 */
#include "agent/container/child/filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/mman.h>

#include "tests/test.h"

#define DENY  (SECCOMP_RET_ERRNO | EPERM)
#define OTHER (SECCOMP_RET_ERRNO | 77)

/* The kernel's machine for classic BPF, as far as these programs use it. */
static uint32_t run_program(const struct sock_filter *insns, size_t n,
			    const struct seccomp_data *data)
{
	uint32_t a = 0;

	for (size_t pc = 0; pc < n; pc++) {
		const struct sock_filter *i = &insns[pc];

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			CHECK(i->k + 4 <= sizeof *data);
			memcpy(&a, (const char *) data + i->k, 4);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= i->k;
			break;
		case BPF_JMP | BPF_JA:
			pc += i->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			pc += a > i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += a >= i->k ? i->jt : i->jf;
			break;
		case BPF_RET | BPF_K:
			return i->k;
		default:
			test_fail(__FILE__, __LINE__, "instruction %#x is unknown", i->code);
		}
	}
	test_fail(__FILE__, __LINE__, "the program of %zu does not end", n);
	return 0;
}

struct pair {
	struct filter *ours;
	scmp_filter_ctx theirs;
	uint32_t otherwise;
};

static void pair_init(struct pair *p, uint32_t otherwise)
{
	CHECK_EQ(filter_new(otherwise, &p->ours, NULL), 0);
	p->theirs = seccomp_init(otherwise);
	CHECK(p->theirs);
	p->otherwise = otherwise;
}

static void pair_arch(struct pair *p, uint32_t token)
{
	CHECK_EQ(filter_add_arch(p->ours, token, NULL), 0);

	int r = seccomp_arch_add(p->theirs, token);

	CHECK(r == 0 || r == -EEXIST);
}

static void pair_rule(struct pair *p, uint32_t action, const char *name,
		      const struct filter_cond *conds, size_t n)
{
	struct scmp_arg_cmp args[FILTER_CONDS_MAX];
	int number = seccomp_syscall_resolve_name(name);

	CHECK_EQ(filter_add_rule(p->ours, action, name, conds, n, NULL), 0);
	if (number == __NR_SCMP_ERROR)
		return;
	for (size_t i = 0; i < n; i++)
		args[i] = (struct scmp_arg_cmp){conds[i].arg, (enum scmp_compare) conds[i].op,
						conds[i].a, conds[i].b};

	int r = seccomp_rule_add_array(p->theirs, action, number, (unsigned) n, args);

	if (r != 0 && r != -EEXIST)
		CHECK_EQ(r, 0);
}

struct programs {
	struct sock_filter *ours, *theirs;
	size_t n_ours, n_theirs;
};

static struct programs compile(struct pair *p)
{
	struct programs both = {0};
	unsigned short n = 0;
	struct err e = {0};
	int fd = memfd_create("theirs", MFD_CLOEXEC);

	if (filter_compile(p->ours, &both.ours, &n, &e) < 0)
		CHECK_STR(e.text, "");
	both.n_ours = n;
	CHECK_EQ(seccomp_export_bpf(p->theirs, fd), 0);

	off_t bytes = lseek(fd, 0, SEEK_END);

	both.theirs = malloc((size_t) bytes);
	CHECK_EQ(pread(fd, both.theirs, (size_t) bytes, 0), bytes);
	both.n_theirs = (size_t) bytes / sizeof *both.theirs;
	close(fd);
	filter_free(p->ours);
	seccomp_release(p->theirs);
	return both;
}

static void programs_free(struct programs *both)
{
	free(both->ours);
	free(both->theirs);
}

static void same(const struct programs *both, const struct seccomp_data *data)
{
	uint32_t ours = run_program(both->ours, both->n_ours, data);
	uint32_t theirs = run_program(both->theirs, both->n_theirs, data);

	if (ours != theirs)
		test_fail(__FILE__, __LINE__, "arch %#x call %d args %#llx %#llx: %#x, not %#x",
			  data->arch, data->nr, (unsigned long long) data->args[0],
			  (unsigned long long) data->args[1], ours, theirs);
}

static const uint32_t kernel_archs[] = {AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64};

static void same_for_all_numbers(const struct programs *both)
{
	for (size_t a = 0; a < 3; a++)
		for (int nr = -2; nr < 600; nr++) {
			struct seccomp_data data = {.arch = kernel_archs[a], .nr = nr};

			same(both, &data);
			data.nr = nr | 0x40000000;
			same(both, &data);
		}
}

TEST(a_list_of_allowed_calls)
{
	static const char *const names[] = {"read",         "write",  "open",  "close",
					    "exit_group",   "socket", "bind",  "semget",
					    "no_such_call", "execve", "mmap2", "mmap"};
	static const uint32_t archs[][3] = {
		{SCMP_ARCH_NATIVE, SCMP_ARCH_NATIVE, SCMP_ARCH_NATIVE},
		{SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_X86},
		{SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_X32},
		{SCMP_ARCH_X86_64, SCMP_ARCH_X32, SCMP_ARCH_AARCH64},
	};

	for (size_t i = 0; i < 4; i++) {
		struct pair p;

		pair_init(&p, DENY);
		for (size_t j = 0; j < 3; j++)
			if (archs[i][j] != SCMP_ARCH_NATIVE)
				pair_arch(&p, archs[i][j]);
		for (size_t j = 0; j < sizeof names / sizeof names[0]; j++)
			pair_rule(&p, SECCOMP_RET_ALLOW, names[j], NULL, 0);

		struct programs both = compile(&p);

		same_for_all_numbers(&both);
		programs_free(&both);
	}
}

TEST(no_rules_at_all)
{
	struct pair p;

	pair_init(&p, SECCOMP_RET_LOG);

	struct programs both = compile(&p);

	same_for_all_numbers(&both);
	programs_free(&both);
}

/* Numbers around @value, where comparisons turn. */
static uint64_t near(uint64_t value, unsigned which)
{
	static const uint64_t off[] = {
		0,          1,     (uint64_t) -1, 1ULL << 32, -(1ULL << 32), (1ULL << 32) + 1,
		1ULL << 63, 0x5555};

	return value + off[which % 8];
}

TEST(every_operator_on_every_side_of_the_value)
{
	static const uint64_t values[] = {0,
					  1,
					  8,
					  0xffffffff,
					  0x100000000,
					  0x7fffffffffffffff,
					  0xffffffff00000000,
					  0x1234567890abcdef};

	for (int op = FILTER_NE; op <= FILTER_MASKED_EQ; op++)
		for (size_t v = 0; v < 8; v++) {
			struct pair p;
			struct filter_cond cond = {
				.arg = 1, .op = (enum filter_op) op, .a = values[v]};

			/* A mask of nothing is always true, which libseccomp does not take. */
			if (op == FILTER_MASKED_EQ) {
				cond.a = values[v] | 0xf0;
				cond.b = values[v] & cond.a;
			}
			pair_init(&p, DENY);
			pair_arch(&p, SCMP_ARCH_X86);
			pair_rule(&p, SECCOMP_RET_ALLOW, "personality", &cond, 1);

			struct programs both = compile(&p);

			for (unsigned i = 0; i < 64; i++) {
				struct seccomp_data data = {.arch = AUDIT_ARCH_X86_64,
							    .nr = SCMP_SYS(personality)};

				data.args[1] = near(values[i / 8], i);
				same(&both, &data);
				data.args[1] = near(values[v], i);
				same(&both, &data);
				data.arch = AUDIT_ARCH_I386;
				data.nr = 136;
				data.args[1] &= 0xffffffff;
				same(&both, &data);
			}
			programs_free(&both);
		}
}

TEST(conditions_on_several_arguments_must_all_hold)
{
	struct pair p;
	const struct filter_cond conds[] = {{0, FILTER_EQ, 16, 0},
					    {2, FILTER_MASKED_EQ, 0xff00, 0x1200}};
	const struct filter_cond more[] = {{0, FILTER_EQ, 17, 0}};

	pair_init(&p, DENY);
	pair_rule(&p, SECCOMP_RET_ALLOW, "socket", conds, 2);
	pair_rule(&p, SECCOMP_RET_ALLOW, "socket", more, 1);

	struct programs both = compile(&p);

	for (uint64_t a = 14; a < 20; a++)
		for (uint64_t c = 0; c < 0x2000; c += 0x80) {
			struct seccomp_data data = {.arch = AUDIT_ARCH_X86_64,
						    .nr = SCMP_SYS(socket)};

			data.args[0] = a;
			data.args[2] = c;
			same(&both, &data);
		}
	programs_free(&both);
}

TEST(a_rule_without_conditions_decides_alone)
{
	for (int first = 0; first < 2; first++) {
		struct pair p;
		const struct filter_cond cond = {0, FILTER_EQ, 1, 0};

		pair_init(&p, SECCOMP_RET_ALLOW);
		if (first)
			pair_rule(&p, OTHER, "kill", NULL, 0);
		pair_rule(&p, DENY, "kill", &cond, 1);
		if (!first)
			pair_rule(&p, OTHER, "kill", NULL, 0);

		struct programs both = compile(&p);

		for (uint64_t a = 0; a < 3; a++) {
			struct seccomp_data data = {.arch = AUDIT_ARCH_X86_64,
						    .nr = SCMP_SYS(kill)};

			data.args[0] = a;
			same(&both, &data);
		}
		programs_free(&both);
	}
}

/* A sequence that is the same in every run. */
static uint32_t random_number(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

TEST(random_profiles_give_the_same_answers)
{
	uint32_t state = 1;

	for (int round = 0; round < 40; round++) {
		struct pair p;

		pair_init(&p, round % 2 ? DENY : SECCOMP_RET_ALLOW);
		if (round % 3 == 1)
			pair_arch(&p, SCMP_ARCH_X86);
		for (int i = 0; i < 60; i++) {
			uint32_t action = round % 2 ? SECCOMP_RET_ALLOW : DENY;
			struct filter_cond cond = {
				.arg = random_number(&state) % 6,
				.op = (enum filter_op)(1 + random_number(&state) % 6),
				.a = random_number(&state) % 5,
			};
			char *name = seccomp_syscall_resolve_num_arch(
				SCMP_ARCH_X86_64, (int) (random_number(&state) % 330));

			if (name)
				pair_rule(&p, action, name, &cond, random_number(&state) % 2);
			free(name);
		}

		struct programs both = compile(&p);

		same_for_all_numbers(&both);
		for (int i = 0; i < 4000; i++) {
			struct seccomp_data data = {
				.arch = kernel_archs[i % 2],
				.nr = (int) (random_number(&state) % 340),
			};

			for (int j = 0; j < 6; j++)
				data.args[j] = random_number(&state) % 6;
			same(&both, &data);
		}
		programs_free(&both);
	}
}

TEST(calls_newer_than_the_profile_do_not_exist)
{
	struct filter *f;
	struct sock_filter *insns;
	unsigned short n;

	CHECK_EQ(filter_new(DENY, &f, NULL), 0);
	CHECK_EQ(filter_add_rule(f, SECCOMP_RET_ALLOW, "read", NULL, 0, NULL), 0);
	CHECK_EQ(filter_add_rule(f, SECCOMP_RET_ALLOW, "openat2", NULL, 0, NULL), 0);
	filter_answer_newer(f, SECCOMP_RET_ERRNO | ENOSYS);
	CHECK_EQ(filter_compile(f, &insns, &n, NULL), 0);

	struct seccomp_data data = {.arch = seccomp_arch_native(), .nr = SCMP_SYS(openat2)};

	CHECK_EQ(run_program(insns, n, &data), SECCOMP_RET_ALLOW);
	data.nr++;
	CHECK_EQ(run_program(insns, n, &data), SECCOMP_RET_ERRNO | ENOSYS);
	data.nr = SCMP_SYS(read) + 1;
	CHECK_EQ(run_program(insns, n, &data), DENY);
	free(insns);
	filter_free(f);
}

TEST(a_filter_that_is_too_long_for_the_kernel_is_refused)
{
	struct filter *f;
	struct sock_filter *insns;
	unsigned short n;
	struct err e = {0};

	CHECK_EQ(filter_new(DENY, &f, NULL), 0);
	for (uint64_t i = 0; i < 1500; i++) {
		const struct filter_cond cond = {0, FILTER_EQ, i, 0};

		CHECK_EQ(filter_add_rule(f, SECCOMP_RET_ALLOW, "read", &cond, 1, NULL), 0);
	}
	CHECK_EQ(filter_compile(f, &insns, &n, &e), -E2BIG);
	CHECK(strstr(e.text, "the kernel takes 4096"));
	filter_free(f);
}
