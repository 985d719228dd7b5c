#pragma once

#include <stddef.h>

#include "base/err.h"

/*
 * The host's view of a container: the namespaces that a caller joins when it enters "the
 * container's process" on the host.
 *
 *	mnt	its root is the container's root file system with its bind mounts in their places,
 *		as the share shows them to the guest (read-only where they are), nodev, nosuid and
 *		noexec. Mounts of the guest itself (tmpfs, sysfs, ...) are empty read-only folders,
 *		because files written there would not reach the guest. No file of the host is in it
 *	net	the one that the spec names, or an empty one
 *	ipc	the same
 *	uts	the same; a new one has the container's host name
 *	user	one with the container's mappings if it has a user namespace, else none. The others
 *		belong to the host's: its root has no rights in them
 *
 * No process runs in them: they exist while their descriptors are open. A hostile guest can change
 * its files while the view is made and used: destinations are resolved by descriptor inside the
 * root, so the most it can do is to misplace its own mounts.
 *
 * noexec, because a process that joins with the host's rights would run the container's programs
 * with those rights.
 *
 * Threads: any.
 */

enum view_namespace {
	VIEW_NET,
	VIEW_IPC,
	VIEW_UTS,
	VIEW_MNT,
	VIEW_USER, /* last: whoever is in it has no rights in the others any more */
	VIEW_NAMESPACES
};

struct view {
	int fds[VIEW_NAMESPACES]; /* in the order in which they are to be joined; -1: none */
};

#define VIEW_NONE ((struct view){{-1, -1, -1, -1, -1}})

/* Their CLONE_NEW... words. */
extern const int view_namespace_types[VIEW_NAMESPACES];

/* One mount in the view. */
struct view_mount {
	const char *destination; /* in the container; borrowed */
	int tree_fd;             /* attached nowhere; -1: the guest makes this mount itself */
};

/* All borrowed. */
struct view_spec {
	const char *scratch; /* an empty folder of this process's mount namespace */
	/* A mount that is attached nowhere and does not propagate; -1: an empty folder, read-only,
	 * in which missing places of the mounts are made. */
	int root_fd;
	const struct view_mount *mounts;
	size_t n_mounts;
	const char *hostname;       /* NULL: the empty one */
	int net_fd, ipc_fd, uts_fd; /* namespaces; -1: a new one */
};

/* Makes the namespaces but VIEW_USER; *@ret is the caller's and is closed with view_close(). The
 * trees get attached and cannot be used again. */
int view_make(const struct view_spec *spec, struct view *ret, struct err *e);

/* How many of the first of view->fds are there. */
size_t view_count(const struct view *view);

/* Accepts VIEW_NONE. */
void view_close(struct view *view);
