/* The first process of a pid namespace that containers share, and of a user namespace if they share
 * one. It stands in for Kubernetes' pause program: it reaps orphans, and the pid namespace lives as
 * long as it does. */
#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/container/child/setup.h"
#include "base/privilege.h"

/* A container with the right to trace can look at this process, so it has nothing: an empty root,
 * no namespace of the agent's, no capability. */
static int give_up(struct err *e)
{
	const unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
	int fresh = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWCGROUP;
	int r;

	if (unshare(fresh) < 0)
		return err_sys(e, errno, "make namespaces");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", "/run", "tmpfs", flags, "size=4k") < 0 || chdir("/run") < 0 ||
	    syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0)
		return err_sys(e, errno, "make an empty root");
	r = privilege_limit(0, e);
	if (r == 0)
		r = privilege_seal(e);
	if (r == 0 && prctl(PR_SET_DUMPABLE, 0) < 0)
		r = err_sys(e, errno, "hide from others");
	return r;
}

int hold_namespaces(struct setup *s, struct err *e)
{
	char byte;
	int r = s->number ? begin_user_namespace(e) : 0;

	(void) setsid();
	(void) prctl(PR_SET_NAME, "pause");
	/* Lets the kernel reap orphans. */
	(void) signal(SIGCHLD, SIG_IGN);
	if (r == 0)
		r = give_up(e);
	if (r == 0)
		r = handshake_tell(CHILD_CONTROL, STEP_READY, 0, -1, NULL, e);
	if (r < 0)
		return r;
	/* What remains are read, write and exit. */
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) < 0)
		return err_sys(e, errno, "limit system calls");
	/* Until the agent closes its end. */
	while (read(CHILD_CONTROL, &byte, sizeof byte) > 0)
		;
	(void) syscall(SYS_exit, 0);
	__builtin_unreachable();
}
