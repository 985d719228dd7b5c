/* What the host has mounted for a container that joins the machine of another:
 * see late_mounts.h. */
#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "host/sandbox/container.h"
#include "host/sandbox/model.h"
#include "host/storage/late_mounts.h"

static int bring(struct guest_container *c, struct late_mounts *m, const char *path, struct err *e)
{
	auto_free char *whole =
		path[0] == '/' ? strdup(path) : str_printf("%s/%s", c->bundle, path);

	return whole ? late_mounts_bring(m, c->sb->options.host_mount_ns, whole, e)
		     : err_sys(e, ENOMEM, "bring a mount in");
}

/* Sources of no bind mount are no paths: they lead nowhere here. */
static int bring_all(struct guest_container *c, struct late_mounts *m, struct err *e)
{
	const Grpc__Spec *spec = c->spec;
	int r = spec->root && spec->root->path ? bring(c, m, spec->root->path, e) : 0;

	for (size_t i = 0; r == 0 && i < spec->n_mounts; i++)
		if (spec->mounts[i]->source && strchr(spec->mounts[i]->source, '/'))
			r = bring(c, m, spec->mounts[i]->source, e);
	return r;
}

int late_lend(struct guest_container *c, int (*lend)(struct guest_container *c, struct err *e),
	      struct err *e)
{
	struct late_mounts mounts = {.n = 0};

	pthread_mutex_lock(&c->sb->late_lock);

	int r = bring_all(c, &mounts, e);

	if (r == 0)
		r = lend(c, e);
	late_mounts_drop(&mounts);
	pthread_mutex_unlock(&c->sb->late_lock);
	return r;
}
