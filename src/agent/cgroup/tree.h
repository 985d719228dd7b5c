#pragma once

#include <stdbool.h>

#include "agent/cgroup/cgroup.h"
#include "agent/cgroup/device_programs.h"

/* What the files of this layer share. */

struct cgroup_root {
	int fd;                /* the folder where cgroup2 is mounted */
	char controllers[128]; /* "+cpu +memory ...": what is turned on for those below */
	struct device_programs programs;
};

struct cgroup {
	struct cgroup_root *root;
	char *path; /* below the root, without a slash at either end */
	int fd;
	int device_prog;         /* the attached eBPF program, -1 for none */
	struct watcher *watcher; /* events.c; NULL when nobody watches */
};

/* file.c: the value after "key " in a file of lines "key value". Returns false when it is not
 * there. */
bool cgroup_read_key(const struct cgroup *cg, const char *file, const char *key, uint64_t *ret);

/* The number that is all of a file; "max" is UINT64_MAX. Returns false when it is not there. */
bool cgroup_read_number(const struct cgroup *cg, const char *file, uint64_t *ret);

/* The largest cgroup file that is read; most are shorter than a page. */
#define CGROUP_FILE_MAX_BYTES (256 * 1024)

/* Accepts NULL. */
void cgroup_watcher_free(struct watcher *w);

/* Turns the path of the specification into one below the root. *@ret is freed with free(). Returns
 * 0 or -EINVAL. */
int cgroup_path_from_spec(const char *path, char **ret, struct err *e);
