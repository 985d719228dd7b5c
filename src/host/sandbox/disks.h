#pragma once

#include <pthread.h>

#include "agent.pb-c.h"
#include "host/hypervisor/hypervisor.h"
#include "host/storage/volumes.h"

/*
 * The disks of a machine, lent to it for volumes of its containers. Private to host/sandbox.
 *
 *	lend ──► waits until the machine is made ──disks_attach()──► in the machine ──► taken back
 *	  └───────────────── the machine runs ─────────────────────────┘
 *
 * An image that several containers only read is one disk, and a block device that several have as a
 * node, because what one writes must be there for the others. One that is there for reading only is
 * lent a second time to who writes, and one that is written a second time to who must have it for
 * reading only.
 *
 * Threads: lending and taking back on the workers of several containers at once, one after the
 * other in the hypervisor; the rest on the machine's worker or, with the machine gone, the loop.
 */
struct disks {
	struct volume_disks lender; /* for volumes.h */
	pthread_mutex_t lock;       /* guards all below, and use of @hv for disks */
	struct list list;           /* struct disk */
	struct hv *hv;              /* borrowed; NULL until disks_attach() */
	unsigned long last_id;
};

void disks_init(struct disks *d);
void disks_fini(struct disks *d);

/* Gives the disks that were lent until now to a machine that is created, later ones at once. */
int disks_attach(struct disks *d, struct hv *hv, msec_t deadline, struct err *e);

/* The machine that they were given to has started. */
void disks_started(struct disks *d);

/* That machine is gone before the guest had a sandbox: another one can be given them. */
void disks_reclaim(struct disks *d);

/* The machine is gone, and with it its disks. */
void disks_forget(struct disks *d);

/**
 * disks_resize() - tell the guest how large a disk of the machine is now
 * @fd:		the file or device that was lent, opened again; borrowed
 * @at_least:	bytes that it must have
 *
 * Returns 0, -ENOENT (the machine does not have it), -EROFS (it has it for reading only), -EINVAL
 * (it is smaller than asked for, or than it was) or -errno.
 */
int disks_resize(struct disks *d, int fd, uint64_t at_least, msec_t deadline, struct err *e);

/* Tells the agent where it finds the disk of the volume: in its storage driver and source, in its
 * device type and id. */
int disk_find_in_guest(const struct volume *v, struct err *e);
