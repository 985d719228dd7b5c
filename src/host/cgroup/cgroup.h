#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/err.h"
#include "oci.pb-c.h"

/*
 * Control groups of the host: where the processes of a sandbox are, so that what is given to the
 * pod holds for all of them. (Those of a container inside its guest are agent/cgroup's.)
 *
 *	planned ──make──► made ──join, add──► in use ──leave, remove──► gone
 *
 * One host_cgroup is a folder in each hierarchy that the host has: in the one of cgroup v2; or in
 * all of cgroup v1, where the one of v2 beside them (hybrid) is left alone because it limits
 * nothing, as runc leaves it. Folders are made as with runc's cgroupfs driver. What is named as a
 * unit of systemd is one: a scope that systemd makes, where it manages the host (systemd.h).
 *
 * Only folders that this layer has made are removed, and of those only the last one of a path:
 * folders on the way to it stay, because another container may be on its way into them.
 *
 * Threads: none; every function but remove returns at once, and with a unit of systemd's make
 * and limit may take a while. Distrusts linux.cgroupsPath as far as
 * "..": it never leads above the place where the cgroups are mounted.
 */
struct host_cgroup;

/**
 * host_cgroup_name() - which cgroup a sandbox is in
 * @cgroups_path: linux.cgroupsPath of the container that the machine is made for; may be NULL
 * @id:		the sandbox's
 * @lone:	an OCI engine's container, whose engine looks for it at that path
 * @ret:	an absolute path below the hierarchies' tops, or a relative one: below the caller's
 *		cgroup, as with runc. NULL: none, the sandbox stays where its caller is. Freed by
 *		the caller
 *
 *	what			lone container		pod
 *	"/a/b"			/a/b			/a/kata_b, as upstream names it
 *	"slice:prefix:name"	the folder that systemd has for the unit prefix-name.scope
 *	none			its id, relative	none
 *
 * Returns 0, -EINVAL or -ENOMEM.
 */
int host_cgroup_name(const char *cgroups_path, const char *id, bool lone, char **ret,
		     struct err *e);

/* The cgroup of what is not the pod's own work when sandbox_cgroup_only is off; upstream's name. */
#define HOST_CGROUP_OVERHEAD "/kata_overhead"

/* Whether linux.cgroupsPath names a unit of systemd ("slice:prefix:name"). */
bool host_cgroup_is_unit(const char *cgroups_path);

/* Finds where @name would be in each hierarchy; makes nothing. @is_unit: it is a unit of systemd,
 * which is asked for it where it manages the host. */
int host_cgroup_plan(const char *name, bool is_unit, struct host_cgroup **ret, struct err *e);

/* Accepts NULL; the folders stay. */
void host_cgroup_free(struct host_cgroup *g);
AUTO_PTR(struct host_cgroup, host_cgroup_free)

/* Before a unit is made that this process does not stay in: has a child of it stay there until
 * host_cgroup_remove(), because systemd takes a scope away as soon as nobody is in it. It dies
 * with the thread that calls this. Nothing happens if @g is no unit. */
int host_cgroup_keep(struct host_cgroup *g, struct err *e);

/* Makes the folders that are missing. After a failure host_cgroup_remove() is due. */
int host_cgroup_make(struct host_cgroup *g, struct err *e);

/* The folders that are this sandbox's to remove; NULL after the last. */
const char *host_cgroup_folder(const struct host_cgroup *g, size_t i);

/* As in host_cgroup_plan(), for sentences. */
const char *host_cgroup_path(const struct host_cgroup *g);

/* Whether it is one of cgroup v2. */
bool host_cgroup_is_unified(const struct host_cgroup *g);

/* Moves this process, or another one, in; their children are born there. */
int host_cgroup_join(const struct host_cgroup *g, struct err *e);
int host_cgroup_add(const struct host_cgroup *g, pid_t pid, struct err *e);

/* Moves one thread in; cgroup v1 only. */
int host_cgroup_add_thread(const struct host_cgroup *g, pid_t tid, struct err *e);

/* Opens the files by which a new process joins. *@ret_n descriptors, the caller's, of at most
 * @max. */
int host_cgroup_open(const struct host_cgroup *g, int *ret_fds, size_t max, size_t *ret_n,
		     struct err *e);

/* Opens the files by which a new process goes where this one was when @g was planned, or to the top
 * if that is gone: for one that outlives the sandbox. *@ret_n descriptors, the caller's, of at most
 * @max. */
int host_cgroup_open_former(const struct host_cgroup *g, int *ret_fds, size_t max, size_t *ret_n,
			    struct err *e);

/* Moves process @pid, or this one for 0, to where this one was when @g was planned, or to the top
 * if that is gone. */
int host_cgroup_leave(const struct host_cgroup *g, pid_t pid, struct err *e);

/* Removes the folders that were made; waits until @deadline for processes that are still in. */
int host_cgroup_remove(struct host_cgroup *g, msec_t deadline, struct err *e);

/* Removes one of host_cgroup_folder() of a server that is dead. What is no cgroup is left alone. */
int host_cgroup_remove_folder(const char *folder, msec_t deadline, struct err *e);

/* What a cgroup may use. 0 and NULL: left as it is. */
#define HOST_UNLIMITED UINT64_MAX

struct host_limits {
	uint64_t memory_bytes; /* or HOST_UNLIMITED */
	uint64_t cpu_quota_us; /* in each cpu_period_us; or HOST_UNLIMITED */
	uint64_t cpu_period_us;
	uint64_t cpu_shares;
	const char *cpus, *mems; /* CPUs and memory nodes of the host; borrowed */
};

/* What limits a sandbox. */
struct host_wants {
	const Grpc__LinuxResources *resources;            /* of a lone container; may be NULL */
	Grpc__Spec__AnnotationsEntry *const *annotations; /* of a pod: of its sandbox */
	size_t n_annotations;
	uint64_t machine_bytes; /* the guest's memory */
	uint64_t cpu_period_us; /* when none is said; 0: the kernel's usual one */
};

/* The limits of its cgroup: what it wants, with room for what serves the guest. */
struct host_limits host_limits_of(const struct host_wants *wants);

/* The CPUs and memory nodes, which must be known before a process joins; and the rest. */
int host_cgroup_set_cpus(const struct host_cgroup *g, const struct host_limits *l, struct err *e);
int host_cgroup_limit(const struct host_cgroup *g, const struct host_limits *l, struct err *e);

/* The least memory limit of @g and the cgroups above; UINT64_MAX: none. */
uint64_t host_cgroup_memory_limit(const struct host_cgroup *g);

/* How many processes of it the kernel has killed for want of memory since it was made or found; 0
 * when the kernel does not tell. */
uint64_t host_cgroup_oom_kills(const struct host_cgroup *g);

/* What its processes use: *@ret is a packed Grpc__StatsContainerResponse, the caller's. What the
 * host does not count is 0. */
int host_cgroup_stats(const struct host_cgroup *g, void **ret, size_t *ret_bytes, struct err *e);
