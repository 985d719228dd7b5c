#include "host/sandbox/rootfs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "host/storage/rootfs_mounts.h"

/* Where containerd wants the root of a bundle. */
#define ROOTFS "rootfs"

static char *copied(const char *text)
{
	return strdup(text ? text : "");
}

static Grpc__Mount *copy_of(const struct sandbox_mount *m)
{
	Grpc__Mount *copy = malloc(sizeof *copy);

	if (!copy)
		return NULL;
	grpc__mount__init(copy);
	copy->destination = copied(m->target);
	copy->type = copied(m->type);
	copy->source = copied(m->source);
	copy->options = calloc(m->n_options + 1, sizeof *copy->options);
	for (size_t i = 0; copy->options && i < m->n_options; i++) {
		copy->options[i] = copied(m->options[i]);
		copy->n_options = i + 1;
	}
	return copy;
}

static bool is_whole(const Grpc__Mount *m)
{
	bool whole = m && m->destination && m->type && m->source && m->options;

	for (size_t i = 0; whole && i < m->n_options; i++)
		whole = m->options[i];
	return whole;
}

int rootfs_keep(struct guest_container *c, const struct sandbox_mount *mounts, size_t n,
		struct err *e)
{
	c->rootfs = calloc(n + 1, sizeof *c->rootfs);
	for (size_t i = 0; c->rootfs && i < n; i++) {
		c->rootfs[i] = copy_of(&mounts[i]);
		c->n_rootfs = i + 1;
		if (!is_whole(c->rootfs[i]))
			return err_sys(e, ENOMEM, "keep the mounts of the root");
	}
	return c->rootfs ? 0 : err_sys(e, ENOMEM, "keep the mounts of the root");
}

void rootfs_free(struct guest_container *c)
{
	for (size_t i = 0; i < c->n_rootfs; i++)
		if (c->rootfs[i])
			grpc__mount__free_unpacked(c->rootfs[i], NULL);
	free(c->rootfs);
}

bool rootfs_is_guests(const struct guest_container *c)
{
	return volume_root_is_guests(c->rootfs, c->n_rootfs);
}

int rootfs_mount(struct guest_container *c, struct err *e)
{
	auto_free char *target = str_printf("%s/" ROOTFS, c->bundle);

	if (c->n_rootfs == 0)
		return 0;
	if (!target)
		return err_sys(e, ENOMEM, "mount the root");
	return rootfs_mounts_make(c->rootfs, c->n_rootfs, target, e);
}

void rootfs_unmount(struct guest_container *c)
{
	auto_free char *target = str_printf("%s/" ROOTFS, c->bundle);

	if (target)
		rootfs_mounts_remove(c->n_rootfs, target);
}
