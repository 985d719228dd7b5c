#pragma once

#include <stddef.h>

#include "base/err.h"

/*
 * Kernel files: those of procfs, sysfs, devtmpfs and the like. They show and change this host's
 * kernel, so they are never in the share. A container that mounts them gets those of the guest.
 *
 * A file is judged by its file system and a node by its device, never by a path, because
 * "//proc/sys", a link to it, and a procfs that is mounted elsewhere are the same.
 */

/**
 * kernel_files_place() - find the guest's path for an open kernel file
 * @fd:		opened with O_PATH or otherwise, in this process's mount namespace
 * @name:	for sentences
 * @ret:	its path in every guest, freed by the caller; NULL: @fd is an ordinary file
 *
 * Returns 0, -ENOTSUP (the guest has no such file; a block device, for example), or -errno.
 */
int kernel_files_place(int fd, const char *name, char **ret, struct err *e);

/**
 * kernel_files_below() - count the mounts with kernel files below a folder
 * @fd:		the folder, opened in this process's mount namespace
 */
int kernel_files_below(int fd, size_t *ret, struct err *e);

/**
 * kernel_files_leave_out() - take all mounts with kernel files out of a clone
 * @tree_fd:	a tree of mounts, attached nowhere; replaced by another
 * @stage:	path of a folder to make that no other user can enter: the tree is mounted there
 *		meanwhile, because only in a namespace can a mount be taken out
 *
 * Later mounts below the source do not appear in the new tree, because they could be kernel files.
 */
int kernel_files_leave_out(int *tree_fd, const char *stage, struct err *e);
