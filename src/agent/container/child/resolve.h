#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * Paths inside a container's root, which belongs to the workload: links in it are followed, but
 * they cannot lead out of it (openat2, RESOLVE_IN_ROOT). What is found is a descriptor, and from
 * then on the path does not matter any more.
 */

/* Opens with O_PATH what @path means. @flags: O_NOFOLLOW, O_DIRECTORY. Returns a descriptor or
 * -errno; -ENOENT does not fill @e. */
int resolve(int root_fd, const char *path, int flags, struct err *e);

/* The same, and makes folders that are missing, those that dangling links point to included. */
int resolve_dir(int root_fd, const char *path, mode_t mode, struct err *e);

/* The same for a file, which is made empty. */
int resolve_file(int root_fd, const char *path, struct err *e);

/* The folder that holds @path, made if missing; *@ret_name is the last part of @path. */
int resolve_parent(int root_fd, const char *path, const char **ret_name, struct err *e);

/* The absolute path of @fd inside the root, with all links resolved. */
int resolve_path_of(int root_fd, int fd, char *buf, size_t buf_bytes, struct err *e);

/* "/proc/self/fd/N", for system calls that want a path. */
#define FD_PATH_BYTES 32
const char *fd_path(int fd, char buf[FD_PATH_BYTES]);
