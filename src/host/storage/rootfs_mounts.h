#pragma once

#include "base/err.h"
#include "oci.pb-c.h"

/*
 * The mounts that make a root file system, as a snapshotter of containerd describes them
 * (CreateTaskRequest.rootfs): overlay, or a bind mount of a folder.
 *
 * They are made in the server's own mount namespace, so that nothing is left of them when the
 * server is killed. A root with block devices or images is not made here but by the guest
 * (volume_root_disks.c), because what an image holds would reach the host's file system code.
 *
 * Threads: the sandbox's worker, which gets a working folder of its own.
 */

/* The types of mounts that a root may consist of: made here, or by the guest. */
extern const char *const rootfs_mount_types[];
extern const size_t n_rootfs_mount_types;

/* Mounts all of them, one above the other, on the folder @target. On failure nothing is left
 * mounted. Returns 0, -ENOTSUP (a kind of mount that is not made), -EINVAL, or -errno. */
int rootfs_mounts_make(Grpc__Mount *const *mounts, size_t n, const char *target, struct err *e);

/* Takes @n mounts away from @target; who uses them keeps them. */
void rootfs_mounts_remove(size_t n, const char *target);
