#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent.pb-c.h"
#include "base/auto.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/reaper.h"

struct devices;

/**
 * DOC: agent/storage - what the host shares with containers, mounted in the guest
 *
 * The host describes a storage (driver, source, file system, options) and names a mount point. A
 * mount point exists once: a second request for it holds the same mount, which is unmounted when
 * the last hold is freed. What can be mounted stands in one table (drivers.c).
 *
 *	storages_acquire() ──► [ wait for the device ] ──► mount ──► [ ownership ] ──► done
 *	                                 for each storage in turn; the first failure ends it
 *
 * Threads: none. A large volume whose ownership is to be changed is walked by a child process.
 *
 * Distrusts: the host names mount points, but only below the folder that belongs to containers, and
 * no symbolic link on the way is followed, for a workload may have put it there.
 */
struct storages;

/* All is borrowed and outlives the storages. */
struct storages_config {
	struct loop *loop;
	struct reaper *reaper;
	struct devices *devices;
	const char *run_dir;        /* mount points are below it; made if missing */
	uint32_t device_timeout_ms; /* how long a storage waits for its device */
	uint32_t shared_files_max;  /* needs inode_bound.h unless 0 */
	bool server_appends;        /* the file server needs append_guard.h */
};

/* Maximum of mount points at once, because a hostile or broken host could ask for any number. */
#define STORAGES_MAX 1024

int storages_new(const struct storages_config *config, struct storages **ret, struct err *e);

/* Unmounts everything that is left. Every hold and job must be gone. Accepts NULL. */
void storages_free(struct storages *s);
AUTO_PTR(struct storages, storages_free)

/* The names of all drivers that are implemented; *@ret_n of them. */
const char *const *storage_driver_names(size_t *ret_n);

/* What one owner, a container or the sandbox, holds. */
struct storage_hold;

int storage_hold_new(struct storages *s, struct storage_hold **ret, struct err *e);

/* Releases everything; storages without another hold are unmounted. Accepts NULL. */
void storage_hold_free(struct storage_hold *h);
AUTO_PTR(struct storage_hold, storage_hold_free)

/* All is borrowed until the job is done. */
struct storage_order {
	Grpc__Storage *const *list;
	size_t n;
	const char *owner;           /* id of the container; names its folder in run_dir */
	struct storage_hold *hold;   /* gets what is mounted ... */
	struct storage_hold *shared; /* ... except what is marked as shared */
};

typedef void (*storage_done_fn)(void *arg, int r, const struct err *e);

struct storage_job;

/**
 * storages_acquire() - mount a list of storages
 * @done:	called once, possibly from inside this function. @r is 0 or -errno, and then what
 *		was mounted before the failure is in the holds, which the caller may free
 * @ret_job:	for storage_job_cancel(); set to NULL before @done is called
 */
void storages_acquire(struct storages *s, const struct storage_order *order, storage_done_fn done,
		      void *arg, struct storage_job **ret_job);

/* @done is not called. Accepts NULL. */
void storage_job_cancel(struct storage_job *job);

/**
 * storages_resize() - make the file system of a mounted disk larger
 * @bytes:	how large; the disk may come to have them only a moment later
 * @done:	called once, possibly from inside this function: 0, -ENOENT (no disk is mounted at
 *		@path), -ENOTSUP (a file system that does not grow), -EINVAL (it is larger already),
 *		-ETIMEDOUT (the disk has not grown), or -errno
 */
void storages_resize(struct storages *s, const char *path, uint64_t bytes, storage_done_fn done,
		     void *arg);

/* Changes the options of a mounted "ephemeral" storage, such as its size. */
int storages_remount(struct storages *s, const Grpc__Storage *storage, struct err *e);
