#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/list.h"
#include "host/storage/share.h"
#include "oci.pb-c.h"

/*
 * Volumes: how the root file system and each mount of a container's spec get into the guest.
 *
 *	mount of the spec ──► what is its source? ──► the first driver of the table that matches
 *	                                                 └─► struct volume + the mount, rewritten
 *
 * The table of drivers stands in volumes.c; a driver and what it works with in volume_driver.h. A
 * new kind of volume is a file volume_<name>.c and a line in that table. The driver rewrites the
 * mount for the guest, and what it took from the host for that is in a struct volume. The container
 * keeps its volumes in a list, and they are released in reverse order.
 *
 * What a volume can hold today is a mount in the share. A kind that needs a device of the machine,
 * or something that the agent must mount before the container is made (Storage, in the storages of
 * CreateContainerRequest), adds a field to struct volume, and volumes_release() gives it back.
 *
 * When the server dies, nothing has to be released: what volumes hold lies in the server's mount
 * namespace and goes with it. A kind for which this is not so must note what it took where
 * sandbox_clean_up() finds it.
 *
 * Threads: any but the loop's, those of several containers at once.
 */

/* What is held for one mount, or for the root. */
struct volume {
	struct list link;
	char *guest_path; /* its entry in the share, as share_add() gave it; NULL: it has none */
	bool is_file;     /* it is mounted on a file, not on a folder */
};

/* The /dev/shm that the containers of a pod share. On the host it is a tmpfs that the engine has
 * mounted; in the guest it is one of the guest's, because pages of a file that are shared through
 * two mounts of the host are not the same pages in the guest. */
struct volume_shm {
	dev_t dev; /* of the folder on the host */
	ino_t ino; /* 0: the pod has none */
	uint64_t bytes;
};

/* Where the guest has it. */
#define VOLUME_SHM_GUEST_PATH "/run/kata-containers/sandbox/shm"

/* The container that volumes are made for. All is borrowed. */
struct volume_owner {
	const char *container_id;
	const char *bundle;       /* absolute; what relative paths are relative to */
	const Grpc__Linux *linux; /* has what holds for mounts without words of their own */
	struct share *share;
	struct list *volumes;         /* struct volume: gets them */
	const struct volume_shm *shm; /* the pod's; NULL: it has none */
};

/**
 * volumes_add() - make the volume of a mount and rewrite the mount for the guest
 *
 * Returns 0, -EINVAL, -ENOENT (the source is missing), -ENOTSUP (no driver matches, or the guest
 * cannot have that source), or -errno. Errors name the part of the mount, not the mount.
 */
int volumes_add(const struct volume_owner *owner, Grpc__Mount *mount, struct err *e);

/* Looks for the pod's /dev/shm among the mounts of the container that holds the pod; *@ret is
 * zeroes if there is none. @owner needs a bundle only. */
int volumes_find_shm(const struct volume_owner *owner, Grpc__Mount *const *mounts, size_t n,
		     struct volume_shm *ret, struct err *e);

/**
 * volumes_release() - give back what volumes hold, in reverse order; every one is tried
 * @share:	as it was in struct volume_owner; NULL: it is gone, and with it what it had
 *
 * Returns 0 or the first failure. The list is empty afterwards in any case.
 */
int volumes_release(struct list *volumes, struct share *share, struct err *e);

/* ---- The root file system, volume_root.c ---- */

/* Opens the root of the spec. Returns a descriptor or -errno. */
int volume_root_open(const struct volume_owner *owner, const Grpc__Root *root, struct err *e);

/**
 * volume_root_add() - make the volume of the root and rewrite its path for the guest
 * @root_fd:	as volume_root_open() gave it; borrowed
 * @spec:	its mounts are the container's volumes so far
 *
 * If the guest will not be able to write to the root, the files and folders on which the agent will
 * mount, and the working folder, are made here.
 */
int volume_root_add(const struct volume_owner *owner, int root_fd, Grpc__Spec *spec, struct err *e);
