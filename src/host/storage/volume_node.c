/* A block device of this host that the machine gets, for a container that has a node of it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/auto.h"
#include "base/fd.h"
#include "host/storage/device_node.h"
#include "host/storage/volume_driver.h"

/* Returns a descriptor with O_PATH of the block device @rdev at @path, or -errno. */
static int look(const char *path, dev_t rdev)
{
	auto_close int fd = open(path, O_PATH | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return S_ISBLK(st.st_mode) && st.st_rdev == rdev ? take_fd(&fd) : -ENODEV;
}

/* The kernel's own name for the device, and the path in the spec, because a host that is itself a
 * container may have a node at the latter only. The numbers decide, not the path. */
static int find_node(dev_t rdev, const char *path, struct err *e)
{
	auto_free char *known = NULL;
	int r = device_node_path(S_IFBLK, rdev, &known);
	int fd = r < 0 ? r : look(known, rdev);

	if (fd < 0)
		fd = look(path, rdev);
	if (fd < 0)
		return err_say(e, ENODEV, "this host has no node for block device %u:%u",
			       major(rdev), minor(rdev));
	return fd;
}

/* Not O_EXCL: whoever gives a container the device, and not a file system on it, decides who else
 * uses it, as with containers that share this kernel. */
static int open_device(dev_t rdev, const char *path, bool *readonly, struct err *e)
{
	auto_close int node = find_node(rdev, path, e);
	int is_set = 0;

	if (node < 0)
		return node;

	auto_close int fd = fd_reopen(node, O_RDONLY);
	int r = fd;

	/* A device that takes no writes can be opened for them, but a VMM would not have it. */
	if (r >= 0 && ioctl(fd, BLKROGET, &is_set) < 0)
		r = -errno;
	*readonly |= is_set != 0;
	if (r >= 0 && !*readonly) {
		fd = fd_close(fd);
		r = fd = fd_reopen(node, O_RDWR);
	}
	return r < 0 ? err_sys(e, -r, "open block device %u:%u", major(rdev), minor(rdev))
		     : take_fd(&fd);
}

int volume_node_lend(const struct volume_owner *owner, const struct volume_node *node,
		     struct volume *ret, struct err *e)
{
	bool readonly = node->readonly;

	if (owner->no_block_devices)
		return err_say(e, EPERM,
			       "block devices are not passed on (key 'disable_block_device_use')");

	int fd = open_device(node->rdev, node->path, &readonly, e);

	if (fd < 0)
		return fd;
	return owner->disks->lend(owner->disks->arg,
				  &(struct disk_wanted){fd, readonly, .is_shared = true,
							.write_protected = node->write_protected},
				  &ret->disk, e);
}
