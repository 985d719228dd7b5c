#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/container/child/filter.h"
#include "agent/container/child/setup.h"
#include "base/fd.h"
#include "oci/names.h"

/*
 * Compiles linux.seccomp into a program for the kernel (filter.h) once: the agent keeps the result
 * for the processes that join the container later.
 */

#define DATA_MASK        0xffffU
#define FILTER_MAX_BYTES (BPF_MAXINSNS * sizeof(struct sock_filter))

/* What the agent keeps: the flags of seccomp(2), then the program. */
struct kept {
	uint32_t flags;
	uint32_t reserved;
};

static int read_action(const char *name, bool has_errno, uint32_t errno_ret, const char *field,
		       uint32_t *ret, struct err *e)
{
	uint32_t action;

	if (!name || !oci_seccomp_action(name, &action))
		return err_say(e, EINVAL, "linux.seccomp.%s: unknown action '%.64s'", field,
			       name ? name : "");
	if (action == SECCOMP_RET_USER_NOTIF)
		return err_say(e, ENOTSUP,
			       "linux.seccomp.%s: SCMP_ACT_NOTIFY is not supported in a guest",
			       field);
	if (action == SECCOMP_RET_ERRNO || action == SECCOMP_RET_TRACE)
		action |= (has_errno ? errno_ret : EPERM) & DATA_MASK;
	*ret = action;
	return 0;
}

static int read_arg(const Grpc__LinuxSeccompArg *arg, struct filter_cond *ret, struct err *e)
{
	uint32_t op;

	if (!arg->op || !oci_seccomp_operator(arg->op, &op))
		return err_say(e, EINVAL,
			       "linux.seccomp.syscalls.args.op: unknown operator '%.64s'",
			       arg->op ? arg->op : "");
	if (arg->index > 5)
		return err_say(e, EINVAL, "linux.seccomp.syscalls.args.index: is more than 5");
	*ret = (struct filter_cond){
		.arg = (unsigned) arg->index,
		.op = (enum filter_op) op,
		.a = arg->value,
		.b = arg->valuetwo,
	};
	return 0;
}

/* The conditions of a rule must all hold; when two are about the same argument, each is a rule of
 * its own, which is how runc has always read such profiles. */
static int add_syscall(struct filter *f, const Grpc__LinuxSyscall *call, uint32_t action,
		       struct err *e)
{
	struct filter_cond conds[FILTER_CONDS_MAX];
	bool each_alone = call->n_args > FILTER_CONDS_MAX;
	unsigned seen = 0;
	size_t rules = 1;
	int r = 0;

	for (size_t i = 0; i < call->n_args && !each_alone; i++) {
		r = read_arg(call->args[i], &conds[i], e);
		if (r < 0)
			return r;
		each_alone = seen & 1U << conds[i].arg;
		seen |= 1U << conds[i].arg;
	}
	if (each_alone)
		rules = call->n_args;
	for (size_t i = 0; i < rules; i++) {
		if (each_alone && (r = read_arg(call->args[i], &conds[0], e)) < 0)
			return r;
		/* A name that no architecture has cannot be called. */
		for (size_t j = 0; r == 0 && j < call->n_names; j++)
			r = filter_add_rule(f, action, call->names[j], conds,
					    each_alone ? 1 : call->n_args, e);
	}
	return err_wrap(e, r, "linux.seccomp.syscalls");
}

static int add_rules(struct filter *f, const Grpc__LinuxSeccomp *spec, uint32_t otherwise,
		     struct err *e)
{
	for (size_t i = 0; i < spec->n_syscalls; i++) {
		const Grpc__LinuxSyscall *call = spec->syscalls[i];
		uint32_t action;
		int r = read_action(call->action, call->has_errnoret, call->errnoret,
				    "syscalls.action", &action, e);

		/* A rule with the default action has no effect. */
		if (r == 0 && action != otherwise)
			r = add_syscall(f, call, action, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_archs(struct filter *f, const Grpc__LinuxSeccomp *spec, struct err *e)
{
	for (size_t i = 0; i < spec->n_architectures; i++) {
		uint32_t arch;

		if (!oci_seccomp_arch(spec->architectures[i], &arch))
			return err_say(e, EINVAL,
				       "linux.seccomp.architectures: unknown one '%.64s'",
				       spec->architectures[i]);

		int r = filter_add_arch(f, arch, e);

		if (r < 0)
			return err_wrap(e, r, "linux.seccomp.architectures");
	}
	return 0;
}

static int read_flags(const Grpc__LinuxSeccomp *spec, uint32_t *ret, struct err *e)
{
	*ret = 0;
	for (size_t i = 0; i < spec->n_flags; i++) {
		uint32_t flag;

		if (!oci_seccomp_flag(spec->flags[i], &flag))
			return err_say(e, EINVAL, "linux.seccomp.flags: unknown flag '%.64s'",
				       spec->flags[i]);
		*ret |= flag;
	}
	return 0;
}

/* As runc does: a profile that forbids what it does not list cannot know calls that are newer than
 * itself, and libraries fall back to an older call only when they get ENOSYS. */
static bool wants_enosys(const Grpc__LinuxSeccomp *spec, uint32_t otherwise)
{
	uint32_t action = otherwise & SECCOMP_RET_ACTION_FULL;

	return action != SECCOMP_RET_ALLOW && action != SECCOMP_RET_TRACE &&
	       !(spec->has_defaulterrnoret && spec->defaulterrnoret == ENOSYS);
}

static int build(struct setup *s, const Grpc__LinuxSeccomp *spec, struct err *e)
{
	auto_ptr(filter_free) struct filter *f = NULL;
	uint32_t otherwise;
	int r = read_action(spec->defaultaction, spec->has_defaulterrnoret, spec->defaulterrnoret,
			    "defaultAction", &otherwise, e);

	if (r == 0)
		r = read_flags(spec, &s->filter_flags, e);
	if (r == 0)
		r = filter_new(otherwise, &f, e);
	if (r < 0)
		return r;
	if (wants_enosys(spec, otherwise))
		filter_answer_newer(f, SECCOMP_RET_ERRNO | ENOSYS);
	if ((r = add_archs(f, spec, e)) < 0 || (r = add_rules(f, spec, otherwise, e)) < 0)
		return r;
	return err_wrap(e, filter_compile(f, &s->filter, &s->filter_len, e), "linux.seccomp");
}

/* Sends the program to the agent. */
static int hand_over(const struct setup *s, struct err *e)
{
	struct kept kept = {.flags = s->filter_flags};
	auto_close int fd = fd_memory("seccomp", &kept, sizeof kept);
	int r = fd;

	if (r >= 0)
		r = fd_write_all(fd, s->filter, s->filter_len * sizeof *s->filter);
	if (r < 0)
		return err_sys(e, -r, "keep linux.seccomp");
	return handshake_tell(CHILD_CONTROL, STEP_FILTER, 0, fd, NULL, e);
}

/* Takes over the program in @fd. */
static int read_filter(struct setup *s, int fd, struct err *e)
{
	struct stat st;
	struct kept kept;

	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "read the seccomp program");
	if ((size_t) st.st_size <= sizeof kept ||
	    (size_t) st.st_size > sizeof kept + FILTER_MAX_BYTES)
		return err_say(e, EINVAL, "linux.seccomp: the program has %lld bytes",
			       (long long) st.st_size);

	size_t bytes = (size_t) st.st_size - sizeof kept;

	s->filter = malloc(bytes);
	if (!s->filter)
		return err_sys(e, ENOMEM, "read the seccomp program");
	if (pread(fd, &kept, sizeof kept, 0) != sizeof kept ||
	    pread(fd, s->filter, bytes, sizeof kept) != (ssize_t) bytes)
		return err_say(e, EIO, "the seccomp program is cut short");
	s->filter_len = (unsigned short) (bytes / sizeof *s->filter);
	s->filter_flags = kept.flags;
	return 0;
}

int compile_filter(struct setup *s, struct err *e)
{
	const Grpc__LinuxSeccomp *spec = s->spec->linux->seccomp;

	if (!spec)
		return 0;

	int r = build(s, spec, e);

	return r < 0 ? r : hand_over(s, e);
}

int receive_filter(struct setup *s, struct err *e)
{
	int r = s->filter_fd < 0 ? 0 : read_filter(s, s->filter_fd, e);

	s->filter_fd = fd_close(s->filter_fd);
	return r;
}

int load_filter(struct setup *s, struct err *e)
{
	struct sock_fprog prog = {.len = s->filter_len, .filter = s->filter};
	int r;

	if (!s->filter)
		return 0;
	if (!s->process->nonewprivileges && (r = raise_all_caps(e)) < 0)
		return r;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, s->filter_flags, &prog) != 0)
		return err_sys(e, errno, "load linux.seccomp");
	return 0;
}
