#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "base/file.h"
#include "host/spec/spec.h"

/* Components of a path that are made in a root; a path of the spec has no more. */
#define POINT_DEPTH_MAX 128

/* Opens the folder @path below @root_fd, made if missing. Links in the root lead nowhere else than
 * below the root. */
static int open_folder(int root_fd, char *path, unsigned depth, struct err *e)
{
	struct err first = {0};
	int fd = path_open_in(root_fd, path, O_PATH | O_DIRECTORY, 0, &first);
	char *slash = strrchr(path, '/');

	if (fd >= 0)
		return fd;
	if (fd != -ENOENT || depth > POINT_DEPTH_MAX || !slash) {
		if (e)
			*e = first;
		return fd;
	}

	/* "/a/b/c": first "/a/b", then "c" in it. */
	*slash = '\0';

	auto_close int parent = open_folder(root_fd, slash == path ? "/" : path, depth + 1, e);

	*slash = '/';
	if (parent < 0)
		return parent;
	if (slash[1] && mkdirat(parent, slash + 1, 0755) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make '%s'", path);
	return path_open_in(root_fd, path, O_PATH | O_DIRECTORY, 0, e);
}

static void strip_slashes(char *path)
{
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		path[--n] = '\0';
}

static int make_folder(int root_fd, const char *path, struct err *e)
{
	auto_free char *copy = str_printf("/%s", path);

	if (!copy)
		return err_sys(e, ENOMEM, "make '%s'", path);
	strip_slashes(copy);

	auto_close int fd = open_folder(root_fd, copy, 0, e);

	return fd < 0 ? fd : 0;
}

static int make_file(int root_fd, const char *path, struct err *e)
{
	auto_free char *copy = str_printf("/%s", path);

	if (!copy)
		return err_sys(e, ENOMEM, "make '%s'", path);
	strip_slashes(copy);

	char *slash = strrchr(copy, '/');

	*slash = '\0';

	auto_close int parent = open_folder(root_fd, copy[0] ? copy : "/", 0, e);

	if (parent < 0)
		return parent;

	int fd = openat(parent, slash + 1, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);

	if (fd < 0 && errno != EEXIST)
		return err_sys(e, errno, "make '%s'", path);
	fd_close(fd);
	return 0;
}

/* Whether @path lies on or below the folder @above. */
static bool below(const char *path, const char *above)
{
	size_t n = strlen(above);

	while (n > 0 && above[n - 1] == '/')
		n--;
	return strncmp(path, above, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* Whether the first @n mounts put something over the place of @path. */
static bool covered(const Grpc__Spec *spec, size_t n, const char *path)
{
	for (size_t i = 0; i < n; i++)
		if (below(path, spec->mounts[i]->destination))
			return true;
	return false;
}

int guest_root_prepare(int root_fd, const Grpc__Spec *spec, const bool *is_dir, struct err *e)
{
	for (size_t i = 0; i < spec->n_mounts; i++) {
		const char *path = spec->mounts[i]->destination;

		if (covered(spec, i, path))
			continue;

		int r = is_dir[i] ? make_folder(root_fd, path, e) : make_file(root_fd, path, e);

		if (r < 0)
			return err_wrap(e, r, "mounts[%zu].destination", i);
	}

	const char *cwd = spec->process->cwd;

	if (!cwd || covered(spec, spec->n_mounts, cwd))
		return 0;
	return err_wrap(e, make_folder(root_fd, cwd, e), "process.cwd");
}
