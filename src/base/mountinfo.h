#pragma once

#include <stddef.h>

#include "base/err.h"

/*
 * The mounts of this process's namespace, as /proc/self/mountinfo lists them (proc(5)).
 */
struct mount_line {
	int id, parent;
	unsigned major, minor;
	char *root;  /* the folder of the file system that is mounted */
	char *point; /* where, as this process sees it */
	char *type;  /* of the file system */
	char *super; /* the file system's own options, with commas; "" when there are none */
};

struct mountinfo {
	char *text;
	struct mount_line *lines; /* their words are in text */
	size_t n;
};

/* The caller ends it with mountinfo_fini(). */
int mountinfo_read(struct mountinfo *ret, struct err *e);

/* The same from a text, which is swallowed in any case. */
int mountinfo_parse(char *take_text, struct mountinfo *ret, struct err *e);

/* Accepts a zeroed struct. */
void mountinfo_fini(struct mountinfo *m);

/* The mount that @line is mounted on; NULL for the root of the namespace. */
const struct mount_line *mountinfo_parent(const struct mountinfo *m, const struct mount_line *line);

/* The mount of the open file @fd. NULL: that mount is not in this namespace. */
const struct mount_line *mountinfo_of(const struct mountinfo *m, int fd);
