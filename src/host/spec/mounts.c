#include <errno.h>
#include <stdlib.h>

#include "base/auto.h"
#include "host/spec/spec.h"
#include "host/storage/volumes.h"

int guest_mounts_make(const struct guest_rules *rules, Grpc__Spec *spec, struct err *e)
{
	const struct volume_owner owner = {
		.container_id = rules->container_id,
		.bundle = rules->bundle,
		.linux = spec->linux,
		.share = rules->share,
		.volumes = rules->volumes,
		.shm = rules->shm,
	};
	auto_close int root_fd = volume_root_open(&owner, spec->root, e);
	int r = root_fd < 0 ? root_fd : 0;

	for (size_t i = 0; r == 0 && i < spec->n_mounts; i++)
		r = err_wrap(e, volumes_add(&owner, spec->mounts[i], e), "mounts[%zu]", i);
	return r < 0 ? r : volume_root_add(&owner, root_fd, spec, e);
}
