#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/err.h"

/*
 * Direct volumes: file systems on disks that a machine mounts by itself. A storage driver (CSI)
 * leaves a folder of the host empty, and says here which disk is meant by it; a container that gets
 * the folder as a bind mount gets the file system. As upstream's runtimes and `kata-runtime
 * direct-volume` have it:
 *
 *	<base>/<path of the folder in base64url>/mountInfo.json
 *	    {"volume-type": "directvol", "device": "/dev/sdx", "fstype": "ext4",
 *	     "options": ["discard"],
 *	     "metadata": {"fsGroup": "1000", "fsGroupChangePolicy": "OnRootMismatch"}}
 *	<base>/<...>/<sandbox>	empty; the sandbox that had the volume last
 *
 * Who may write there is root of the host. Threads: any.
 */
/* In the folder for run-time files, see host/state/run_dir.h. */
#define DIRECT_VOLUME_BASE "kata-containers/shared/direct-volumes"
/* A description larger than this is none. */
#define DIRECT_VOLUME_MAX_BYTES 65536

struct direct_volume {
	char *device; /* a block device or an image file; absolute */
	char *fstype;
	char **options; /* of the file system's mount */
	size_t n_options;
	bool has_group;   /* the volume is given to the group gid */
	bool on_mismatch; /* but only if its root is not yet the group's */
	uint32_t gid;
};

/**
 * direct_volume_parse() - read a mountInfo.json
 * @ret:	freed with direct_volume_fini()
 *
 * Returns 0, -EINVAL with the key that is wrong, -ENOTSUP (a type that is none of disks) or
 * -ENOMEM.
 */
int direct_volume_parse(const char *json, size_t bytes, struct direct_volume *ret, struct err *e);
void direct_volume_fini(struct direct_volume *v);

#define auto_direct_volume __attribute__((cleanup(direct_volume_fini)))

/*
 * What upstream's `kata-runtime direct-volume resize` (its runtime in Go) posts to a sandbox:
 * {"VolumePath": "/folder", "Size": 67108864}, in bytes. *@ret_path is freed by the caller, and
 * absolute. Returns 0, -EINVAL with the key that is wrong, or -ENOMEM.
 */
int direct_volume_parse_resize(const char *json, size_t bytes, char **ret_path, uint64_t *ret_bytes,
			       struct err *e);
int direct_volume_print_resize(const char *path, uint64_t bytes, char **ret, struct err *e);

/* Where the guest mounts the volume of @path, for all containers of a sandbox once. Freed by the
 * caller; NULL: out of memory, or the path is too long. */
char *direct_volume_guest_place(const char *path);

/* Whether something was said of @path. */
bool direct_volume_exists(const char *base, const char *path);

/* Reads what was said of @path. Returns as direct_volume_parse(), or -errno. */
int direct_volume_read(const char *base, const char *path, struct direct_volume *ret,
		       struct err *e);

/* Says of @path what @json says, instead of what was said before. */
int direct_volume_add(const char *base, const char *path, const char *json, struct err *e);

/* Forgets what was said of @path, if anything was. */
int direct_volume_remove(const char *base, const char *path, struct err *e);

/* Notes that the sandbox @id has the volume. */
int direct_volume_note(const char *base, const char *path, const char *id, struct err *e);

/* The sandbox that had the volume last; freed by the caller. Returns -ENOENT if none had it. */
int direct_volume_sandbox(const char *base, const char *path, char **ret_id, struct err *e);
