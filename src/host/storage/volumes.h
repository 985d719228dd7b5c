#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "agent.pb-c.h"
#include "base/err.h"
#include "base/list.h"
#include "host/storage/share.h"

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
 * A volume holds a mount in the share, or a disk of the machine with what the agent mounts of it
 * before it makes the container (Storage, in the storages of CreateContainerRequest) or which node
 * it makes of it (Device), or only what is mounted. A kind that needs something else adds a field
 * to struct volume, and volumes_release() gives it back.
 *
 * When the server dies, nothing has to be released: what volumes hold lies in the server's mount
 * namespace and goes with it, and descriptors of disks close. A kind for which this is not so must
 * note what it took where sandbox_clean_up() finds it.
 *
 * Threads: any but the loop's, those of several containers at once.
 */

struct disk;

/* A disk that the machine is to have. */
struct disk_wanted {
	int swallow_fd; /* an image or a block device; open for writing unless @readonly */
	bool readonly;
	/* Others may use it meanwhile: of what the machine has of it already it is enough if
	 * that can be read, and written unless @readonly. Else nobody else writes to it
	 * meanwhile. */
	bool is_shared;
	/* With @readonly: nobody writes through what the machine has of it, though it is shared. */
	bool write_protected;
	/* Somebody has it: it is for this machine only if this machine is who has it, else
	 * -EBUSY. */
	bool is_taken;
};

/* Gives the machine disks and takes them back: the functions of whoever has the machine. */
struct volume_disks {
	/**
	 * @wanted:	its descriptor is closed when the disk is taken back, or on failure
	 * @ret:	is given back with take_back()
	 */
	int (*lend)(void *arg, const struct disk_wanted *wanted, struct disk **ret, struct err *e);
	/* A failure is logged: the disk then stays in the machine until that ends. */
	void (*take_back)(void *arg, struct disk *disk);
	void *arg;
};

/* What is held for one mount, or for a part of the root. */
struct volume {
	struct list link;
	char *guest_path;  /* its entry in the share, as share_add() gave it; NULL: it has none */
	bool is_file;      /* it is mounted on a file, not on a folder */
	struct disk *disk; /* NULL: none */
	/* What the agent mounts; NULL: nothing. If there is a disk, driver and source are missing,
	 * because where the disk is in the guest is known when the machine has it. */
	Grpc__Storage *storage;
	/* The disk as a node in the container; NULL: it is none. Type and id are missing, as above.
	 */
	Grpc__Device *device;
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
	const struct volume_disks *disks;
	bool no_block_devices;        /* the administrator forbids to pass them on */
	const char *direct_volumes;   /* folder: see direct_volume.h; NULL: there are none */
	const char *sandbox_id;       /* who has direct volumes */
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

/**
 * volumes_add_device() - lend the machine a block device that the container gets as a node
 * @d:		of the spec; its numbers are this host's, and decide which device it is
 * @readonly:	the container may not write to it; the machine cannot then, unless another container
 *		of it can
 *
 * Returns 0, -EPERM (the administrator forbids it), -ENODEV (there is no such device any more), or
 * -errno.
 */
int volumes_add_device(const struct volume_owner *owner, const Grpc__LinuxDevice *d, bool readonly,
		       struct err *e);

/* Looks for the pod's /dev/shm among the mounts of the container that holds the pod; *@ret is
 * zeroes if there is none. @owner needs a bundle only. */
int volumes_find_shm(const struct volume_owner *owner, Grpc__Mount *const *mounts, size_t n,
		     struct volume_shm *ret, struct err *e);

/**
 * volumes_release() - give back what volumes hold, in reverse order; every one is tried
 * @share, @disks: as they were in struct volume_owner; NULL: share or machine are gone, and with
 *		them what they had
 *
 * Returns 0 or the first failure. The list is empty afterwards in any case.
 */
int volumes_release(struct list *volumes, struct share *share, const struct volume_disks *disks,
		    struct err *e);

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

/* ---- A root file system that the guest mounts, volume_root_disks.c ---- */

/* Whether the guest mounts the root that consists of @mounts (CreateTaskRequest.rootfs), because
 * there are disks among them. */
bool volume_root_is_guests(Grpc__Mount *const *mounts, size_t n);

/**
 * volume_root_add_disks() - make the volumes of such a root and rewrite its path for the guest
 *
 * Returns 0, -EBUSY (somebody else uses a disk), -ENOENT, -ENOTSUP (a kind of mount that is not
 * made), -EINVAL, or -errno.
 */
int volume_root_add_disks(const struct volume_owner *owner, Grpc__Mount *const *mounts, size_t n,
			  Grpc__Root *root, struct err *e);
