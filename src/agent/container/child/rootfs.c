#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/container/child/mount_list.h"
#include "agent/container/child/mount_ops.h"
#include "agent/container/child/resolve.h"
#include "agent/container/child/setup.h"
#include "base/file.h"
#include "oci/names.h"

/*
 * The container's root: a copy of the tree at root.path, mounted where that is, filled by mounts.c
 * and devices.c while the agent's files are still there, and at last made "/".
 *
 * root.path is opened with the agent's rights, because a process in a user namespace may not be
 * able to walk there; the working folder leads back to it.
 */

int open_root(struct setup *s, struct err *e)
{
	const char *path = s->spec->root->path;

	if (!path || path[0] != '/')
		return err_say(e, EINVAL, "root.path: '%.128s' is not an absolute path",
			       path ? path : "");
	if (chdir(path) < 0)
		return err_sys(e, errno, "open root.path '%s'", path);
	s->root->fd = mount_copy(AT_FDCWD, ".", true);
	return s->root->fd < 0 ? err_sys(e, -s->root->fd, "open root.path '%s'", path) : 0;
}

int make_root(struct setup *s, struct err *e)
{
	/* The container's mounts must not appear in the agent's namespace. */
	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return err_sys(e, errno, "cut off mount propagation");

	auto_close int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = here < 0 ? -errno : mount_attach(s->root->fd, here);

	return r < 0 ? err_sys(e, -r, "mount root.path '%s'", s->spec->root->path) : 0;
}

/* As runc does, so that images without their working folder run. It is entered later. */
int make_cwd(struct setup *s, struct err *e)
{
	const char *cwd = s->process->cwd;

	if (!cwd || cwd[0] != '/')
		return err_say(e, EINVAL, "process.cwd: '%.128s' is not an absolute path",
			       cwd ? cwd : "");

	auto_close int fd = resolve_dir(s->root, cwd, 0755, e);

	return err_wrap(e, fd < 0 ? fd : 0, "process.cwd");
}

static int mask(struct setup *s, const char *path, struct err *e)
{
	auto_close int fd = resolve(s->root, path, 0, e);
	char target[FD_PATH_BYTES];
	struct stat st;
	int r;

	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR ? 0 : fd;
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "open '%s'", path);
	if (S_ISDIR(st.st_mode)) {
		r = mount("tmpfs", fd_path(fd, target), "tmpfs", MS_RDONLY, NULL) < 0 ? -errno : 0;
	} else {
		auto_close int null = mount_copy(AT_FDCWD, "/dev/null", false);

		r = null < 0 ? null : mount_attach(null, fd);
	}
	root_mounted_on(s->root, fd);
	return r < 0 ? err_sys(e, -r, "hide '%s'", path) : 0;
}

int hide_paths(struct setup *s, struct err *e)
{
	const Grpc__Linux *l = s->spec->linux;

	for (size_t i = 0; i < l->n_readonlypaths; i++) {
		auto_close int fd = resolve(s->root, l->readonlypaths[i], 0, e);
		int r = fd == -ENOENT || fd == -ENOTDIR ? 0 : fd;

		if (fd >= 0)
			r = mount_over_itself(fd, true, MOUNT_ATTR_RDONLY);
		if (fd >= 0)
			root_mounted_on(s->root, fd);
		if (fd >= 0 && r < 0)
			(void) err_sys(e, -r, "make '%s' read-only", l->readonlypaths[i]);
		if (r < 0)
			return err_wrap(e, r, "linux.readonlyPaths");
	}
	for (size_t i = 0; i < l->n_maskedpaths; i++) {
		int r = mask(s, l->maskedpaths[i], e);

		if (r < 0)
			return err_wrap(e, r, "linux.maskedPaths");
	}
	return 0;
}

/* Comes last, because nothing can be made in these mounts afterwards. */
int make_readonly(struct setup *s, struct err *e)
{
	for (size_t i = 0; i < s->n_late; i++) {
		auto_close int fd = resolve(s->root, s->late[i].path, O_DIRECTORY, e);
		int r = fd < 0 ? fd : mount_change(fd, MOUNT_ATTR_RDONLY, 0, 0, false);

		if (r < 0)
			return err_sys(e, -r, "make '%s' read-only", s->late[i].path);
	}
	if (!s->spec->root->readonly)
		return 0;

	int r = mount_change(s->root->fd, MOUNT_ATTR_RDONLY, 0, 0, false);

	return r < 0 ? err_sys(e, -r, "root.readonly") : 0;
}

/* pivot_root() stacks the old root on the new one, and umount2() takes it off. Descriptors that are
 * still open in it are close-on-exec. */
static int pivot(const struct setup *s, struct err *e)
{
	if (fchdir(s->root->fd) < 0)
		return err_sys(e, errno, "enter the container's root");
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return err_sys(e, errno, "make the container's root the root");
	if (umount2(".", MNT_DETACH) < 0)
		return err_sys(e, errno, "leave the agent's root");
	if (chdir("/") < 0)
		return err_sys(e, errno, "enter the container's root");
	return 0;
}

int enter_root(struct setup *s, struct err *e)
{
	const char *word = s->spec->linux->rootfspropagation;
	unsigned long propagation = word && word[0] ? oci_propagation_flags(word) : 0;

	if (word && word[0] && !propagation)
		return err_say(e, EINVAL, "linux.rootfsPropagation: unknown word '%.64s'", word);

	int r = pivot(s, e);

	if (r < 0)
		return r;
	root_fini(s->root);
	if (propagation && mount(NULL, "/", NULL, propagation, NULL) < 0)
		return err_sys(e, errno, "set linux.rootfsPropagation");
	/* Whatever is made from now on is the workload's. */
	(void) umask(s->process->user && s->process->user->has_umask ? s->process->user->umask
								     : 022);
	return 0;
}
