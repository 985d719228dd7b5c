#include "host/confine/filter.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/fd.h"

#define RULE_ARGS_MAX 6 /* of a system call */

static uint32_t action_of(enum confine_verdict verdict, int code)
{
	switch (verdict) {
	case CONFINE_ALLOW:
		return SCMP_ACT_ALLOW;
	case CONFINE_REFUSE:
		return SCMP_ACT_ERRNO((uint32_t) code);
	default:
		return SCMP_ACT_KILL_PROCESS;
	}
}

static int add_rule(scmp_filter_ctx ctx, const struct confine_rule *rule, uint32_t otherwise)
{
	uint32_t action = action_of(rule->verdict, rule->code);
	int number = seccomp_syscall_resolve_name(rule->name);
	struct scmp_arg_cmp args[RULE_ARGS_MAX];

	/* A negative number is a call that this processor does not have; libseccomp refuses a rule
	 * whose action is the default action. */
	if (number < 0 || action == otherwise)
		return 0;
	for (unsigned i = 0; i < rule->n_args; i++)
		args[i] = SCMP_CMP(rule->args[i].index, SCMP_CMP_MASKED_EQ, rule->args[i].mask,
				   rule->args[i].value);
	return seccomp_rule_add_array(ctx, action, number, rule->n_args, args);
}

static int add_tables(scmp_filter_ctx ctx, const struct confine_filter_spec *spec, struct err *e)
{
	uint32_t otherwise = action_of(spec->otherwise, spec->code);

	for (size_t t = 0; t < CONFINE_TABLES_MAX; t++) {
		for (size_t i = 0; i < spec->tables[t].n; i++) {
			const struct confine_rule *rule = &spec->tables[t].rules[i];
			int r = add_rule(ctx, rule, otherwise);

			/* If two tables name a call, the first decides. */
			if (r < 0 && r != -EEXIST)
				return err_sys(e, -r, "filter system call '%s' of %s", rule->name,
					       spec->whose);
		}
	}
	return 0;
}

/* Exports through a file in memory, because libseccomp before 2.6 cannot write into a buffer. */
static int export(scmp_filter_ctx ctx, struct confine_filter *f)
{
	auto_close int fd = memfd_create("filter", MFD_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -errno;

	int r = seccomp_export_bpf(ctx, fd);

	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return -errno;

	size_t n = (size_t) st.st_size / sizeof *f->code;

	if (n == 0 || n > BPF_MAXINSNS)
		return -E2BIG;
	auto_free struct sock_filter *code = calloc(n, sizeof *code);

	r = code ? fd_read_all(fd, code, n * sizeof *code) : -ENOMEM;
	if (r < 0)
		return r;
	f->code = take_ptr(code);
	f->n = (unsigned short) n;
	return 0;
}

int confine_filter_build(struct confine_filter *f, const struct confine_filter_spec *spec,
			 struct err *e)
{
	scmp_filter_ctx ctx = seccomp_init(action_of(spec->otherwise, spec->code));

	if (!ctx)
		return err_sys(e, ENOMEM, "make the filter of %s", spec->whose);

	/* Kill on calls by another architecture's numbers: this architecture's list would misjudge
	 * them. */
	int r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r < 0)
		(void) err_sys(e, -r, "make the filter of %s", spec->whose);
	if (r == 0)
		r = add_tables(ctx, spec, e);
	if (r == 0) {
		r = export(ctx, f);
		if (r < 0)
			(void) err_sys(e, -r, "write the filter of %s", spec->whose);
	}
	seccomp_release(ctx);
	return r;
}

int confine_filter_enter(const struct confine_filter *f, struct err *e)
{
	const struct sock_fprog program = {.len = f->n, .filter = f->code};

	if (f->n > 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0)
		return err_sys(e, errno, "enter a system call filter");
	return 0;
}

void confine_filter_fini(struct confine_filter *f)
{
	free(f->code);
	*f = (struct confine_filter){0};
}
