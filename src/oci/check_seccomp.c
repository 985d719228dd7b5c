/* Does linux.seccomp make sense? Syscall names are not checked: a name that this kernel or library
 * does not know is no rule, as with runc. */
#include <errno.h>
#include <linux/seccomp.h>
#include <stdio.h>

#include "oci/check.h"
#include "oci/names.h"

#define SYSCALL_ARGS 6

/* @errno_field: the errno field's name if the document sets it (few actions allow it); or NULL. */
static int check_action(const char *action, const char *field, const char *errno_field,
			struct err *e)
{
	uint32_t number;

	if (!action || !oci_seccomp_action(action, &number))
		return refuse(e, EINVAL, "%s: unknown action '%.64s'", field, action ? action : "");
	if (number == SECCOMP_RET_USER_NOTIF)
		return refuse(e, ENOTSUP, "%s: SCMP_ACT_NOTIFY is not supported yet", field);
	if (errno_field && number != SECCOMP_RET_ERRNO && number != SECCOMP_RET_TRACE)
		return refuse(e, EINVAL, "%s: %s returns no errno", errno_field, action);
	return 0;
}

static int check_arg(const Grpc__LinuxSeccompArg *arg, size_t i, size_t j, struct err *e)
{
	uint32_t number;

	if (arg->index >= SYSCALL_ARGS)
		return refuse(e, EINVAL,
			      "linux.seccomp.syscalls[%zu].args[%zu].index: %llu is out of range "
			      "(0 to 5)",
			      i, j, (unsigned long long) arg->index);
	if (!arg->op || !oci_seccomp_operator(arg->op, &number))
		return refuse(e, EINVAL,
			      "linux.seccomp.syscalls[%zu].args[%zu].op: unknown operator '%.64s'",
			      i, j, arg->op ? arg->op : "");
	return 0;
}

static int check_syscall(const Grpc__LinuxSyscall *s, size_t i, struct err *e)
{
	char field[64], errno_field[64];
	int r;

	(void) snprintf(field, sizeof field, "linux.seccomp.syscalls[%zu].action", i);
	(void) snprintf(errno_field, sizeof errno_field, "linux.seccomp.syscalls[%zu].errnoRet", i);
	if ((r = check_action(s->action, field, s->has_errnoret ? errno_field : NULL, e)) < 0)
		return r;
	if (s->n_names == 0)
		return refuse(e, EINVAL, "linux.seccomp.syscalls[%zu].names: is missing", i);
	for (size_t j = 0; j < s->n_args; j++)
		if ((r = check_arg(s->args[j], i, j, e)) < 0)
			return r;
	return 0;
}

int check_seccomp(const Grpc__LinuxSeccomp *s, struct err *e)
{
	uint32_t number;
	int r = check_action(s->defaultaction, "linux.seccomp.defaultAction",
			     s->has_defaulterrnoret ? "linux.seccomp.defaultErrnoRet" : NULL, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < s->n_architectures; i++)
		if (!oci_seccomp_arch(s->architectures[i], &number))
			return refuse(
				e, EINVAL,
				"linux.seccomp.architectures[%zu]: unknown architecture '%.64s'", i,
				s->architectures[i]);
	for (size_t i = 0; i < s->n_flags; i++)
		if (!oci_seccomp_flag(s->flags[i], &number))
			return refuse(e, EINVAL, "linux.seccomp.flags[%zu]: unknown flag '%.64s'",
				      i, s->flags[i]);
	for (size_t i = 0; i < s->n_syscalls; i++)
		if ((r = check_syscall(s->syscalls[i], i, e)) < 0)
			return r;
	if (s->listenerpath && s->listenerpath[0])
		return refuse(e, ENOTSUP, "linux.seccomp.listenerPath: is not supported yet");
	return 0;
}
