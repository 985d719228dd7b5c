#include "agent/cgroup/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "agent/cgroup/tree.h"
#include "base/file.h"

#define PATH_DEPTH_MAX   16
#define REMOVE_DEPTH_MAX 64
#define NAME_BYTES_MAX   255

static bool name_is_fit(const char *name, size_t bytes)
{
	if (bytes == 0 || bytes > NAME_BYTES_MAX || (bytes == 1 && name[0] == '.'))
		return false;
	return !(bytes == 2 && name[0] == '.' && name[1] == '.');
}

/* "system.slice:kata:abc" is how systemd's driver writes "system.slice/kata-abc.scope". */
static char *path_from_systemd(const char *path)
{
	const char *prefix = strchr(path, ':');
	const char *name = prefix ? strchr(prefix + 1, ':') : NULL;

	if (!name || strchr(path, '/') || strchr(name + 1, ':') || !name[1])
		return NULL;

	int slice = (int) (prefix - path), middle = (int) (name - prefix - 1);

	return str_printf("%.*s%s%.*s%s%s.scope", slice, path, slice ? "/" : "", middle, prefix + 1,
			  middle ? "-" : "", name + 1);
}

int cgroup_path_from_spec(const char *path, char **ret, struct err *e)
{
	auto_free char *unit = path_from_systemd(path);
	const char *from = unit ? unit : path;
	auto_free char *clean = malloc(strlen(from) + 1);
	size_t depth = 0;
	char *to = clean;

	if (!clean)
		return err_sys(e, ENOMEM, "read linux.cgroupsPath");
	while (*from) {
		size_t bytes = strcspn(from, "/");

		if (bytes > 0) {
			if (!name_is_fit(from, bytes) || ++depth > PATH_DEPTH_MAX)
				return err_say(e, EINVAL,
					       "linux.cgroupsPath '%.100s' is not a path", path);
			if (to != clean)
				*to++ = '/';
			memcpy(to, from, bytes);
			to += bytes;
		}
		from += bytes + (from[bytes] == '/');
	}
	*to = '\0';
	if (depth == 0)
		return err_say(e, EINVAL, "linux.cgroupsPath is empty");
	*ret = take_ptr(clean);
	return 0;
}

/* Turns on all controllers it can: first all in one write, which is quick, else one by one. */
static int turn_on_controllers(struct cgroup_root *root, struct err *e)
{
	auto_free char *have = NULL;
	size_t used = 0;
	char *rest = NULL;
	int r = file_read(root->fd, "cgroup.controllers", sizeof root->controllers / 2, &have, NULL,
			  e);

	if (r < 0)
		return r;
	for (char *name = strtok_r(have, " \n", &rest); name; name = strtok_r(NULL, " \n", &rest)) {
		int n = snprintf(root->controllers + used, sizeof root->controllers - used, "%s+%s",
				 used ? " " : "", name);

		if (n < 0 || (size_t) n >= sizeof root->controllers - used)
			return err_say(e, E2BIG, "the kernel has too many cgroup controllers");
		used += (size_t) n;
	}
	if (used == 0 ||
	    file_write(root->fd, "cgroup.subtree_control", root->controllers, NULL) == 0)
		return 0;

	auto_free char *wanted = strdup(root->controllers);

	if (!wanted)
		return err_sys(e, ENOMEM, "turn on cgroup controllers");
	used = 0;
	root->controllers[0] = '\0';
	for (char *name = strtok_r(wanted, " ", &rest); name; name = strtok_r(NULL, " ", &rest))
		if (file_write(root->fd, "cgroup.subtree_control", name, NULL) == 0)
			used += (size_t) sprintf(root->controllers + used, "%s%s", used ? " " : "",
						 name);
	return 0;
}

int cgroup_root_open(const char *path, struct cgroup_root **ret, struct err *e)
{
	auto_ptr(cgroup_root_free) struct cgroup_root *root = calloc(1, sizeof *root);
	struct statfs fs;

	if (!root)
		return err_sys(e, ENOMEM, "open the cgroup tree");
	root->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root->fd < 0 || fstatfs(root->fd, &fs) < 0)
		return err_sys(e, errno, "open the cgroup tree at '%s'", path);
	if (fs.f_type != CGROUP2_SUPER_MAGIC)
		return err_say(e, EINVAL, "no cgroup2 is mounted on '%s'", path);

	int r = turn_on_controllers(root, e);

	if (r < 0)
		return r;
	*ret = take_ptr(root);
	return 0;
}

void cgroup_root_free(struct cgroup_root *root)
{
	if (!root)
		return;
	device_programs_fini(&root->programs);
	fd_close(root->fd);
	free(root);
}

int cgroup_root_warm(struct cgroup_root *root, struct err *e)
{
	int r = device_programs_warm(&root->programs);

	return r < 0 ? err_sys(e, -r, "load the programs of device rules") : 0;
}

static int make_ancestors(struct cgroup_root *root, char *path, struct err *e)
{
	for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';

		int r = mkdirat(root->fd, path, 0755);

		if (r == 0 && root->controllers[0]) {
			auto_free char *file = str_printf("%s/cgroup.subtree_control", path);

			r = file ? file_write(root->fd, file, root->controllers, e)
				 : err_sys(e, ENOMEM, "make cgroup '%s'", path);
		} else if (r < 0 && errno != EEXIST) {
			r = err_sys(e, errno, "make cgroup '%s'", path);
		} else {
			r = 0;
		}
		*slash = '/';
		if (r < 0)
			return r;
	}
	return 0;
}

/* A leftover cgroup has the limits of an earlier container, so it is made anew. */
static int make_leaf(struct cgroup_root *root, const char *path, struct err *e)
{
	if (mkdirat(root->fd, path, 0755) == 0)
		return 0;
	if (errno == EEXIST && unlinkat(root->fd, path, AT_REMOVEDIR) == 0 &&
	    mkdirat(root->fd, path, 0755) == 0)
		return 0;
	return err_sys(e, errno, "make cgroup '%s'", path);
}

int cgroup_make(struct cgroup_root *root, const char *path, struct cgroup **ret, struct err *e)
{
	auto_ptr(cgroup_free) struct cgroup *cg = calloc(1, sizeof *cg);
	int r;

	if (!cg)
		return err_sys(e, ENOMEM, "make cgroup '%s'", path);
	cg->root = root;
	cg->fd = cg->device_prog = -1;
	if ((r = cgroup_path_from_spec(path, &cg->path, e)) < 0 ||
	    (r = make_ancestors(root, cg->path, e)) < 0 || (r = make_leaf(root, cg->path, e)) < 0)
		return r;
	cg->fd = openat(root->fd, cg->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cg->fd < 0) {
		r = err_sys(e, errno, "open cgroup '%s'", cg->path);
		(void) cgroup_remove(cg, NULL);
		return r;
	}
	*ret = take_ptr(cg);
	return 0;
}

void cgroup_free(struct cgroup *cg)
{
	if (!cg)
		return;
	cgroup_watcher_free(cg->watcher);
	fd_close(cg->device_prog);
	fd_close(cg->fd);
	free(cg->path);
	free(cg);
}

int cgroup_fd(const struct cgroup *cg)
{
	return cg->fd;
}

const char *cgroup_path(const struct cgroup *cg)
{
	return cg->path;
}

int cgroup_freeze(struct cgroup *cg, bool frozen, struct err *e)
{
	return file_write(cg->fd, "cgroup.freeze", frozen ? "1" : "0", e);
}

int cgroup_kill(struct cgroup *cg, struct err *e)
{
	return file_write(cg->fd, "cgroup.kill", "1", e);
}

bool cgroup_is_empty(const struct cgroup *cg)
{
	uint64_t populated;

	return !cgroup_read_key(cg, "cgroup.events", "populated", &populated) || populated == 0;
}

/* Removes what is below @take_dirfd, deepest first. */
static int remove_below(int take_dirfd, unsigned depth)
{
	DIR *dir = fdopendir(take_dirfd);
	struct dirent *entry;
	int r = 0;

	if (!dir) {
		fd_close(take_dirfd);
		return -ENOMEM;
	}
	while (r == 0 && (entry = readdir(dir))) {
		if (entry->d_type != DT_DIR || !name_is_fit(entry->d_name, strlen(entry->d_name)))
			continue;
		if (unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR) == 0 || errno == ENOENT)
			continue;

		int fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (depth == REMOVE_DEPTH_MAX)
			r = -ELOOP;
		else if (fd >= 0)
			r = remove_below(take_fd(&fd), depth + 1);
		fd_close(fd);
		if (r == 0 && unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR) < 0 &&
		    errno != ENOENT)
			r = -errno;
	}
	(void) closedir(dir);
	return r;
}

int cgroup_remove(struct cgroup *cg, struct err *e)
{
	int r = 0;

	if (unlinkat(cg->root->fd, cg->path, AT_REMOVEDIR) < 0 && errno != ENOENT) {
		int fd = openat(cg->root->fd, cg->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		r = fd < 0 ? -errno : remove_below(fd, 0);
		if (r == 0 && unlinkat(cg->root->fd, cg->path, AT_REMOVEDIR) < 0)
			r = -errno;
	}
	if (r < 0)
		return err_sys(e, -r, "remove cgroup '%s'", cg->path);

	/* Remove the ancestors that have become empty. */
	auto_free char *path = strdup(cg->path);

	for (char *slash = path ? strrchr(path, '/') : NULL; slash; slash = strrchr(path, '/')) {
		*slash = '\0';
		if (unlinkat(cg->root->fd, path, AT_REMOVEDIR) < 0)
			break;
	}
	return 0;
}
