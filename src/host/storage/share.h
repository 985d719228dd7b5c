#pragma once

#include <stdbool.h>

#include "base/auto.h"
#include "base/err.h"

/*
 * The share: the one folder tree of the host that a guest sees.
 *
 *	<base>/<sandbox>/	tmpfs, mounted in the server's own mount namespace only
 *	    mounts/		the server's mounts: <container>/rootfs, <container>-<random>-<name>
 *	    shared/		the same, read-only: what virtiofsd (or 9p) exports
 *	    private/		for sockets while they are connected, closed to other users
 *
 * mounts/ and shared/ are peers: a mount below mounts/ appears below shared/ with its own flags, in
 * the server's namespace and in those of processes that it started. So even a hostile guest can
 * write into volumes but cannot make, rename or replace a name in the share itself. The guest
 * mounts shared/ on SHARE_GUEST_PATH.
 *
 * A mount that the host makes below a source later appears here too, unless share_flags has
 * "apart". No mount that is made here appears at a source.
 *
 * Mounts are made by descriptor: the source is opened once, its tree is cloned, loses devices,
 * set-uid bits and programs and is made read-only while nobody can see it yet, and is then put into
 * place.
 *
 * When the server dies, its namespace goes and with it every mount; an empty folder
 * <base>/<sandbox> stays. A running server holds a lock (flock) on that folder, and a process that
 * cleans up must take it first, because removing a folder unmounts what any namespace has on it.
 * The folder and those above it are closed to other users, because they could hold the lock for
 * ever.
 *
 * Threads: any, those of several containers at once; share_open() and share_close() alone. No file
 * of a source is opened or read under the lock, so a source that hangs holds up nobody else.
 */
/* In the folder for run-time files, see host/state/run_dir.h. */
#define SHARE_BASE       "kata-containers/shared/sandboxes"
#define SHARE_TAG        "kataShared"
#define SHARE_GUEST_PATH "/run/kata-containers/shared/containers"

struct share;

/**
 * share_namespace_enter() - give this process a mount namespace of its own
 * @ret_host_ns: descriptor of the namespace it had before, for hooks; the caller's
 *
 * Later mounts of the host still appear here, but none of this process appears on the host. Call it
 * only while the process has one thread.
 */
int share_namespace_enter(int *ret_host_ns, struct err *e);

/**
 * share_open() - make the empty tree
 * @base:	a path that ends in SHARE_BASE, or a test's folder; made if missing, and closed to
 *		others if not
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

/* A flag "x_children" (the mounts below the source) implies the flag "x" (the source itself). With
 * any flags every mount gets nodev, nosuid and noexec on the host's side of the VM boundary. */
struct share_flags {
	bool exact_name; /* <container>/<name> instead of a unique name */
	bool recursive;  /* with the mounts below the source */
	bool readonly;   /* the source and the mounts that are below it now */
	bool apart;      /* later mounts of the host below the source do not appear */
	bool apart_children;
	bool mapped; /* its files have other owners, by the mappings of userns_fd */
	bool mapped_children;
	int userns_fd; /* borrowed; used only with "mapped" */
};

/**
 * share_add() - show a file or folder of the host to the guest
 * @container_id: the container that uses it; a part of its name
 * @source_fd:	the file or folder, opened with O_PATH or otherwise; borrowed
 * @name:	a path of which the last word is used
 * @ret_guest_path: its path in the guest, for share_remove(); freed by the caller
 *
 * A kernel file (kernel_files.h) as the source is refused; mounts with kernel files below it are
 * left out. Returns 0, -EEXIST (an exact name is taken), -ENOTSUP, or -errno.
 */
int share_add(struct share *share, const char *container_id, int source_fd, const char *name,
	      struct share_flags flags, char **ret_guest_path, struct err *e);

/**
 * share_clone() - clone the mount that the guest sees under a path
 * @guest_path:	as share_add() gave it
 * @ret_fd:	a mount that is attached nowhere, the caller's; it and the mounts below it follow
 *		those of the share. nodev, nosuid and noexec, for users on the host's side
 */
int share_clone(struct share *share, const char *guest_path, int *ret_fd, struct err *e);

/* Takes away what share_add() showed under @guest_path. Whoever adds several, one of which may lie
 * inside an earlier one, removes them in reverse order. Returns 0, -ENOENT (there is no such), or
 * -errno; it is forgotten also when that fails. */
int share_remove(struct share *share, const char *guest_path, struct err *e);

/* The container's name in the share: its id, or a shorter one. Freed by the caller; NULL when out
 * of memory. */
char *share_name_of(const char *id);
