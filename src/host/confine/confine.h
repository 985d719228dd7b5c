#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "host/confine/filter.h"
#include "host/confine/root.h"

/*
 * What a program of ours gives up before it runs, for it works for a guest that may have taken it over
 * by the time it matters: QEMU, virtiofsd and whoever stands in for a container. One order of steps for all
 * of them:
 *
 *	cgroups, core dumps; namespaces; root; user, groups and user namespace; capabilities; no new
 *	privileges; Landlock; filter
 *
 * Made in two halves: what can fail for a reason worth a sentence is prepared in the parent, and
 * confine_enter() only makes system calls, in a child that child_start() has made. Every field is
 * optional: CONFINE_NONE takes away nothing but the capabilities, core dumps and new privileges.
 *
 * The pid namespace is not made here but by child_spec's new_pid_namespace, because only the first
 * process of one can be in it.
 */
#define CONFINE_CGROUPS_MAX 16

/* Which user and groups the process has, and what they mean to it. */
struct confine_user {
	bool change; /* false: stay who we are, without a user namespace */
	uid_t uid;   /* on the host; in its namespace it has the same number */
	gid_t gid;
	gid_t group;   /* the one supplementary group, kept from the host; (gid_t) -1: none */
	int userns_fd; /* -1: none */
};

#define CONFINE_USER_NONE ((struct confine_user){.group = (gid_t) -1, .userns_fd = -1})

/* Who is there in a user namespace. */
enum confine_map {
	CONFINE_MAP_ONE, /* only itself */
	CONFINE_MAP_ALL, /* all, as they are: to serve files of all owners with capabilities */
};

struct confine {
	int cgroup_fds[CONFINE_CGROUPS_MAX]; /* cgroup.procs */
	size_t n_cgroup_fds;
	int namespaces;  /* CLONE_NEW...: made new, but never user or pid */
	uint64_t nofile; /* limit of descriptors that is wanted; 0: as it is */
	struct confine_root root;
	struct confine_user user;
	uint64_t caps;  /* PRIVILEGE(...) that are kept, in the user namespace if there is one */
	int ruleset_fd; /* Landlock; -1: none */
	struct confine_filter filter;
};

#define CONFINE_NONE \
	((struct confine){.root = CONFINE_ROOT_NONE, .user = CONFINE_USER_NONE, .ruleset_fd = -1})

/* Takes copies of @fds. */
int confine_cgroups(struct confine *c, const int *fds, size_t n, struct err *e);

/**
 * confine_user() - be @uid and @gid in a user namespace of one's own
 * @group:	to be kept, such as the one of a device; (gid_t) -1: none
 *
 * Returns 0, or -errno where the kernel gives no user namespace; then the process could still become
 * that user without one, if the caller sets user.change.
 */
int confine_user(struct confine *c, uid_t uid, gid_t gid, gid_t group, enum confine_map map,
		 struct err *e);

/* In the child: struct child_spec's prepare function; @arg is the struct confine. */
int confine_enter(void *arg, struct err *e);

void confine_fini(struct confine *c);
