#pragma once

#include "host/sandbox/model.h"

/*
 * The mounts of which a container's root is made, if its creator left them to the server
 * (containerd's snapshotters). Private to host/sandbox.
 */

/* Copies the mounts. Loop. */
int rootfs_keep(struct guest_container *c, const struct sandbox_mount *mounts, size_t n,
		struct err *e);
void rootfs_free(struct guest_container *c);

/* Whether the guest makes the mounts. */
bool rootfs_is_guests(const struct guest_container *c);

/* Mounts the root in the bundle, and takes that away again; no-ops without mounts. A job's. */
int rootfs_mount(struct guest_container *c, struct err *e);
void rootfs_unmount(struct guest_container *c);
