#pragma once

/* The table of what is mounted. Private to agent/storage. */

#include "agent/storage/append_guard.h"
#include "agent/storage/driver.h"
#include "agent/storage/inode_bound.h"
#include "base/list.h"

/* A mount point that exists. */
struct mounted {
	struct list link;
	const struct storage_driver *driver;
	unsigned holders;
	char path[];
};

struct storages {
	struct storages_config config;
	int run_fd;
	struct list mounted; /* in the order of their making */
	unsigned n_mounted;
	struct list jobs;
	struct list growths; /* see resize.c */
	/* Ends them, and nobody is told. A pointer, because storages.c knows nothing of resize.c,
	 * which needs it. NULL: there was none. */
	void (*end_growths)(struct storages *s);
	struct inode_bound *bound; /* or NULL */
	struct append_guard guard; /* if config.server_appends */
};

struct held {
	struct list link;
	struct mounted *what;
};

struct storage_hold {
	struct storages *storages;
	struct list held;
};

/* The entry of a mount point, or NULL. */
struct mounted *storages_find(struct storages *s, const char *path);

/* One more holder. */
int storage_hold_add(struct storage_hold *h, struct mounted *m, struct err *e);

/* Enters what is about to be mounted into the table, held by @h: afterwards nothing can fail but
 * the mount itself, and then storages_leave() takes it back. NULL and a failure if there is no
 * room. */
struct mounted *storages_enter(struct storage_hold *h, const struct storage_driver *driver,
			       const char *path, struct err *e);
void storages_leave(struct storage_hold *h, struct mounted *m);
