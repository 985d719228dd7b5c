/* The root file system of a container. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "base/file.h"
#include "host/storage/volume_driver.h"

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

/* Makes the folder or the empty file @path below @root_fd, with the folders above it. */
static int make_point(int root_fd, const char *path, bool is_file, struct err *e)
{
	auto_free char *copy = str_printf("/%s", path);
	char *name = NULL;

	if (!copy)
		return err_sys(e, ENOMEM, "make '%s'", path);
	strip_slashes(copy);
	if (is_file) {
		name = strrchr(copy, '/');
		*name++ = '\0';
	}

	auto_close int folder = open_folder(root_fd, copy[0] ? copy : "/", 0, e);

	if (folder < 0 || !is_file)
		return folder < 0 ? folder : 0;

	int fd = openat(folder, name, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);

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

/* Makes what the agent will mount on, and the working folder. */
static int make_points(const struct volume_owner *owner, int root_fd, const Grpc__Spec *spec,
		       struct err *e)
{
	size_t i = 0;

	list_for_each (pos, owner->volumes) {
		const struct volume *v = container_of(pos, struct volume, link);
		const char *path = spec->mounts[i]->destination;
		int r = 0;

		if (!covered(spec, i, path))
			r = make_point(root_fd, path, v->is_file, e);
		if (r < 0)
			return err_wrap(e, r, "mounts[%zu].destination", i);
		i++;
	}

	const char *cwd = spec->process->cwd;

	if (!cwd || covered(spec, spec->n_mounts, cwd))
		return 0;
	return err_wrap(e, make_point(root_fd, cwd, false, e), "process.cwd");
}

int volume_root_open(const struct volume_owner *owner, const Grpc__Root *root, struct err *e)
{
	auto_free char *path = volume_host_path(owner, root->path);

	if (!path)
		return err_sys(e, ENOMEM, "open the root");

	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_sys(e, errno, "root.path '%s'", path) : fd;
}

int volume_root_add(const struct volume_owner *owner, int root_fd, Grpc__Spec *spec, struct err *e)
{
	Grpc__Root *root = spec->root;
	const struct share_flags flags = {
		.exact_name = true,
		.recursive = true,
		.readonly = root->has_readonly && root->readonly,
	};
	int r = flags.readonly ? make_points(owner, root_fd, spec, e) : 0;

	if (r < 0)
		return r;

	struct volume *volume = calloc(1, sizeof *volume);

	r = volume ? share_add(owner->share, owner->container_id, root_fd, "rootfs", flags,
			       &volume->guest_path, e)
		   : err_sys(e, ENOMEM, "rewrite the spec");
	if (r < 0) {
		free(volume);
		return err_wrap(e, r, "root.path '%s'", root->path);
	}
	list_add(owner->volumes, &volume->link);
	return volume_mount_set(&root->path, volume->guest_path, e);
}
