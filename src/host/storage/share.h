#pragma once

#include <stdbool.h>

#include "base/auto.h"
#include "base/err.h"

/*
 * The share: the one folder tree of the host that a guest sees.
 *
 *	<base>/<sandbox>/	tmpfs, mounted in the server's own mount namespace only
 *	    mounts/		where we mount: <container>/rootfs, <container>-<random>-<name>
 *	    shared/		the same, read-only: what virtiofsd (or 9p) exports
 *	    private/		for sockets on their way, closed to everybody else
 *
 * The two are peers: what is mounted below mounts/ appears below shared/, in our namespace and in
 * those of processes that were started from it, with the flags it was mounted with. So a guest,
 * even one that was taken over, can write into volumes but cannot make, rename or replace a name of
 * ours. The guest mounts shared/ on SHARE_GUEST_PATH.
 *
 * What the host mounts below a source later appears, too, unless it was asked not to. Nothing that is
 * mounted in here appears at a source.
 *
 * Mounts are made by descriptor: the source is opened once, its tree is cloned, loses devices, set-uid
 * bits and programs and is made read-only while nobody can see it yet, and is then put into place.
 *
 * When the server dies by whatever cause, its namespace goes and with it every mount. An empty
 * folder <base>/<sandbox> stays. A living server holds a lock (flock) on it, because removing a
 * folder takes away what is mounted on it in any namespace: who cleans up must take the lock first.
 * The folder and those above it are closed to other users, who could hold the lock for ever.
 *
 * Threads: one at a time; the sandbox's worker.
 */
#define SHARE_BASE       "/run/kata-containers/shared/sandboxes"
#define SHARE_TAG        "kataShared"
#define SHARE_GUEST_PATH "/run/kata-containers/shared/containers"

struct share;

/**
 * share_namespace_enter() - give this process its own view of mounts
 * @ret_host_ns: descriptor of the namespace it had before, for hooks; the caller's
 *
 * Mounts of the host go on to appear, ours never appear there. Only while there is one thread.
 */
int share_namespace_enter(int *ret_host_ns, struct err *e);

/**
 * share_open() - make the empty tree
 * @base:	SHARE_BASE, or a test's folder; made if missing, and closed to others if not
 * @sandbox_id:	names the folder, shortened when it is long
 */
int share_open(const char *base, const char *sandbox_id, struct share **ret, struct err *e);

/* Unmounts everything and removes the folder; every step is tried. Accepts NULL. Returns 0 or the
 * first failure; @share is freed in any case. */
int share_close(struct share *share, struct err *e);

/* <base>/<sandbox>, the folder to export, and the private one. Valid as long as @share. */
const char *share_path(const struct share *share);
const char *share_export_path(const struct share *share);
const char *share_private_path(const struct share *share);

/* What is said of the children, of what is mounted below the source, is also said of the source. Whatever
 * the flags are, every mount gets nodev, nosuid and noexec on this side of the wall. */
struct share_flags {
	bool exact_name; /* <container>/<name>, and not a name that nobody has */
	bool recursive;  /* with what is mounted below the source */
	bool readonly;   /* the source and what is mounted below it now */
	bool apart;      /* what the host mounts below the source later does not appear */
	bool apart_children;
	bool mapped; /* its files have other owners, by the mappings of userns_fd */
	bool mapped_children;
	int userns_fd; /* borrowed; looked at when something is mapped */
};

/**
 * share_add() - show a file or folder of the host to the guest
 * @container_id: whose it is: share_drop() takes it away again
 * @source_fd:	the file or folder, opened with O_PATH or otherwise; borrowed
 * @name:	a path of which the last word is used
 * @ret_guest_path: its path in the guest; freed by the caller
 *
 * Files of the host's kernel are refused, and left out of a tree that has such below it
 * (kernel_files.h). Returns 0, -EEXIST (an exact name is taken), -ENOTSUP, or -errno.
 */
int share_add(struct share *share, const char *container_id, int source_fd, const char *name,
	      struct share_flags flags, char **ret_guest_path, struct err *e);

/**
 * share_clone() - what the guest sees under a path, once more
 * @guest_path:	as share_add() gave it
 * @ret_fd:	a mount that is attached nowhere; it follows the share's, as does what is mounted below it.
 *		nodev, nosuid and noexec for who looks from the host's side; the caller's
 */
int share_clone(struct share *share, const char *guest_path, int *ret_fd, struct err *e);

/* Takes away all of a container's mounts; every one is tried. Returns 0 or the first failure. */
int share_drop(struct share *share, const char *container_id, struct err *e);

/* The name under which a container stands in the share: its id, or a shorter one. Freed by the
 * caller; NULL when out of memory. */
char *share_name_of(const char *id);
