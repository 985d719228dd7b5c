#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * A root folder for one process: a small read-only file system in memory, with some of the host's
 * files and folders mounted read-only in it. The parent makes it, attached nowhere; the child, in a
 * mount namespace of its own (CLONE_NEWNS), moves into it and lets go of all else. Once the program
 * has opened and mapped what it needs, the parent can take everything out again.
 */
#define CONFINE_ENTRIES_MAX 64
#define CONFINE_NAME_BYTES  256

enum confine_bind {
	CONFINE_BIND_OPTIONAL = 1 << 0,  /* nothing there is no failure */
	CONFINE_BIND_DEVICE = 1 << 1,    /* a device node that shall work */
	CONFINE_BIND_WRITABLE = 1 << 2,  /* files may be made and changed below it */
	CONFINE_BIND_NOEXEC = 1 << 3,    /* and no program run from it */
	CONFINE_BIND_RECURSIVE = 1 << 4, /* with what is mounted below it */
	CONFINE_BIND_FOLLOW = 1 << 5,    /* and with what is mounted there later */
};

/* What is in the root, in the order in which it was made. */
struct confine_entry {
	char name[CONFINE_NAME_BYTES]; /* relative to the root */
	bool is_dir;
	bool is_proc; /* a procfs of the child's pid namespace is mounted there */
	int mount_fd; /* that is mounted there; -1: none */
};

struct confine_root {
	int fd;         /* -1: none, the process stays where it is */
	bool has_nodes; /* of its own */
	bool keep_proc; /* when it is emptied: for who works by /proc/self/fd */
	struct confine_entry *entries;
	size_t n;
};

#define CONFINE_ROOT_NONE ((struct confine_root){.fd = -1})

/* @r is CONFINE_ROOT_NONE; empty afterwards. It takes CAP_SYS_ADMIN. */
int confine_root_new(struct confine_root *r, struct err *e);

/* Mounts the host's @source (a folder, a file, a node) as @name in it; folders above @name are made.
 * @flags: of enum confine_bind. */
int confine_root_bind(struct confine_root *r, const char *source, const char *name, unsigned flags,
		      struct err *e);

/* The same for an open file or folder; borrowed. */
int confine_root_bind_fd(struct confine_root *r, int fd, const char *name, unsigned flags,
			 struct err *e);

/* The host's device @source as a node of the root's own, which belongs to @uid and @gid and to nobody else:
 * they need none of the host's groups for it. Where a node cannot be made (no CAP_MKNOD), the host's is
 * bound and *@ret_bound becomes true. A device that is not there is no failure. */
int confine_root_node(struct confine_root *r, const char *source, const char *name, uid_t uid,
		      gid_t gid, bool *ret_bound, struct err *e);

/* A symbolic link. */
int confine_root_link(struct confine_root *r, const char *target, const char *name, struct err *e);

/* "/proc" with the process's own entries only. It takes a pid namespace of its own. */
int confine_root_proc(struct confine_root *r, struct err *e);

/* The same as the new folder @name, for who wants more in "/proc": nothing can be made in a procfs. */
int confine_root_proc_at(struct confine_root *r, const char *name, struct err *e);

/* In the child, which has CAP_SYS_ADMIN and a mount namespace of its own. */
int confine_root_enter(const struct confine_root *r, struct err *e);

/* Takes everything (but keep_proc) out of the root in which the process @pidfd lives, for good. What it has open or
 * mapped stays with it. In the parent, between the child's start and confine_root_fini(). */
int confine_root_empty(const struct confine_root *r, int pidfd, struct err *e);

void confine_root_fini(struct confine_root *r);
