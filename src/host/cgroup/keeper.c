/* The process that stays in a scope of systemd's while nobody else is there. */
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/cgroup/cgroup_priv.h"

/* What ps and systemctl status show; at most 15 characters (prctl(2), PR_SET_NAME). */
#define KEEPER_NAME "kata-scope"

/* In the child, instead of a program. It closes all that it has inherited, because a pipe or a lock
 * that it kept would not end with its owner; the one of them on which child_start_by() listens says
 * that the child is there. Only system calls: it was forked from a process with threads. */
static int stay(const char *path, char *const argv[], char *const envp[])
{
	(void) path, (void) argv, (void) envp;
	(void) prctl(PR_SET_NAME, KEEPER_NAME);
	if (syscall(SYS_close_range, 0U, ~0U, 0U) < 0)
		return -1;
	for (;;)
		(void) pause();
}

int host_cgroup_keep(struct host_cgroup *g, struct err *e)
{
	const struct child_spec spec = {
		.path = KEEPER_NAME,
		.cwd = "/",
		.new_session = true,
		.die_with_parent = true,
	};

	return g->unit ? child_start_by(&spec, stay, &g->keeper, e) : 0;
}
