#include "host/storage/kernel_files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/file.h"
#include "base/mountinfo.h"
#include "host/storage/device_node.h"

/* Types of file systems and where the guest mounts its own; empty: it has none. tmpfs, ramfs and
 * hugetlbfs are not listed, because they hold files that users wrote. */
static const struct {
	char type[12];
	char place[26];
} kinds[] = {
	{"proc", "/proc"},
	{"sysfs", "/sys"},
	{"devtmpfs", "/dev"},
	{"devpts", "/dev/pts"},
	{"mqueue", "/dev/mqueue"},
	{"cgroup", "/sys/fs/cgroup"},
	{"cgroup2", "/sys/fs/cgroup"},
	{"bpf", "/sys/fs/bpf"},
	{"pstore", "/sys/fs/pstore"},
	{"fusectl", "/sys/fs/fuse/connections"},
	{"selinuxfs", "/sys/fs/selinux"},
	{"smackfs", "/sys/fs/smackfs"},
	{"resctrl", ""},
	{"securityfs", "/sys/kernel/security"},
	{"debugfs", "/sys/kernel/debug"},
	{"tracefs", "/sys/kernel/tracing"},
	{"configfs", "/sys/kernel/config"},
	{"efivarfs", "/sys/firmware/efi/efivars"},
	{"binfmt_misc", "/proc/sys/fs/binfmt_misc"},
	{"nfsd", ""},
	{"rpc_pipefs", ""},
	{"nsfs", ""},
	{"xenfs", ""},
	{"binder", ""},
	{"functionfs", ""},
	{"gadgetfs", ""},
};

/* Whether the mount is the host's /dev, of any type: a host that is itself a container has a tmpfs
 * there. False if /dev is no mount of its own. */
static bool is_dev(const struct mount_line *line)
{
	struct stat dev, root;

	return stat("/dev", &dev) == 0 && stat("/", &root) == 0 && dev.st_dev != root.st_dev &&
	       makedev(line->major, line->minor) == dev.st_dev;
}

/* Whether the mount holds kernel files. *@ret_place is the guest's mount point, or empty. */
static bool is_kernels(const struct mount_line *line, const char **ret_place)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (strcmp(line->type, kinds[i].type) != 0)
			continue;
		*ret_place = kinds[i].place;
		return true;
	}
	*ret_place = "/dev";
	return is_dev(line);
}

/* The mount with kernel files that @line is or is mounted in: a host's cgroup v1 hierarchies are
 * mounted in a tmpfs inside sysfs. NULL: @line holds ordinary files. */
static const struct mount_line *kernels_mount(const struct mountinfo *mounts,
					      const struct mount_line *line, const char **ret_place)
{
	const struct mount_line *above = mountinfo_parent(mounts, line);

	if (is_kernels(line, ret_place))
		return line;
	if (above && (strcmp(above->type, "sysfs") == 0 || strcmp(above->type, "proc") == 0) &&
	    is_kernels(above, ret_place))
		return above;
	return NULL;
}

static char *path_of(int fd, struct err *e)
{
	char link[64], path[PATH_MAX];

	(void) snprintf(link, sizeof link, "/proc/self/fd/%d", fd);

	ssize_t n = readlink(link, path, sizeof path - 1);

	if (n < 0) {
		(void) err_sys(e, errno, "find the path of an open file");
		return NULL;
	}
	path[n] = '\0';

	char *copy = strdup(path);

	if (!copy)
		(void) err_sys(e, ENOMEM, "find the path of an open file");
	return copy;
}

/* The rest of @path after the folder @above, "" for the folder itself; NULL if it is elsewhere. */
static const char *behind(const char *path, const char *above)
{
	size_t n = strcmp(above, "/") == 0 ? 0 : strlen(above);

	if (strncmp(path, above, n) != 0 || (path[n] && path[n] != '/'))
		return NULL;
	return path[n] == '/' && !path[n + 1] ? "" : path + n;
}

/* The host's path of a character device; a guest that has the device has it at the same path. */
static int place_of_device(dev_t rdev, const char *name, char **ret, struct err *e)
{
	int r = device_node_path(S_IFCHR, rdev, ret);

	if (r == -ENODEV)
		return err_say(e, ENOTSUP, "'%s' is a device that a virtual machine does not have",
			       name);
	return r < 0 ? err_sys(e, -r, "find a device") : 0;
}

/* The guest's path for the host's @path, which is in a mount with kernel files. */
static int place_of_path(const struct mount_line *line, const char *place, const char *path,
			 const char *name, char **ret, struct err *e)
{
	const char *rest = behind(path, line->point);
	/* The guest does not have the groups of this host. */
	bool whole = strcmp(line->root, "/") == 0 || strncmp(line->type, "cgroup", 6) == 0;

	if (!place[0] || !rest)
		return err_say(e, ENOTSUP, "'%s' is in a %s of this host's kernel", name,
			       line->type);
	*ret = str_printf("%s%s%s", place, whole ? "" : line->root, rest);
	return *ret ? 0 : err_sys(e, ENOMEM, "find the guest's '%s'", name);
}

int kernel_files_place(int fd, const char *name, char **ret, struct err *e)
{
	struct mountinfo mounts = {0};
	const char *place;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "look at '%s'", name);
	if (S_ISBLK(st.st_mode))
		return err_say(e, ENOTSUP, "'%s': block devices are not supported yet", name);

	*ret = NULL;
	/* A file on a disk is no kernel file: do not read the list of mounts, which can be long. */
	if (major(st.st_dev) != 0 && !S_ISCHR(st.st_mode))
		return 0;

	auto_free char *path = path_of(fd, e);
	int r = path ? mountinfo_read(&mounts, e) : -ENOMEM;

	if (r < 0)
		return r;

	const struct mount_line *line = mountinfo_of(&mounts, fd);
	const struct mount_line *kernels = line ? kernels_mount(&mounts, line, &place) : NULL;

	if (!line)
		r = err_say(e, ENOTSUP, "'%s' is not in a mount that this server sees", name);
	else if (kernels)
		r = place_of_path(kernels, place, path, name, ret, e);
	else if (S_ISCHR(st.st_mode))
		r = place_of_device(st.st_rdev, name, ret, e);
	mountinfo_fini(&mounts);
	return r;
}

static bool is_below(const struct mount_line *line, const char *path)
{
	const char *rest = behind(line->point, path), *place;

	return rest && rest[0] && is_kernels(line, &place);
}

static size_t count_below(const struct mountinfo *mounts, const char *path)
{
	size_t n = 0;

	for (size_t i = 0; i < mounts->n; i++)
		n += is_below(&mounts->lines[i], path);
	return n;
}

int kernel_files_below(int fd, size_t *ret, struct err *e)
{
	struct mountinfo mounts = {0};
	auto_free char *path = path_of(fd, e);
	int r = path ? mountinfo_read(&mounts, e) : -ENOMEM;

	if (r < 0)
		return r;
	*ret = count_below(&mounts, path);
	mountinfo_fini(&mounts);
	return 0;
}

/* Unmounts in reverse order. A mount that went with its parent or is hidden is no failure. */
static int unmount_below(const struct mountinfo *mounts, const char *path, struct err *e)
{
	for (size_t i = mounts->n; i > 0; i--) {
		const struct mount_line *line = &mounts->lines[i - 1];

		if (is_below(line, path) &&
		    umount2(line->point, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL &&
		    errno != ENOENT && errno != ENOTDIR)
			return err_sys(e, errno, "take '%s' out of what is shown", line->point);
	}
	return 0;
}

/* Repeats while mounts remain and become fewer, because of several on one mount point only the top
 * one can be unmounted. */
static int prune(const char *path, struct err *e)
{
	size_t left = SIZE_MAX;

	for (;;) {
		struct mountinfo mounts = {0};
		int r = mountinfo_read(&mounts, e);
		size_t n = r < 0 ? 0 : count_below(&mounts, path);
		bool finished = n == 0 || n >= left;

		left = n;
		if (r == 0 && !finished)
			r = unmount_below(&mounts, path, e);
		mountinfo_fini(&mounts);
		if (r < 0 || finished)
			return r;
	}
}

static int move_tree(int tree_fd, const char *path)
{
	return move_mount(tree_fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
}

int kernel_files_leave_out(int *tree_fd, const char *stage, struct err *e)
{
	struct mount_attr attr = {.propagation = MS_PRIVATE};
	auto_close int rest = -1;

	if (mkdir(stage, 0700) < 0)
		return err_sys(e, errno, "make '%s'", stage);

	int r = move_tree(*tree_fd, stage);

	if (r < 0)
		(void) err_sys(e, -r, "mount on '%s'", stage);
	if (r == 0)
		r = prune(stage, e);
	if (r == 0) {
		rest = open_tree(AT_FDCWD, stage,
				 OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
		if (rest < 0 ||
		    mount_setattr(rest, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) < 0)
			r = err_sys(e, errno, "clone a mount");
	}
	(void) umount2(stage, MNT_DETACH | UMOUNT_NOFOLLOW);
	(void) rmdir(stage);
	if (r < 0)
		return r;
	fd_close(*tree_fd);
	*tree_fd = take_fd(&rest);
	return 0;
}
