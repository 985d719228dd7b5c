#pragma once

#include "base/err.h"

/**
 * userns_make() - a user namespace with these mappings, as MOUNT_ATTR_IDMAP wants one
 * @uid_map, @gid_map: lines of /proc/PID/uid_map and gid_map: "inside outside count\n"
 * @proc_fd:	a procfs; it may be of another pid namespace than ours
 * @ret_fd:	the caller's
 *
 * Nobody lives in it: it is there as long as it is open or a mount has it. Returns 0, -EINVAL (the kernel
 * does not take the mappings), -EPERM, or -errno.
 */
int userns_make(const char *uid_map, const char *gid_map, int proc_fd, int *ret_fd, struct err *e);
