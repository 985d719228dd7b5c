#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * Paths inside a container's root, which belongs to the workload: links in it are followed, but
 * they cannot lead out of it (openat2, RESOLVE_IN_ROOT). What is found is a descriptor, and from
 * then on the path does not matter any more.
 */

/*
 * A root, and the mounts right below it that have been made so far. A path below such a mount is
 * looked up from the mount, because on the way from the root each folder is asked for at the host,
 * twice where it is shared by virtiofs, and most of what is made for a container is in "/dev". The
 * answer is the same. A path with a link in it is always looked up from the root.
 */
#define ROOT_MOUNTS_MAX 8
struct root {
	int fd; /* -1: there is none */
	struct root_mount {
		char name[32]; /* "dev" is what is mounted on "/dev" */
		int fd;        /* its topmost folder; -1 until somebody looks for it */
	} mounts[ROOT_MOUNTS_MAX];
	size_t n_mounts;
};

/* To be told of each mount on @target_fd, which is in the root, before anything else is opened. */
void root_mounted_on(struct root *root, int target_fd);

/* Forgets the mounts, because others may have been made over them. */
void root_forget(struct root *root);
void root_fini(struct root *root);

/* Opens with O_PATH what @path means. @flags: O_NOFOLLOW, O_DIRECTORY. Returns a descriptor or
 * -errno; -ENOENT does not fill @e. */
int resolve(struct root *root, const char *path, int flags, struct err *e);

/* The same, and makes folders that are missing, those that dangling links point to included. */
int resolve_dir(struct root *root, const char *path, mode_t mode, struct err *e);

/* The same for a file, which is made empty. */
int resolve_file(struct root *root, const char *path, struct err *e);

/* The folder that holds @path, made if missing; *@ret_name is the last part of @path. */
int resolve_parent(struct root *root, const char *path, const char **ret_name, struct err *e);

/* The absolute path of @fd inside the root, with all links resolved. */
int resolve_path_of(int root_fd, int fd, char *buf, size_t buf_bytes, struct err *e);

/* "/proc/self/fd/N", for system calls that want a path. */
#define FD_PATH_BYTES 32
const char *fd_path(int fd, char buf[FD_PATH_BYTES]);
