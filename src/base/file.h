#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * Files and folders as wholes. Paths are opened relative to a folder's descriptor @dirfd, which may
 * be AT_FDCWD. Every function names the path in its error.
 */

/* Reads a whole file of at most @max_bytes. *@ret is NUL-terminated (the NUL is not counted) and
 * freed by the caller with free(). @ret_bytes may be NULL. Returns 0, -EFBIG, or -errno. */
int file_read(int dirfd, const char *path, size_t max_bytes, char **ret, size_t *ret_bytes,
	      struct err *e);

/* The same, but -EINVAL for all but regular files, because reading a pipe could wait for ever. */
int file_read_regular(int dirfd, const char *path, size_t max_bytes, char **ret, size_t *ret_bytes,
		      struct err *e);

/* The same from a descriptor, to its end; @name is for the sentence. */
int file_read_fd(int fd, const char *name, size_t max_bytes, char **ret, size_t *ret_bytes,
		 struct err *e);

/* Whether both are of the same file, whatever its name: the device and the inode are equal. */
bool file_is_same(const struct stat *a, const struct stat *b);

/* Writes @text to a file that exists, in one write(): for /proc, /sys and cgroup files. */
int file_write(int dirfd, const char *path, const char *text, struct err *e);

/* Replaces a file so that a reader sees the old or the new one, never half of it. */
int file_replace(int dirfd, const char *path, const void *data, size_t bytes, mode_t mode,
		 struct err *e);

/* mkdir -p. Existing folders are left as they are. */
int dir_make(const char *path, mode_t mode, struct err *e);

/* Removes a tree. Never follows a link, never leaves the file system it began on: what is mounted
 * below is not touched and makes it fail with -EBUSY or -EXDEV. A missing tree is success. */
int dir_remove(int dirfd, const char *path, struct err *e);

/**
 * path_open_in() - open a path that another user or a guest can influence
 * @rootfd:	folder that the path cannot leave, whatever links say (RESOLVE_IN_ROOT)
 * @path:	absolute or relative; both start at @rootfd
 * @flags:	as for open(2); O_CLOEXEC is added
 * @mode:	for O_CREAT
 *
 * Magic links of /proc are refused. Returns a descriptor or -errno.
 */
int path_open_in(int rootfd, const char *path, int flags, mode_t mode, struct err *e);

/* @path as an absolute path: if it is relative, the working folder's path is put before it. The
 * path need not exist. Freed by the caller; NULL with the reason in @e. */
char *path_absolute(const char *path, struct err *e);

/* @path by its words alone, from the root: "a/../b//c/." is "/b/c", and nothing leads above "/".
 * @to has room for @room bytes; the length of @path and 2 are always enough. Returns 0 or
 * -ENAMETOOLONG. */
int path_clean(const char *path, char *to, size_t room) __attribute__((cold));

/* printf into new memory; NULL when out of memory. */
char *str_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The whole of @text is a number (decimal, no blanks, no sign for unsigned). Returns 0, -EINVAL or
 * -ERANGE. */
int num_parse_u64(const char *text, uint64_t *ret);
int num_parse_i64(const char *text, int64_t *ret);
