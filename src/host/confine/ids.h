#pragma once

#include <sys/types.h>

#include "base/err.h"

/*
 * Numbers of users (and groups) that nobody else is: above those that distributions, login shells,
 * containers and user namespaces are given (systemd's UIDS-GIDS table leaves 0x70000000 to 0x7fffffff
 * free). Who claims one holds a lock on the byte of that place in a file; the kernel lets go of it
 * when the holder ends, however it ends.
 */
#define CONFINE_FIRST_ID 0x70000000U
#define CONFINE_N_IDS    0x0fff0000U

#define CONFINE_IDS_DIR  "/run/kata-containers"
#define CONFINE_IDS_FILE "ids"

/* Claims one by the file of locks in @dir (CONFINE_IDS_DIR, but in tests), which is made if need be. It is
 * held as long as *@ret_fd is open, which is the caller's. Another claim by the same process is
 * another number. */
int confine_id_claim(const char *dir, uid_t *ret_id, int *ret_fd, struct err *e);
