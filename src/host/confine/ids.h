#pragma once

#include <sys/types.h>

#include "base/err.h"

/*
 * User (and group) ids that no other process has: above those of distributions, login users,
 * containers and user namespaces (systemd's UIDS-GIDS table leaves 0x70000000 to 0x7fffffff free).
 * A process that claims an id locks the byte of that place in a file; the kernel drops the lock
 * when the process ends in any way.
 */
#define CONFINE_FIRST_ID 0x70000000U
#define CONFINE_N_IDS    0x0fff0000U

#define CONFINE_IDS_DIR  "/run/kata-containers"
#define CONFINE_IDS_FILE "ids"

/* Claims an id by the lock file in @dir (CONFINE_IDS_DIR except in tests), which is made if
 * missing. The id is held while *@ret_fd is open, which is the caller's. A second claim of the same
 * process gets another id. */
int confine_id_claim(const char *dir, uid_t *ret_id, int *ret_fd, struct err *e);
