#pragma once

/* What a driver of volumes is and what it works with. Private to the volumes of host/storage. */

#include <sys/stat.h>
#include <sys/vfs.h>

#include "host/storage/volumes.h"
#include "oci/names.h"

/* A mount of the spec about to become a volume, and what its source is. */
struct volume_task {
	const struct volume_owner *owner;
	Grpc__Mount *mount; /* is rewritten */
	struct oci_mount_options options;
	bool is_bind;
	/* Only for a bind mount: */
	char *source;       /* absolute */
	int source_fd;      /* O_PATH; -1 for other mounts, until their driver opens one */
	struct stat stat;   /* of the source */
	struct statfs fs;   /* of the file system that has the source */
	char *kernel_place; /* kernel_files_place(); NULL: it is no kernel file */
};

struct volume_driver {
	char name[16]; /* for the log */
	/* Whether this driver makes the volume. */
	bool (*match)(const struct volume_task *t);
	/* Rewrites the mount and sets the fields of @ret. NULL: the mount stays as it is, nothing
	 * is held for it. After a failure the caller gives back what @ret has; errors name the part
	 * of the mount. */
	int (*prepare)(struct volume_task *t, struct volume *ret, struct err *e);
};

/* ---- volume_guest.c: what the guest has or makes itself ---- */

/* A file system that belongs to a kernel, not to a disk. */
bool volume_is_guests(const struct volume_task *t);

/* A bind mount of a kernel file (kernel_files.h), which becomes one of the guest's. */
bool volume_is_kernels(const struct volume_task *t);
int volume_make_kernels(struct volume_task *t, struct volume *ret, struct err *e);

/* A bind mount of a tmpfs of the host on /dev/shm, which becomes a tmpfs of the guest. */
bool volume_is_shm(const struct volume_task *t);
int volume_make_shm(struct volume_task *t, struct volume *ret, struct err *e);

/* ---- volume_shared.c: a bind mount, shown through the share ---- */

bool volume_is_shared(const struct volume_task *t);

/* Shows the source in the way that the mount wants, and makes a bind mount of it in the guest. */
int volume_make_shared(struct volume_task *t, struct volume *ret, struct err *e);

/* ---- volume_overlay.c: an overlay, mounted here and shown ---- */

bool volume_is_overlay(const struct volume_task *t);
int volume_make_overlay(struct volume_task *t, struct volume *ret, struct err *e);

/* ---- volume_disk.c: a file system on a block device or in an image ---- */

bool volume_is_disk(const struct volume_task *t);

/* Has the guest mount it, and makes a bind mount of it in the container. */
int volume_make_disk(struct volume_task *t, struct volume *ret, struct err *e);

/* Whether @fstype is a file system on a disk. */
bool volume_is_disk_type(const char *fstype);

/* A file system on a disk that the guest is to mount. All is borrowed. */
struct volume_disk {
	const char *source; /* absolute; a block device or an image file */
	const char *fstype;
	char *const *options; /* of the mount; those that are about this host are left out */
	size_t n_options;
	const char *place; /* where the guest mounts it */
	bool is_shared;    /* containers of this machine may have it more than once */
};

/* Gives the machine the disk, and describes what the guest mounts. What @ret holds after a
 * failure is the caller's to give back. */
int volume_disk_lend(const struct volume_owner *owner, const struct volume_disk *disk,
		     struct volume *ret, struct err *e);

/* ---- volume_direct.c: a bind mount of a folder that stands for a disk (direct_volume.h) ---- */

bool volume_is_direct(const struct volume_task *t);
int volume_make_direct(struct volume_task *t, struct volume *ret, struct err *e);

/* ---- volume_block.c: a bind mount of a block device's node ---- */

bool volume_is_block(const struct volume_task *t);

/* Lends the machine the disk, and makes a bind mount of the guest's node of it. */
int volume_make_block(struct volume_task *t, struct volume *ret, struct err *e);

/* ---- volume_node.c ---- */

/* A block device that is to be a node in the container. */
struct volume_node {
	dev_t rdev;
	const char *path; /* where the node may be too, if the kernel's name for it is not there */
	bool readonly;    /* the container may not write to it */
	bool write_protected; /* neither may anybody else through the disk of the machine */
};

/* Gives the machine the disk. What @ret holds after a failure is the caller's to give back. */
int volume_node_lend(const struct volume_owner *owner, const struct volume_node *node,
		     struct volume *ret, struct err *e);

/* ---- volume_storage.c: what the agent mounts before it makes the container ---- */

/* The guest's folder @name/@number of the container. Freed by the caller; NULL when out of
 * memory. */
char *volume_guest_place(const struct volume_owner *owner, const char *name, size_t number);

/* The same, with the number of the volume that is about to be made. */
char *volume_next_guest_place(const struct volume_owner *owner, const char *name);

/* NULL when out of memory. Freed with grpc__storage__free_unpacked(). */
Grpc__Storage *volume_storage_new(const char *driver, const char *source, const char *fstype,
				  const char *place);

/* The node @path of the container. NULL when out of memory. Freed with
 * grpc__device__free_unpacked(). */
Grpc__Device *volume_device_new(const char *path);

int volume_storage_add_option(Grpc__Storage *s, const char *word, struct err *e);
int volume_storage_add_driver_option(Grpc__Storage *s, const char *word, struct err *e);

/* ---- volumes.c ---- */

/* Gives back what a volume holds that is in no list, and frees it. Accepts NULL. */
void volume_discard(const struct volume_owner *owner, struct volume *v);

/* ---- volume_mount.c: pieces that drivers are made of ---- */

/* Sets a string of the mount. */
int volume_mount_set(char **field, const char *text, struct err *e);

int volume_mount_add_option(Grpc__Mount *m, const char *word, struct err *e);

/* Takes options out of the mount. */
void volume_mount_drop_options(Grpc__Mount *m, bool (*is_to_go)(char *word));

/* @path, or below the bundle if it is relative. Freed by the caller; NULL when out of memory. */
char *volume_host_path(const struct volume_owner *owner, const char *path);
