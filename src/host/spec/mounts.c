#include <errno.h>
#include <stdlib.h>

#include "base/auto.h"
#include "host/spec/spec.h"
#include "host/storage/volumes.h"

static int make_volume(const struct volume_owner *owner, Grpc__Linux *linux, Grpc__Mount *mount,
		       struct err *e)
{
	int r = volumes_add(owner, mount, e);
	const struct volume *v = container_of(owner->volumes->prev, struct volume, link);

	if (r < 0 || !v->device)
		return r;
	return guest_device_allow(linux, v->device->host, e);
}

static int make_volumes(const struct volume_owner *owner, Grpc__Spec *spec, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < spec->n_mounts; i++)
		r = err_wrap(e, make_volume(owner, spec->linux, spec->mounts[i], e), "mounts[%zu]",
			     i);
	return r;
}

struct volume_owner guest_volume_owner(const struct guest_rules *rules, const Grpc__Linux *linux)
{
	return (struct volume_owner){
		.container_id = rules->container_id,
		.bundle = rules->bundle,
		.linux = linux,
		.share = rules->share,
		.disks = rules->disks,
		.no_block_devices = rules->no_block_devices,
		.direct_volumes = rules->direct_volumes,
		.sandbox_id = rules->sandbox_id,
		.volumes = rules->volumes,
		.shm = rules->shm,
	};
}

int guest_mounts_make(const struct guest_rules *rules, Grpc__Spec *spec, struct err *e)
{
	const struct volume_owner owner = guest_volume_owner(rules, spec->linux);
	bool of_disks = rules->n_root_mounts > 0;
	auto_close int root_fd = of_disks ? -1 : volume_root_open(&owner, spec->root, e);
	int r = root_fd < 0 && !of_disks ? root_fd : make_volumes(&owner, spec, e);

	if (r < 0)
		return r;
	return of_disks ? volume_root_add_disks(&owner, rules->root_mounts, rules->n_root_mounts,
						spec->root, e)
			: volume_root_add(&owner, root_fd, spec, e);
}
