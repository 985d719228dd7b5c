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
#include "base/file.h"

#define LINKS_MAX 40 /* as the kernel's own */

static int open_in(int root_fd, const char *path, int flags)
{
	struct open_how how = {
		.flags = (unsigned) (O_PATH | O_CLOEXEC | flags),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, root_fd, path, &how, sizeof how);

	return fd < 0 ? -errno : (int) fd;
}

int resolve(int root_fd, const char *path, int flags, struct err *e)
{
	int fd = open_in(root_fd, path, flags);

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
static int make_first_missing(int root_fd, char **path, mode_t mode)
{
	auto_close int parent = open_in(root_fd, "/", O_DIRECTORY);
	char *at = *path;

	for (;;) {
		at += strspn(at, "/");
		if (!*at)
			return parent < 0 ? parent : 1;

		size_t before = (size_t) (at - *path), bytes = strcspn(at, "/");
		char *end = at + bytes, keep = *end;

		*end = '\0';
		int fd = open_in(root_fd, *path, O_DIRECTORY);
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

int resolve_dir(int root_fd, const char *path, mode_t mode, struct err *e)
{
	int fd = open_in(root_fd, path, O_DIRECTORY);

	if (fd >= 0)
		return fd;

	auto_free char *copy = strdup(path);
	int links = 0, r = copy ? 0 : -ENOMEM;
	char *before = copy;

	while (r == 0 && links <= LINKS_MAX) {
		r = make_first_missing(root_fd, &copy, mode);
		links += copy != before;
		before = copy;
	}
	if (r == 1)
		fd = open_in(root_fd, copy, O_DIRECTORY);
	else
		fd = r < 0 ? r : -ELOOP;
	return fd < 0 ? err_sys(e, -fd, "make folder '%s' in the container", path) : fd;
}

int resolve_parent(int root_fd, const char *path, const char **ret_name, struct err *e)
{
	const char *slash = strrchr(path, '/');
	auto_free char *parent = slash ? strndup(path, (size_t) (slash - path)) : strdup("");

	if (!parent)
		return err_sys(e, ENOMEM, "open '%s' in the container", path);
	*ret_name = slash ? slash + 1 : path;
	if (!**ret_name || strcmp(*ret_name, ".") == 0 || strcmp(*ret_name, "..") == 0)
		return err_say(e, EINVAL, "'%s' is not the path of a file", path);
	return resolve_dir(root_fd, parent[0] ? parent : "/", 0755, e);
}

/* Makes the file that *@path names, or replaces *@path by what a dangling link there means. */
static int make_file(int root_fd, char **path, struct err *e)
{
	const char *name;
	auto_close int parent = resolve_parent(root_fd, *path, &name, e);

	if (parent < 0)
		return parent;

	auto_close int fd =
		openat(parent, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0755);

	if (fd >= 0)
		return 0;

	char *other = NULL;
	int r = errno == EEXIST
			? follow_link(parent, *path, (size_t) (name - *path), name, "", &other)
			: -errno;

	if (r < 0)
		return err_sys(e, -r, "make file '%s' in the container", *path);
	other[strlen(other) - 1] = '\0'; /* the slash before the empty @rest */
	free(*path);
	*path = other;
	return 0;
}

int resolve_file(int root_fd, const char *path, struct err *e)
{
	auto_free char *copy = strdup(path);

	if (!copy)
		return err_sys(e, ENOMEM, "make file '%s' in the container", path);
	for (int tries = 0; tries <= LINKS_MAX; tries++) {
		int fd = open_in(root_fd, copy, 0);
		int r = fd >= 0 ? 0 : make_file(root_fd, &copy, e);

		if (fd >= 0)
			return fd;
		if (r < 0)
			return r;
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
