#include "host/storage/late_mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/log.h"

static int enter(int ns, struct err *e)
{
	return setns(ns, CLONE_NEWNS) < 0 ? err_sys(e, errno, "enter a mount namespace") : 0;
}

/* A clone of what is at the host's @path, if that differs from what is at it here; else -1 in
 * *@ret. It is a slave, so that nothing that is mounted on it gets to the host. */
static int clone_other(int host_ns, int own_ns, const char *path, int *ret, struct err *e)
{
	struct mount_attr slave = {.propagation = MS_SLAVE};
	struct stat here, there;
	bool is_here = stat(path, &here) == 0;
	int r = is_here ? enter(host_ns, e) : 0;

	if (r < 0 || !is_here)
		return r;

	auto_close int tree = -1;
	bool differs = stat(path, &there) == 0 &&
		       (here.st_dev != there.st_dev || here.st_ino != there.st_ino);

	if (differs)
		tree = open_tree(AT_FDCWD, path,
				 OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (differs && (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &slave,
						  sizeof slave) < 0))
		r = err_sys(e, errno, "clone the host's '%s'", path);

	int back = enter(own_ns, r < 0 ? NULL : e);

	*ret = take_fd(&tree);
	return r < 0 ? r : back;
}

int late_mounts_bring(struct late_mounts *m, int host_ns, const char *path, struct err *e)
{
	auto_close int own_ns = open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC);
	auto_close int tree = -1;

	if (own_ns < 0)
		return err_sys(e, errno, "open '/proc/thread-self/ns/mnt'");
	/* Nobody can enter a namespace whose working folder another thread has. */
	if (unshare(CLONE_FS) < 0)
		return err_sys(e, errno, "have a working folder alone");

	int r = clone_other(host_ns, own_ns, path, &tree, e);

	if (r < 0 || tree < 0)
		return r;
	if (m->n == LATE_MOUNTS_MAX)
		return err_say(e, E2BIG, "more than %d of its mounts are new on this host",
			       LATE_MOUNTS_MAX);
	m->paths[m->n] = strdup(path);
	if (!m->paths[m->n])
		return err_sys(e, ENOMEM, "bring a mount in");
	if (move_mount(tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0) {
		r = err_sys(e, errno, "mount the host's '%s' here", path);
		free(m->paths[m->n]);
		return r;
	}
	m->n++;
	return 0;
}

void late_mounts_drop(struct late_mounts *m)
{
	while (m->n > 0) {
		char *path = m->paths[--m->n];

		if (umount2(path, MNT_DETACH) < 0)
			log_warn("ignoring that '%s' stays mounted in the server: %s", path,
				 strerror(errno));
		free(path);
	}
}
