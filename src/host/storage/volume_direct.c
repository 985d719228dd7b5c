/* Volumes that are a folder here and a disk in the guest: see direct_volume.h. */
#include <errno.h>
#include <stdlib.h>

#include "base/auto.h"
#include "base/file.h"
#include "host/storage/direct_volume.h"
#include "host/storage/volume_driver.h"

bool volume_is_direct(const struct volume_task *t)
{
	return t->is_bind && t->owner->direct_volumes &&
	       direct_volume_exists(t->owner->direct_volumes, t->source);
}

static int give_to_group(const struct direct_volume *d, Grpc__Storage *s, struct err *e)
{
	if (!d->has_group)
		return 0;
	s->fs_group = malloc(sizeof *s->fs_group);
	if (!s->fs_group)
		return err_sys(e, ENOMEM, "describe what the guest mounts");
	grpc__fsgroup__init(s->fs_group);
	s->fs_group->group_id = d->gid;
	s->fs_group->group_change_policy = d->on_mismatch
						   ? TYPES__FSGROUP_CHANGE_POLICY__OnRootMismatch
						   : TYPES__FSGROUP_CHANGE_POLICY__Always;
	return 0;
}

static int lend(struct volume_task *t, const struct direct_volume *d, const char *place,
		struct volume *ret, struct err *e)
{
	const struct volume_disk disk = {
		.source = d->device,
		.fstype = d->fstype,
		.options = d->options,
		.n_options = d->n_options,
		.place = place,
		.is_shared = true,
	};
	int r = volume_is_disk_type(d->fstype)
			? volume_disk_lend(t->owner, &disk, ret, e)
			: err_say(e, ENOTSUP, "fstype '%s' is not supported", d->fstype);

	return r < 0 ? r : give_to_group(d, ret->storage, e);
}

int volume_make_direct(struct volume_task *t, struct volume *ret, struct err *e)
{
	auto_direct_volume struct direct_volume d = {0};
	auto_free char *place = direct_volume_guest_place(t->source);
	int r = direct_volume_read(t->owner->direct_volumes, t->source, &d, e);

	if (r == 0 && !place)
		r = err_sys(e, ENOMEM, "rewrite the spec");
	if (r == 0)
		r = lend(t, &d, place, ret, e);
	if (r == 0)
		r = direct_volume_note(t->owner->direct_volumes, t->source, t->owner->sandbox_id,
				       e);
	if (r < 0)
		return err_wrap(e, r, "source '%s'", t->source);
	r = volume_mount_set(&t->mount->source, place, e);
	return r < 0 ? r : volume_mount_set(&t->mount->type, "bind", e);
}
