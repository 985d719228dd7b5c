#include "host/confine/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/file.h"
#include "base/privilege.h"
#include "base/userns.h"
#include "host/confine/ids.h"
#include "host/confine/landlock.h"

int confine_cgroups(struct confine *c, const int *fds, size_t n, struct err *e)
{
	if (n > CONFINE_CGROUPS_MAX)
		return err_say(e, E2BIG, "a process cannot be in %zu cgroups", n);
	for (size_t i = 0; i < n; i++) {
		int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);

		if (fd < 0)
			return err_sys(e, errno, "take over a cgroup's descriptor");
		c->cgroup_fds[c->n_cgroup_fds++] = fd;
	}
	return 0;
}

int confine_user(struct confine *c, uid_t uid, gid_t gid, gid_t group, enum confine_map map,
		 struct err *e)
{
	auto_close int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_free char *uid_map = NULL, *gid_map = NULL;

	c->user.uid = uid;
	c->user.gid = gid;
	c->user.group = group;
	if (proc < 0)
		return err_sys(e, errno, "open '/proc'");
	if (map == CONFINE_MAP_ONE) {
		uid_map = str_printf("%u %u 1\n", uid, uid);
		gid_map = str_printf("%u %u 1\n", gid, gid);
	} else {
		uid_map = confine_ids_same("uid_map", e);
		gid_map = confine_ids_same("gid_map", e);
	}
	if (!uid_map || !gid_map)
		return e && e->code ? -e->code : err_sys(e, ENOMEM, "map users");

	int r = userns_make(uid_map, gid_map, proc, &c->user.userns_fd, e);

	if (r == 0)
		c->user.change = true;
	return r;
}

static int join_cgroups(const struct confine *c, struct err *e)
{
	for (size_t i = 0; i < c->n_cgroup_fds; i++)
		if (write(c->cgroup_fds[i], "0", 1) != 1)
			return err_sys(e, errno, "join the sandbox's cgroup");
	return 0;
}

static int set_limits(const struct confine *c, struct err *e)
{
	const struct rlimit no_core = {0};
	struct rlimit files = {c->nofile, c->nofile};

	if (setrlimit(RLIMIT_CORE, &no_core) < 0)
		return err_sys(e, errno, "switch off core dumps");
	/* Raising the hard limit takes CAP_SYS_RESOURCE; any process may go up to it. */
	if (c->nofile == 0 || setrlimit(RLIMIT_NOFILE, &files) == 0)
		return 0;
	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return err_sys(e, errno, "read the limit of descriptors");
	files.rlim_cur = files.rlim_max;
	(void) setrlimit(RLIMIT_NOFILE, &files);
	return 0;
}

/* Sets the groups first, because a process cannot choose groups that its user namespace does not
 * map; those that it has when it enters the namespace stay in force. Neither these nor the user are
 * changed by the C library, which would wait for the threads of the process that this one is a
 * clone of. */
static int enter_user_namespace(const struct confine_user *u, struct err *e)
{
	if (!u->change)
		return 0;

	size_t n = u->group == (gid_t) -1 ? 0 : 1;

	/* A namespace that its maker mapped without privileges allows no setgroups(). */
	if (!(n == 0 && getgroups(0, NULL) == 0) && syscall(SYS_setgroups, n, &u->group) < 0)
		return err_sys(e, errno, "leave all groups");
	if (u->userns_fd >= 0 && setns(u->userns_fd, CLONE_NEWUSER) < 0)
		return err_sys(e, errno, "enter a user namespace");
	return 0;
}

static int change_user(const struct confine_user *u, uint64_t caps, struct err *e)
{
	if (!u->change)
		return 0;
	if (caps && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_sys(e, errno, "keep capabilities");
	if (syscall(SYS_setresgid, u->gid, u->gid, u->gid) < 0)
		return err_sys(e, errno, "become group %u", u->gid);
	if (syscall(SYS_setresuid, u->uid, u->uid, u->uid) < 0)
		return err_sys(e, errno, "become user %u", u->uid);
	return 0;
}

/* A process that is not root loses all but its ambient capabilities when it executes a program. */
static int keep_over_exec(const struct confine *c, struct err *e)
{
	if (!c->user.change || c->user.uid == 0)
		return 0;
	for (int cap = 0; cap < 64; cap++)
		if (c->caps & PRIVILEGE(cap) &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return err_sys(e, errno, "keep capability %d", cap);
	return 0;
}

int confine_enter(void *arg, struct err *e)
{
	const struct confine *c = arg;
	int r = join_cgroups(c, e);

	if (r == 0)
		r = set_limits(c, e);
	/* After the cgroups, because a cgroup namespace begins where its process is. */
	if (r == 0 && c->namespaces && unshare(c->namespaces) < 0)
		r = err_sys(e, errno, "make namespaces");
	if (r == 0)
		r = confine_root_enter(&c->root, e);
	if (r == 0)
		r = enter_user_namespace(&c->user, e);
	/* After entering the user namespace, because that fills the bounding set with all
	 * capabilities, and before the change of user, because only root may take them out. */
	if (r == 0)
		r = privilege_bound(c->caps, e);
	if (r == 0)
		r = change_user(&c->user, c->caps, e);
	if (r == 0)
		r = privilege_limit(c->caps, e);
	if (r == 0)
		r = keep_over_exec(c, e);
	if (r == 0)
		r = privilege_seal(e);
	if (r == 0)
		r = confine_landlock_enter(c->ruleset_fd, e);
	return r == 0 ? confine_filter_enter(&c->filter, e) : r;
}

void confine_fini(struct confine *c)
{
	for (size_t i = 0; i < c->n_cgroup_fds; i++)
		fd_close(c->cgroup_fds[i]);
	confine_root_fini(&c->root);
	fd_close(c->user.userns_fd);
	fd_close(c->ruleset_fd);
	confine_filter_fini(&c->filter);
	*c = CONFINE_NONE;
}
