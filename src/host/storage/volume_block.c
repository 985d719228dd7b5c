/* Volumes that are a block device's node: a bind mount that means the disk, as one of linux.devices
 * does. The machine gets the disk, and the container the guest's node of it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

#include "base/auto.h"
#include "host/storage/device_access.h"
#include "host/storage/volume_driver.h"

bool volume_is_block(const struct volume_task *t)
{
	return t->is_bind && S_ISBLK(t->stat.st_mode);
}

static bool is_readonly(const struct volume_task *t)
{
	return t->options.flags & MS_RDONLY || t->options.rec_attr_set & MOUNT_ATTR_RDONLY;
}

/* The host's device: the rules have its numbers, and the guest's node gets its mode and owner. */
static Grpc__LinuxDevice *host_device(const struct stat *st)
{
	Grpc__LinuxDevice *d = malloc(sizeof *d);

	if (!d)
		return NULL;
	grpc__linux_device__init(d);
	d->has_major = d->has_minor = d->has_filemode = d->has_uid = d->has_gid = true;
	d->major = major(st->st_rdev);
	d->minor = minor(st->st_rdev);
	d->filemode = st->st_mode & 07777;
	d->uid = st->st_uid;
	d->gid = st->st_gid;
	return d;
}

/* What the agent does: it mounts the guest's node at @place, with the rights of the host's. */
static int describe(const struct volume_task *t, const char *place, struct volume *ret,
		    struct err *e)
{
	ret->storage = volume_storage_new("", "", "bind", place);
	ret->device = volume_device_new(t->mount->destination);
	if (ret->device)
		ret->device->host = host_device(&t->stat);
	return ret->storage && ret->device && ret->device->host
		       ? 0
		       : err_sys(e, ENOMEM, "describe a device");
}

static int lend(struct volume_task *t, bool writes, struct volume *ret, struct err *e)
{
	auto_free char *place = volume_next_guest_place(t->owner, "disks");
	const struct volume_node node = {
		.rdev = t->stat.st_rdev,
		.path = t->source,
		.readonly = !writes || is_readonly(t),
		.write_protected = is_readonly(t),
	};
	int r = place ? volume_node_lend(t->owner, &node, ret, e)
		      : err_sys(e, ENOMEM, "rewrite the spec");

	if (r == 0)
		r = describe(t, place, ret, e);
	if (r == 0)
		r = volume_mount_set(&t->mount->source, place, e);
	return r < 0 ? r : volume_mount_set(&t->mount->type, "bind", e);
}

/* A disk that the container cannot open is not lent, but has a node. */
static int make_locked(struct volume_task *t, struct volume *ret, struct err *e)
{
	auto_free char *place = volume_next_guest_place(t->owner, "disks");
	int r;

	ret->storage = place ? volume_storage_new("node", "", "", place) : NULL;
	if (ret->storage)
		ret->storage->node = host_device(&t->stat);
	if (!ret->storage || !ret->storage->node)
		return err_sys(e, ENOMEM, "describe a device");
	/* The agent's folders are "nodev", which the rules would not come up to: what they deny is
	 * EPERM, as under runc. */
	r = t->options.flags & MS_NODEV ? 0 : volume_mount_add_option(t->mount, "dev", e);
	if (r == 0)
		r = volume_mount_set(&t->mount->source, place, e);
	return r < 0 ? r : volume_mount_set(&t->mount->type, "bind", e);
}

int volume_make_block(struct volume_task *t, struct volume *ret, struct err *e)
{
	char access[DEVICE_ACCESS_BYTES];
	int r;

	device_access(t->owner->linux->resources, major(t->stat.st_rdev), minor(t->stat.st_rdev),
		      access);
	if (t->options.flags & MS_NODEV || !strpbrk(access, "rw"))
		r = make_locked(t, ret, e);
	else
		r = lend(t, strchr(access, 'w'), ret, e);
	return err_wrap(e, r, "source '%s'", t->source);
}
