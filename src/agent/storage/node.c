/* Nodes of disks that the machine does not have: "node". A container sees one where it has a node
 * of a disk that the rules keep it from; opening it fails. */

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/storage/driver.h"
#include "base/file.h"

/* Puts the node in the place of the file that place_make() has made: that is called all the same,
 * because it makes the folders above, too. */
static int make_at(int parent, const char *name, const Grpc__LinuxDevice *d)
{
	dev_t rdev = makedev((unsigned) d->major, (unsigned) d->minor);

	if (unlinkat(parent, name, 0) < 0 || mknodat(parent, name, S_IFBLK, rdev) < 0 ||
	    fchownat(parent, name, d->uid, d->gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchmodat(parent, name, d->filemode & 07777, 0) < 0)
		return -errno;
	return 0;
}

int driver_make_node(const struct storage_task *t, struct err *e)
{
	const Grpc__Storage *s = t->storage;
	const char *name, *dir = t->config->run_dir;

	if (!s->node)
		return err_say(e, EINVAL, "storage '%s' says no device", s->mount_point);

	auto_close int place = place_make(t->run_fd, dir, s->mount_point, PLACE_FILE, e);

	if (place < 0)
		return place;

	auto_close int parent = place_open_parent(t->run_fd, dir, s->mount_point, &name, e);

	if (parent < 0)
		return parent;

	int r = make_at(parent, name, s->node);

	return r < 0 ? err_sys(e, -r, "make node '%s'", s->mount_point) : 0;
}
