#include "agent/container/child/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/fd.h"
#include "base/file.h"

#define LINKS_MAX 40 /* as the kernel's own */

/* ---- What is mounted right below the root ---- */

void root_forget(struct root *root)
{
	for (size_t i = 0; i < root->n_mounts; i++)
		fd_close(root->mounts[i].fd);
	root->n_mounts = 0;
}

void root_fini(struct root *root)
{
	root_forget(root);
	root->fd = fd_close(root->fd);
}

static struct root_mount *find_mount(struct root *root, const char *name, size_t bytes)
{
	for (size_t i = 0; i < root->n_mounts; i++)
		if (strlen(root->mounts[i].name) == bytes &&
		    memcmp(root->mounts[i].name, name, bytes) == 0)
			return &root->mounts[i];
	return NULL;
}

/* Whatever cannot be remembered is looked up from the root. */
static void remember_mount(struct root *root, const char *name)
{
	size_t bytes = strlen(name);
	struct root_mount *m = find_mount(root, name, bytes);

	if (m) {
		m->fd = fd_close(m->fd);
		return;
	}
	if (bytes == 0 || bytes >= sizeof m->name || root->n_mounts == ROOT_MOUNTS_MAX)
		return;
	m = &root->mounts[root->n_mounts++];
	m->fd = -1;
	memcpy(m->name, name, bytes + 1);
}

void root_mounted_on(struct root *root, int target_fd)
{
	char path[PATH_MAX];

	if (resolve_path_of(root->fd, target_fd, path, sizeof path, NULL) < 0)
		root_forget(root);
	else if (!strchr(path + 1, '/'))
		remember_mount(root, path + 1);
}

static int open_how(int dir_fd, const char *path, int flags, uint64_t bounds)
{
	struct open_how how = {
		.flags = (unsigned) (O_PATH | O_CLOEXEC | flags),
		.resolve = bounds | RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof how);

	return fd < 0 ? -errno : (int) fd;
}

/* Looks up @path below the mount that it begins with, if there is one. Returns a descriptor,
 * -ENOENT, or another -errno when it has to be looked up from the root. */
static int open_in_mount(struct root *root, const char *path, int flags)
{
	const char *name = path + strspn(path, "/");
	size_t bytes = strcspn(name, "/");
	struct root_mount *m = find_mount(root, name, bytes);
	const char *rest = name + bytes;

	if (!m)
		return -EXDEV;
	if (m->fd < 0)
		m->fd = open_how(root->fd, m->name, O_DIRECTORY,
				 RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
	if (m->fd < 0)
		return -EXDEV;
	rest += strspn(rest, "/");
	return open_how(m->fd, *rest ? rest : ".", flags, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

static int open_in(struct root *root, const char *path, int flags)
{
	int fd = open_in_mount(root, path, flags);

	return fd >= 0 || fd == -ENOENT ? fd : open_how(root->fd, path, flags, RESOLVE_IN_ROOT);
}

/* ---- Paths ---- */

int resolve(struct root *root, const char *path, int flags, struct err *e)
{
	int fd = open_in(root, path, flags);

	return fd < 0 && fd != -ENOENT ? err_sys(e, -fd, "open '%s' in the container", path) : fd;
}

/* The target of the dangling link @name, as a path of its own with @rest behind it. */
static int follow_link(int parent_fd, const char *path, size_t parent_bytes, const char *name,
		       const char *rest, char **ret)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(parent_fd, name, target, sizeof target - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	*ret = target[0] == '/' ? str_printf("%s/%s", target, rest)
				: str_printf("%.*s/%s/%s", (int) parent_bytes, path, target, rest);
	return *ret ? 0 : -ENOMEM;
}

/*
 * Makes the first folder of @path that is missing. Returns 1 when all exist, 0 when one was made or
 * *@path was replaced by what a link in it means, or -errno.
 */
static int make_first_missing(struct root *root, char **path, mode_t mode)
{
	auto_close int parent = open_in(root, "/", O_DIRECTORY);
	char *at = *path;

	for (;;) {
		at += strspn(at, "/");
		if (!*at)
			return parent < 0 ? parent : 1;

		size_t before = (size_t) (at - *path), bytes = strcspn(at, "/");
		char *end = at + bytes, keep = *end;

		*end = '\0';
		int fd = open_in(root, *path, O_DIRECTORY);
		int r = fd == -ENOENT ? 0 : fd;

		if (fd == -ENOENT && mkdirat(parent, at, mode) < 0) {
			char *other = NULL;

			r = errno == EEXIST ? follow_link(parent, *path, before, at,
							  keep ? end + 1 : "", &other)
					    : -errno;
			if (r == 0) {
				free(*path);
				*path = other;
				return 0;
			}
		}
		*end = keep;
		if (fd < 0)
			return r;
		fd_close(parent);
		parent = fd;
		at = end;
	}
}

int resolve_dir(struct root *root, const char *path, mode_t mode, struct err *e)
{
	int fd = open_in(root, path, O_DIRECTORY);

	if (fd >= 0)
		return fd;

	auto_free char *copy = strdup(path);
	int links = 0, r = copy ? 0 : -ENOMEM;
	char *before = copy;

	while (r == 0 && links <= LINKS_MAX) {
		r = make_first_missing(root, &copy, mode);
		links += copy != before;
		before = copy;
	}
	if (r == 1)
		fd = open_in(root, copy, O_DIRECTORY);
	else
		fd = r < 0 ? r : -ELOOP;
	return fd < 0 ? err_sys(e, -fd, "make folder '%s' in the container", path) : fd;
}

int resolve_parent(struct root *root, const char *path, const char **ret_name, struct err *e)
{
	const char *slash = strrchr(path, '/');
	auto_free char *parent = slash ? strndup(path, (size_t) (slash - path)) : strdup("");

	if (!parent)
		return err_sys(e, ENOMEM, "open '%s' in the container", path);
	*ret_name = slash ? slash + 1 : path;
	if (!**ret_name || strcmp(*ret_name, ".") == 0 || strcmp(*ret_name, "..") == 0)
		return err_say(e, EINVAL, "'%s' is not the path of a file", path);
	return resolve_dir(root, parent[0] ? parent : "/", 0755, e);
}

/* Makes a file without opening it, because to open, flush and close one are three more requests to
 * the host. A file system that knows no mknod(2), as vfat, has it opened. */
static int make_empty(int parent_fd, const char *name)
{
	if (mknodat(parent_fd, name, S_IFREG | 0755, 0) == 0)
		return 0;
	if (errno == EEXIST)
		return -errno;

	auto_close int fd =
		openat(parent_fd, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0755);

	return fd < 0 ? -errno : 0;
}

/* Opens the file that *@path names, made if missing. Returns a descriptor, -EAGAIN when *@path was
 * replaced by what a dangling link there means, or -errno. */
static int open_file(struct root *root, char **path, struct err *e)
{
	const char *name;
	auto_close int parent = resolve_parent(root, *path, &name, e);

	if (parent < 0)
		return parent;

	int fd = open_how(parent, name, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);

	if (fd == -ELOOP)
		fd = open_in(root, *path, 0);
	if (fd >= 0)
		return fd;

	char *other = NULL;
	int r = make_empty(parent, name);

	if (r == 0)
		r = fd = open_how(parent, name, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	if (fd >= 0)
		return fd;
	if (r == -EEXIST)
		r = follow_link(parent, *path, (size_t) (name - *path), name, "", &other);
	if (r < 0)
		return err_sys(e, -r, "make file '%s' in the container", *path);
	other[strlen(other) - 1] = '\0'; /* the slash before the empty @rest */
	free(*path);
	*path = other;
	return -EAGAIN;
}

int resolve_file(struct root *root, const char *path, struct err *e)
{
	auto_free char *copy = strdup(path);

	if (!copy)
		return err_sys(e, ENOMEM, "make file '%s' in the container", path);
	for (int tries = 0; tries <= LINKS_MAX; tries++) {
		int fd = open_file(root, &copy, e);

		if (fd != -EAGAIN)
			return fd;
	}
	return err_sys(e, ELOOP, "make file '%s' in the container", path);
}

int resolve_path_of(int root_fd, int fd, char *buf, size_t buf_bytes, struct err *e)
{
	char root[PATH_MAX], link[FD_PATH_BYTES], path[PATH_MAX];
	ssize_t n = readlink(fd_path(root_fd, link), root, sizeof root - 1);
	ssize_t m = readlink(fd_path(fd, link), path, sizeof path - 1);

	if (n < 0 || m < 0)
		return err_sys(e, errno, "look where a path leads");
	root[n] = path[m] = '\0';
	if (n == 1)
		n = 0; /* "/": every path begins with it */
	if (strncmp(path, root, (size_t) n) != 0 || (path[n] != '/' && path[n] != '\0'))
		return err_say(e, EXDEV, "'%s' is not in the container", path);
	(void) snprintf(buf, buf_bytes, "%s", path[n] ? path + n : "/");
	return 0;
}

const char *fd_path(int fd, char buf[FD_PATH_BYTES])
{
	(void) snprintf(buf, FD_PATH_BYTES, "/proc/self/fd/%d", fd);
	return buf;
}
