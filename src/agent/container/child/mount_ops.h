#pragma once

#include <linux/mount.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "oci.pb-c.h"

/* The kernel's mount calls on descriptors: no path is looked up twice, none can be exchanged in
 * between. All return 0 (or a descriptor) or -errno, and fill no struct err. */

/* A copy of what is mounted at @path below @dirfd, attached nowhere. O_PATH. */
int mount_copy(int dirfd, const char *path, bool recursive);

/* Puts a copy where @target_fd is. */
int mount_attach(int mount_fd, int target_fd);

/* MOUNT_ATTR_*, and MS_SHARED, MS_SLAVE, ... or 0. */
int mount_change(int mount_fd, uint64_t set, uint64_t clear, uint64_t propagation, bool recursive);

/* Copies what is at @fd and puts the copy on top of it, so that it can be changed alone. */
int mount_over_itself(int fd, bool recursive, uint64_t set);

/* MS_* of mount(2) as MOUNT_ATTR_*. */
uint64_t mount_attrs(unsigned long flags);

/* Maps the owners of @mount_fd, a copy attached nowhere. @proc_fd: the agent's /proc. Fills @e. */
int mount_map_ids(int mount_fd, bool recursive, Grpc__LinuxIDMapping *const *uids, size_t n_uids,
		  Grpc__LinuxIDMapping *const *gids, size_t n_gids, int proc_fd, struct err *e);
