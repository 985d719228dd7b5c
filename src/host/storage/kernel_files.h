#pragma once

#include <stddef.h>

#include "base/err.h"

/*
 * Files that are the kernel's own: those of procfs, sysfs, devtmpfs and their like. They speak of this
 * host's kernel and change it, so they are never in the share. Who wants them in a container means
 * those of the guest.
 *
 * Judged by the file system that a file is in and by the device that a node is, never by a path:
 * "//proc/sys", a link to it, and a procfs that is mounted elsewhere are the same.
 */

/**
 * kernel_files_place() - what an open file of the kernel's is in the guest
 * @fd:		opened with O_PATH or otherwise, in this process's mount namespace
 * @name:	for sentences
 * @ret:	its path in every guest, freed by the caller; NULL: an ordinary file
 *
 * Returns 0, -ENOTSUP (one that the guest has no equal of, a block device for one), or -errno.
 */
int kernel_files_place(int fd, const char *name, char **ret, struct err *e);

/**
 * kernel_files_below() - how many mounts of such file systems are below a folder
 * @fd:		the folder, opened in this process's mount namespace
 */
int kernel_files_below(int fd, size_t *ret, struct err *e);

/**
 * kernel_files_leave_out() - take all of them out of a clone
 * @tree_fd:	a tree of mounts, attached nowhere; replaced by another
 * @stage:	a path for a folder, where only we come: in a namespace alone can a mount be taken out
 *
 * What is mounted below the source later does not appear in the new tree, because it could be another of
 * the kernel's.
 */
int kernel_files_leave_out(int *tree_fd, const char *stage, struct err *e);
