/* A block device of linux.devices. The machine gets the disk, and the agent makes the node, with
 * the numbers that the disk has in the guest. */
#include <errno.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

#include "host/storage/volume_driver.h"

static int lend(const struct volume_owner *owner, const Grpc__LinuxDevice *d, bool readonly,
		struct volume *v, struct err *e)
{
	const struct volume_node node = {
		.rdev = makedev((unsigned) d->major, (unsigned) d->minor),
		.path = d->path,
		.readonly = readonly,
	};
	int r = volume_node_lend(owner, &node, v, e);

	if (r < 0)
		return r;
	v->device = volume_device_new(d->path);
	return v->device ? 0 : err_sys(e, ENOMEM, "describe a device");
}

int volumes_add_device(const struct volume_owner *owner, const Grpc__LinuxDevice *d, bool readonly,
		       struct err *e)
{
	struct volume *v = calloc(1, sizeof *v);
	int r = v ? lend(owner, d, readonly, v, e) : err_sys(e, ENOMEM, "rewrite the spec");

	if (r == 0)
		list_add(owner->volumes, &v->link);
	else
		volume_discard(owner, v);
	return r;
}
