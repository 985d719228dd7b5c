#pragma once

#include "base/mountinfo.h"

/* The hierarchies of cgroups that this process can reach. Private to host/cgroup. */

/* cgroup v1 knows about a dozen controllers; each can be alone. */
#define HIERARCHIES_MAX 16

struct hierarchy {
	bool unified;      /* cgroup v2 */
	char *controllers; /* v1: "cpu,cpuacct", "name=systemd"; v2: "" */
	char *top;         /* where it is mounted */
	char *own;         /* the folder of the cgroup that this process is in */
};

struct hierarchies {
	struct hierarchy list[HIERARCHIES_MAX];
	size_t n;
};

/* @own is /proc/self/cgroup. Of a hybrid host only those of v1. The caller ends it with
 * hierarchies_fini(), also after a failure. */
int hierarchies_find(const struct mountinfo *mounts, const char *own, struct hierarchies *ret,
		     struct err *e);
void hierarchies_fini(struct hierarchies *h);

/* Whether @list, words with commas between, has @word. */
bool hierarchy_word(const char *list, const char *word);
