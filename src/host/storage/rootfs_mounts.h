#pragma once

#include "base/err.h"
#include "oci.pb-c.h"

/*
 * The mounts that make a root file system, as a snapshotter of containerd describes them
 * (CreateTaskRequest.rootfs): overlay, or a bind mount of a folder.
 *
 * They are made in the server's own mount namespace, so that nothing is left of them when the
 * server is killed. Block devices and file system images are refused, because mounting what an
 * image holds would put the host's file system code behind no boundary.
 *
 * Threads: the sandbox's worker, which gets a working folder of its own.
 */

/* Mounts all of them, one above the other, on the folder @target. On failure nothing is left
 * mounted. Returns 0, -ENOTSUP (a kind of mount that is not made), -EINVAL, or -errno. */
int rootfs_mounts_make(Grpc__Mount *const *mounts, size_t n, const char *target, struct err *e);

/* Takes @n mounts away from @target; who uses them keeps them. */
void rootfs_mounts_remove(size_t n, const char *target);
