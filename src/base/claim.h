#pragma once

#include "base/err.h"

/*
 * Folders whose owner lives: it holds a lock (flock) on the folder as long as it runs, and the
 * kernel drops the lock when it ends in any way. So whoever gets the lock knows that the owner is
 * dead, and may remove the folder while it holds the lock.
 *
 * A folder that is claimed while another process removes it is made again, so that removing never
 * disturbs an owner that is just starting.
 */

/* Makes the folder @path, or takes one that was left behind, closes it to other users, who could
 * hold the lock for ever, and locks it. *@ret_fd is the caller's; the claim lasts until it is
 * closed. Returns -EWOULDBLOCK when an owner lives. */
int claim_folder(const char *path, int *ret_fd, struct err *e);

/* Locks a folder that its owner has left. *@ret_fd is the caller's. Returns -EWOULDBLOCK when the
 * owner lives, -ENOENT when there is no such folder. */
int claim_left(const char *path, int *ret_fd, struct err *e);
