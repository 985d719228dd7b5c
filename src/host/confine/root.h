#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * A root folder for one process: a small read-only file system in memory, with some of the host's
 * files and folders mounted read-only in it. The parent makes it, attached nowhere; the child, in a
 * mount namespace of its own (CLONE_NEWNS), makes it its root and detaches all other mounts. Once
 * the program has opened and mapped what it needs, the parent can empty the root.
 */
#define CONFINE_ENTRIES_MAX 64
#define CONFINE_NAME_BYTES  256

enum confine_bind {
	CONFINE_BIND_OPTIONAL = 1 << 0,  /* a missing source is no failure */
	CONFINE_BIND_DEVICE = 1 << 1,    /* the source is a device node: mount it without nodev */
	CONFINE_BIND_WRITABLE = 1 << 2,  /* the process may make and change files below it */
	CONFINE_BIND_NOEXEC = 1 << 3,    /* the process may run no program from it */
	CONFINE_BIND_RECURSIVE = 1 << 4, /* with the mounts below it */
	CONFINE_BIND_FOLLOW = 1 << 5,    /* with mounts that the host makes below it later */
};

/* What is in the root, in the order in which it was made. */
struct confine_entry {
	char name[CONFINE_NAME_BYTES]; /* relative to the root */
	bool is_dir;
	bool is_proc; /* a procfs of the child's pid namespace is mounted there */
	int mount_fd; /* the mount that goes there; -1: none */
};

struct confine_root {
	int fd;         /* -1: none, the process stays where it is */
	bool has_nodes; /* it has device nodes of its own */
	bool keep_proc; /* emptying keeps "/proc", for a program that needs /proc/self/fd */
	struct confine_entry *entries;
	size_t n;
};

#define CONFINE_ROOT_NONE ((struct confine_root){.fd = -1})

/* @r is CONFINE_ROOT_NONE and becomes an empty root. The caller needs CAP_SYS_ADMIN. */
int confine_root_new(struct confine_root *r, struct err *e);

/* Mounts the host's @source (a folder, a file, a node) as @name in it; makes the folders above
 * @name. @flags: of enum confine_bind. */
int confine_root_bind(struct confine_root *r, const char *source, const char *name, unsigned flags,
		      struct err *e);

/* The same for an open file or folder; borrowed. */
int confine_root_bind_fd(struct confine_root *r, int fd, const char *name, unsigned flags,
			 struct err *e);

/* Makes a node in the root for the host's device @source. It belongs to @uid and @gid alone, so
 * that the process needs no group of the host. If the caller cannot make nodes (no CAP_MKNOD), the
 * host's node is bound and *@ret_bound becomes true. A missing device is no failure. */
int confine_root_node(struct confine_root *r, const char *source, const char *name, uid_t uid,
		      gid_t gid, bool *ret_bound, struct err *e);

/* A symbolic link. */
int confine_root_link(struct confine_root *r, const char *target, const char *name, struct err *e);

/* "/proc" with processes only, those of the child's pid namespace, which must be its own. */
int confine_root_proc(struct confine_root *r, struct err *e);

/* The same in the new folder @name: for a caller that adds files to "/proc", because nothing can be
 * made in a procfs. */
int confine_root_proc_at(struct confine_root *r, const char *name, struct err *e);

/* In the child, which has CAP_SYS_ADMIN and a mount namespace of its own. */
int confine_root_enter(const struct confine_root *r, struct err *e);

/* Empties the root of the running process @pidfd for good, except "/proc" with keep_proc. The
 * process keeps its open and mapped files. In the parent, between the child's start and
 * confine_root_fini(). */
int confine_root_empty(const struct confine_root *r, int pidfd, struct err *e);

void confine_root_fini(struct confine_root *r);
