#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "host/confine/filter.h"
#include "host/confine/root.h"

/*
 * What QEMU and virtiofsd give up before they run, because the guest that they serve may take them
 * over (a container's stand-in uses the filter only). The steps, in this order:
 *
 *	cgroups, core dumps; namespaces; root; user, groups and user namespace; capabilities; no new
 *	privileges; Landlock; filter
 *
 * There are two halves: the parent prepares what can fail for a reason worth a sentence, and
 * confine_enter() only makes system calls, in a child that child_start() has made. Every field is
 * optional: CONFINE_NONE takes away only the capabilities, core dumps and new privileges.
 *
 * The pid namespace is made by child_spec's new_pid_namespace and not here, because a process
 * cannot move itself into a new one.
 */
#define CONFINE_CGROUPS_MAX 16

/* Which user and groups the process has, and what they mean to it. */
struct confine_user {
	bool change; /* false: keep the caller's user, without a user namespace */
	uid_t uid;   /* on the host; in its namespace it has the same number */
	gid_t gid;
	gid_t group;   /* the only supplementary group, one of the host; (gid_t) -1: none */
	int userns_fd; /* -1: none */
};

#define CONFINE_USER_NONE ((struct confine_user){.group = (gid_t) -1, .userns_fd = -1})

/* Which users and groups a user namespace maps. */
enum confine_map {
	CONFINE_MAP_ONE, /* only the process's own */
	CONFINE_MAP_ALL, /* all, with the host's numbers: to serve files of all owners */
};

struct confine {
	int cgroup_fds[CONFINE_CGROUPS_MAX]; /* cgroup.procs */
	size_t n_cgroup_fds;
	int namespaces;  /* CLONE_NEW... of the new ones; never user or pid */
	uint64_t nofile; /* wanted limit of descriptors; 0: leave it as it is */
	struct confine_root root;
	struct confine_user user;
	uint64_t caps;  /* PRIVILEGE(...) to keep, in the user namespace if there is one */
	int ruleset_fd; /* Landlock; -1: none */
	struct confine_filter filter;
};

#define CONFINE_NONE \
	((struct confine){.root = CONFINE_ROOT_NONE, .user = CONFINE_USER_NONE, .ruleset_fd = -1})

/* Takes copies of @fds. */
int confine_cgroups(struct confine *c, const int *fds, size_t n, struct err *e);

/**
 * confine_user() - make the process @uid and @gid in a user namespace of its own
 * @group:	a supplementary group to keep, such as a device's; (gid_t) -1: none
 *
 * Returns 0, or -errno where the kernel gives no user namespace; if the caller then sets
 * user.change, the process becomes that user without one.
 */
int confine_user(struct confine *c, uid_t uid, gid_t gid, gid_t group, enum confine_map map,
		 struct err *e);

/* In the child: struct child_spec's prepare function; @arg is the struct confine. */
int confine_enter(void *arg, struct err *e);

void confine_fini(struct confine *c);
