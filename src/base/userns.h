#pragma once

#include <stdbool.h>

#include "base/err.h"

/**
 * userns_make() - a user namespace with these mappings, as MOUNT_ATTR_IDMAP wants one
 * @uid_map, @gid_map: lines of /proc/PID/uid_map and gid_map: "inside outside count\n"
 * @proc_fd:	a procfs; it may be of another pid namespace than the caller's
 * @ret_fd:	the caller's
 *
 * No process runs in it: it exists while it is open or a mount uses it. Returns 0, -EINVAL (the
 * kernel refuses the mappings), -EPERM, or -errno.
 */
int userns_make(const char *uid_map, const char *gid_map, int proc_fd, int *ret_fd, struct err *e);

/**
 * userns_read_maps() - the mappings of a user namespace
 * @userns_fd:	borrowed; not the one of the caller
 * @proc_fd:	as above
 * @ret_uid_map, @ret_gid_map: as the kernel prints them: lines of "inside outside count" with
 *		blanks before the numbers; outside ids are those that the caller's user namespace
 *		has for them. Freed with free()
 *
 * Returns 0, -EINVAL (it is the caller's own), -EPERM, or -errno.
 */
int userns_read_maps(int userns_fd, int proc_fd, char **ret_uid_map, char **ret_gid_map,
		     struct err *e);

/**
 * userns_map_mount() - give the files of a mount other owners
 * @mount_fd:	a mount that is attached nowhere and has not been mapped
 * @userns_fd:	the mappings, see userns_make(); borrowed
 * @recursive:	and of what is mounted below it
 *
 * Returns 0, -ENOTSUP (the kernel cannot for this file system), or -errno.
 */
int userns_map_mount(int mount_fd, int userns_fd, bool recursive, struct err *e);
