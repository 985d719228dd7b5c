#pragma once

#include <stdint.h>
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

/* In the folder for run-time files, see host/state/run_dir.h. */
#define CONFINE_IDS_DIR  "kata-containers"
#define CONFINE_IDS_FILE "ids"

/* Ids that follow each other. */
struct confine_ids {
	uint32_t first;
	uint32_t count;
};

/**
 * confine_ids_choose() - the ids to claim from in a user namespace
 * @uid_map, @gid_map: texts of /proc/PID/uid_map and gid_map
 *
 * They are those above. A namespace that does not map them, as that of an engine without root, has
 * the upper half of what it maps most of as user and group: the lower half are users and groups of
 * images. The count is 0 where nothing but one id is mapped.
 */
struct confine_ids confine_ids_choose(const char *uid_map, const char *gid_map);

/* Claims one of the ids of this process's user namespace by the lock file in @dir, which is made if
 * missing. The id is held while *@ret_fd is open, which is the caller's. A second claim of the same
 * process gets another id. Returns -ENOENT where the namespace has none to give. */
int confine_id_claim(const char *dir, uid_t *ret_id, int *ret_fd, struct err *e);

/* The text of a map, as userns_make() takes it, with which every id that the map @file (of
 * /proc/self) has keeps its number. New memory, or NULL with the reason in @e. */
char *confine_ids_same(const char *file, struct err *e);
