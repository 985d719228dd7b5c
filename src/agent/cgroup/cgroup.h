#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "agent.pb-c.h"
#include "base/auto.h"
#include "base/err.h"
#include "base/loop.h"
#include "oci.pb-c.h"

/*
 * Control groups of the unified hierarchy (cgroup v2), one per container.
 *
 *	cgroup_root_open ──► cgroup_make ──► cgroup_limit ──► (processes run) ──► cgroup_remove
 *
 * The words of the specification are those of cgroup v1; resources.c translates them as runc does,
 * so that a workload reads the same numbers in both. Device rules become an eBPF program
 * (devices.c).
 *
 * Threads: none; everything returns at once. Distrust: the specification is checked field by field;
 * what cannot be honoured is refused by name. The workload may own parts of the tree below its
 * cgroup and fill them as it likes: walks are bounded.
 */
struct cgroup_root;
struct cgroup;

/* @path is where cgroup2 is mounted. Turns on all controllers the kernel has. */
int cgroup_root_open(const char *path, struct cgroup_root **ret, struct err *e);

/* Loads the device programs that most containers have: for a machine from which others go on. */
int cgroup_root_warm(struct cgroup_root *root, struct err *e);

/* Every cgroup must be freed before. Accepts NULL. */
void cgroup_root_free(struct cgroup_root *root);
AUTO_PTR(struct cgroup_root, cgroup_root_free)

/**
 * cgroup_make() - make a cgroup
 * @path:	as in linux.cgroupsPath: absolute or relative, both below @root; or systemd's
 *		"slice:prefix:name", which becomes "slice/prefix-name.scope". ".." is refused
 *
 * Missing ancestors are made. One that exists and is empty is made anew. Returns 0, -EBUSY when it
 * is not empty, or -errno.
 */
int cgroup_make(struct cgroup_root *root, const char *path, struct cgroup **ret, struct err *e);

/* Frees the struct; the cgroup stays. Accepts NULL. */
void cgroup_free(struct cgroup *cg);
AUTO_PTR(struct cgroup, cgroup_free)

/* Below the root, without a slash at either end; belongs to the cgroup. */
const char *cgroup_path(const struct cgroup *cg);

/* Its folder, for clone3(CLONE_INTO_CGROUP); belongs to the cgroup. */
int cgroup_fd(const struct cgroup *cg);

/* The folder of the cgroup that process @pid is in, which may be below @cg. Returns a descriptor,
 * the caller's, or -errno. */
int cgroup_open_of(const struct cgroup *cg, pid_t pid, struct err *e);

/* Sets every limit that is present in @res and leaves the others alone. Device rules are not part
 * of it. Errors name the field. */
int cgroup_limit(struct cgroup *cg, const Grpc__LinuxResources *res, struct err *e);

/* Sets the device rules of @res, replacing those there were, with the devices that every container
 * may use (null, zero, full, random, urandom, tty, ptmx, pts, net/tun) always allowed, and mknod of
 * any. */
int cgroup_set_devices(struct cgroup *cg, const Grpc__LinuxResources *res, struct err *e);

/* Asks the kernel to freeze or thaw; CGROUP_FROZEN follows. */
int cgroup_freeze(struct cgroup *cg, bool frozen, struct err *e);

/* Sends SIGKILL to all processes, those of cgroups below and those being forked included. */
int cgroup_kill(struct cgroup *cg, struct err *e);

/* All processes, those of cgroups below included. *@ret is freed with free(). */
int cgroup_pids(struct cgroup *cg, pid_t **ret, size_t *ret_n, struct err *e);

/* *@ret is freed with grpc__cgroup_stats__free_unpacked(*ret, NULL). */
int cgroup_stats(struct cgroup *cg, Grpc__CgroupStats **ret, struct err *e);

/* Whether neither @cg nor a cgroup below it has a process. True also when @cg is gone. */
bool cgroup_is_empty(const struct cgroup *cg);

/* What a watch reports: the state after a change. The same state may be reported twice in a row. */
enum cgroup_event {
	CGROUP_OOM,    /* a process was killed for want of memory */
	CGROUP_EMPTY,  /* there is no process */
	CGROUP_FROZEN, /* there are processes, and all are frozen */
	CGROUP_THAWED, /* there are processes, and not all are frozen */
};

typedef void (*cgroup_event_fn)(void *arg, enum cgroup_event event);

/* Calls @fn after every change from now on, until cgroup_free(). Where the kernel has no memory
 * controller there is no CGROUP_OOM. A callback may call cgroup_free(). */
int cgroup_watch(struct cgroup *cg, struct loop *loop, cgroup_event_fn fn, void *arg,
		 struct err *e);

/* Removes it, what is below, and ancestors that have become empty. Returns 0, or -EBUSY when there
 * still are processes. */
int cgroup_remove(struct cgroup *cg, struct err *e);
