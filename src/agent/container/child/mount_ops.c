#include "agent/container/child/mount_ops.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/userns.h"
#include "oci/oci.h"

int mount_copy(int dirfd, const char *path, bool recursive)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0) |
			 (path[0] ? 0 : AT_EMPTY_PATH);
	long fd = syscall(SYS_open_tree, dirfd, path, flags);

	return fd < 0 ? -errno : (int) fd;
}

int mount_attach(int mount_fd, int target_fd)
{
	if (syscall(SYS_move_mount, mount_fd, "", target_fd, "",
		    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return -errno;
	return 0;
}

int mount_change(int mount_fd, uint64_t set, uint64_t clear, uint64_t propagation, bool recursive)
{
	struct mount_attr attr = {.attr_set = set, .attr_clr = clear, .propagation = propagation};

	/* The access time is one field of several bits: to change it is to clear all of it
	 * first. */
	if ((set | clear) & MOUNT_ATTR__ATIME)
		attr.attr_clr |= MOUNT_ATTR__ATIME;
	if (syscall(SYS_mount_setattr, mount_fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0),
		    &attr, sizeof attr) < 0)
		return -errno;
	return 0;
}

int mount_over_itself(int fd, bool recursive, uint64_t set)
{
	auto_close int copy = mount_copy(fd, "", recursive);
	int r = copy < 0 ? copy : 0;

	if (r == 0 && set)
		r = mount_change(copy, set, 0, 0, false);
	return r < 0 ? r : mount_attach(copy, fd);
}

uint64_t mount_attrs(unsigned long flags)
{
	static const struct {
		unsigned long flag;
		uint64_t attr;
	} table[] = {
		{MS_RDONLY, MOUNT_ATTR_RDONLY},         {MS_NOSUID, MOUNT_ATTR_NOSUID},
		{MS_NODEV, MOUNT_ATTR_NODEV},           {MS_NOEXEC, MOUNT_ATTR_NOEXEC},
		{MS_NOATIME, MOUNT_ATTR_NOATIME},       {MS_STRICTATIME, MOUNT_ATTR_STRICTATIME},
		{MS_NODIRATIME, MOUNT_ATTR_NODIRATIME}, {MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW},
	};
	uint64_t attrs = 0;

	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (flags & table[i].flag)
			attrs |= table[i].attr;
	return attrs;
}

int mount_map_ids(int mount_fd, bool recursive, Grpc__LinuxIDMapping *const *uids, size_t n_uids,
		  Grpc__LinuxIDMapping *const *gids, size_t n_gids, int proc_fd, struct err *e)
{
	auto_free char *uid_map = NULL, *gid_map = NULL;
	auto_close int ns = -1;
	int r = oci_id_map_print(uids, n_uids, &uid_map, e);

	if (r == 0)
		r = oci_id_map_print(gids, n_gids, &gid_map, e);
	if (r == 0)
		r = userns_make(uid_map, gid_map, proc_fd, &ns, e);
	if (r < 0)
		return err_wrap(e, r, "map the owners of a mount");
	return userns_map_mount(mount_fd, ns, recursive, e);
}
