#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/storage/driver.h"

#define PLACE_NAME_MAX 255

const char *place_fd_path(int fd, char buf[PLACE_FD_PATH_BYTES])
{
	(void) snprintf(buf, PLACE_FD_PATH_BYTES, "/proc/self/fd/%d", fd);
	return buf;
}

/* What of @path is below @run_dir, or NULL. */
static const char *below(const char *run_dir, const char *path)
{
	size_t n = strlen(run_dir);

	if (strncmp(path, run_dir, n) != 0 || path[n] != '/')
		return NULL;
	path += n + strspn(path + n, "/");
	return *path ? path : NULL;
}

/* The next name of @*p into @name. Returns 1, 0 at the end, or -EINVAL. */
static int next_name(const char **p, char name[PLACE_NAME_MAX + 1])
{
	size_t n = strcspn(*p, "/");

	if (n == 0)
		return 0;
	if (n > PLACE_NAME_MAX)
		return -EINVAL;
	memcpy(name, *p, n);
	name[n] = '\0';
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EINVAL;
	*p += n;
	*p += strspn(*p, "/");
	return 1;
}

static int open_one(int at, const char *name, bool make, bool folder)
{
	int flags = O_PATH | O_NOFOLLOW | O_CLOEXEC | (folder ? O_DIRECTORY : 0);
	int fd = openat(at, name, flags);

	if (fd < 0 && errno == ENOENT && make) {
		if (folder && mkdirat(at, name, 0755) < 0 && errno != EEXIST)
			return -errno;
		if (!folder && mknodat(at, name, S_IFREG | 0644, 0) < 0 && errno != EEXIST)
			return -errno;
		fd = openat(at, name, flags);
	}
	/* A link opens as such, but with O_DIRECTORY fails with ENOTDIR: both are ELOOP here. */
	if (fd < 0)
		return errno == ENOTDIR ? -ELOOP : -errno;

	struct stat st;

	if (fstat(fd, &st) < 0 || S_ISLNK(st.st_mode)) {
		fd_close(fd);
		return -ELOOP;
	}
	return fd;
}

static int refuse(const char *run_dir, const char *path, struct err *e)
{
	return err_say(e, EINVAL, "mount point '%s' is not below '%s'", path, run_dir);
}

int place_make(int run_fd, const char *run_dir, const char *path, enum place_kind kind,
	       struct err *e)
{
	const char *p = below(run_dir, path);
	auto_close int at = -1;
	char name[PLACE_NAME_MAX + 1];
	int r;

	if (!p)
		return refuse(run_dir, path, e);
	while ((r = next_name(&p, name)) > 0) {
		int fd = open_one(at < 0 ? run_fd : at, name, true, *p || kind == PLACE_FOLDER);

		if (fd < 0)
			return err_sys(e, -fd, "make mount point '%s'", path);
		at = fd_close(at);
		at = fd;
	}
	return r < 0 ? refuse(run_dir, path, e) : take_fd(&at);
}

int place_open_parent(int run_fd, const char *run_dir, const char *path, const char **ret_name,
		      struct err *e)
{
	const char *p = below(run_dir, path);
	auto_close int at = fcntl(run_fd, F_DUPFD_CLOEXEC, 0);
	char name[PLACE_NAME_MAX + 1];

	if (!p)
		return refuse(run_dir, path, e);
	if (at < 0)
		return err_sys(e, errno, "find '%s'", path);
	for (const char *here = p; next_name(&p, name) > 0; here = p) {
		if (!*p) {
			*ret_name = here;
			return take_fd(&at);
		}

		int fd = open_one(at, name, false, true);

		if (fd < 0)
			return err_sys(e, -fd, "find '%s'", path);
		at = fd_close(at);
		at = fd;
	}
	return refuse(run_dir, path, e);
}

/* Whether the folder @fd is on the file system of run_dir: what is on another may be somebody's
 * data. */
static bool is_ours(int fd, int run_fd)
{
	struct stat folder, run;

	return fstat(fd, &folder) == 0 && fstat(run_fd, &run) == 0 && folder.st_dev == run.st_dev;
}

static bool remove_one(int run_fd, const char *run_dir, const char *path, const char **ret_name)
{
	struct err e = {0};
	auto_close int parent = place_open_parent(run_fd, run_dir, path, ret_name, &e);

	err_clear(&e);
	return parent >= 0 && is_ours(parent, run_fd) &&
	       (unlinkat(parent, *ret_name, AT_REMOVEDIR) == 0 || errno == ENOENT);
}

void place_remove(int run_fd, const char *run_dir, const char *path)
{
	auto_free char *left = strdup(path);
	const char *name;

	while (left && remove_one(run_fd, run_dir, left, &name))
		left[name - left] = '\0';
}
