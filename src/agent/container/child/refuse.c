#include <errno.h>

#include "agent/container/child/setup.h"

/* Fields that cannot be honoured are refused by name. */

static bool given(const char *text)
{
	return text && text[0];
}

int refuse_unsupported(struct setup *s, struct err *e)
{
	const Grpc__Linux *l = s->spec->linux;

	if (given(l->mountlabel))
		return err_say(e, ENOTSUP, "linux.mountLabel: the guest has no SELinux");
	if (l->intelrdt)
		return err_say(e, ENOTSUP, "linux.intelRdt: the guest has no resctrl");
	if (l->seccomp && (given(l->seccomp->listenerpath) || given(l->seccomp->listenermetadata)))
		return err_say(e, ENOTSUP, "linux.seccomp.listenerPath: not supported in a guest");
	if (s->spec->windows || s->spec->solaris)
		return err_say(e, ENOTSUP, "%s: this is Linux",
			       s->spec->windows ? "windows" : "solaris");
	return 0;
}

int refuse_unsupported_process(struct setup *s, struct err *e)
{
	if (given(s->process->selinuxlabel))
		return err_say(e, ENOTSUP, "process.selinuxLabel: the guest has no SELinux");
	if (s->process->execcpuaffinity)
		return err_say(e, ENOTSUP, "process.execCPUAffinity: not supported");
	return 0;
}
