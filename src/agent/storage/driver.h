#pragma once

/* What a driver is and what it works with. Private to agent/storage. */

#include <stdbool.h>

#include "agent/device/device.h"
#include "agent/storage/storage.h"

/* One storage about to be mounted. */
struct storage_task {
	const struct storages_config *config;
	int run_fd; /* of config->run_dir */
	const Grpc__Storage *storage;
	const char *owner;
	const char *source; /* what to mount; for a disk, its node */
};

struct storage_driver {
	const char *name;
	/* Makes the mount at the storage's mount point. */
	int (*mount)(const struct storage_task *t, struct err *e);
	const char *modules[3]; /* to load first; one that this guest does not have is built in */
	bool is_disk;           /* the source is a disk that has to appear: its node, or */
	enum device_kind by;    /* what this kind of device is found by */
	bool is_share;          /* it may be plugged in, and then has a driver option "pci=PATH" */
	bool is_folder;         /* nothing is mounted; at the end the folder or node is removed */
};

int driver_mount_ephemeral(const struct storage_task *t, struct err *e);
int driver_make_local(const struct storage_task *t, struct err *e);
int driver_make_node(const struct storage_task *t, struct err *e);
int driver_mount_overlay(const struct storage_task *t, struct err *e);

/* The driver called @name, or NULL and a failure that says why not. */
const struct storage_driver *driver_find(const char *name, struct err *e);

/* Unmounts a mount point, or removes the folder. */
int driver_undo(const struct storage_driver *driver, const struct storages_config *config,
		int run_fd, const char *mount_point, struct err *e);

/* Mounts an "ephemeral" storage again with other options. */
int driver_remount(const struct storages_config *config, int run_fd, const Grpc__Storage *storage,
		   struct err *e);

/*
 * mount.c: pieces that drivers are made of.
 */
struct oci_mount_options;

/* The storage's options for the kernel: all but those that begin with one of @ours
 * (NULL-terminated; NULL: none). *@ret is freed with free(); its strings are borrowed. */
int driver_options(const Grpc__Storage *s, const char *const *ours, char ***ret, size_t *ret_n,
		   struct err *e);

/* mount(2) of t->source on what is open as @place. */
int driver_mount_at(const struct storage_task *t, int place, const char *fstype,
		    const struct oci_mount_options *o, struct err *e);

/* Mounts @fstype at the storage's mount point, without the options that begin with one of @ours. */
int driver_mount(const struct storage_task *t, const char *fstype, const char *const *ours,
		 struct err *e);

/* A mount that is busy is written back and goes with its last user. */
int driver_unmount(const struct storages_config *config, int run_fd, const char *mount_point,
		   struct err *e);

/*
 * Places: paths below run_dir that the host has named.
 */
enum place_kind {
	PLACE_FOLDER,
	PLACE_FILE,
};

/* Opens (O_PATH) the place, made together with its parents if it is missing. Returns a descriptor
 * or -errno: -EINVAL when it is not below run_dir, -ELOOP when a link is on the way. */
int place_make(int run_fd, const char *run_dir, const char *path, enum place_kind kind,
	       struct err *e);

/* Opens the folder that holds an existing place; *@ret_name is its name, a part of @path. */
int place_open_parent(int run_fd, const char *run_dir, const char *path, const char **ret_name,
		      struct err *e);

/* Removes the folder @path and then those above it, up to run_dir, as long as each is empty and
 * of the file system of run_dir: a pod's guest would else keep one for each container that ever
 * was in it. */
void place_remove(int run_fd, const char *run_dir, const char *path);

/* A path by which the kernel finds what is open as @fd. */
#define PLACE_FD_PATH_BYTES 32
const char *place_fd_path(int fd, char buf[PLACE_FD_PATH_BYTES]);

/*
 * Ownership: what Kubernetes calls fsGroup.
 */

/* Whether anything has to be done for @group below the folder open as @fd. */
bool ownership_needed(int fd, const Grpc__FSGroup *group);

/* Gives everything below @fd to the group, readable and writable for it. May take long. */
int ownership_set(int fd, uint32_t gid, struct err *e);
