#pragma once

#include <stdbool.h>

#include "agent/container/child/setup.h"
#include "oci/names.h"

/* A mount that becomes read-only once everything in it is made. */
struct late {
	const char *path;
};

/* A parsed entry of mounts[]. */
struct mount_entry {
	const Grpc__Mount *spec;
	size_t index;
	struct oci_mount_options options;
	bool is_bind;
	char path[4096]; /* destination, cleaned: absolute, without ".", ".." and doubled slashes */
};

/* Makes root.path the working folder and copies its tree into s->root->fd, attached nowhere. */
int open_root(struct setup *s, struct err *e);

/* On success the caller calls mount_entry_fini(). Errors name the field. */
int mount_entry_read(const struct setup *s, size_t index, struct mount_entry *ret, struct err *e);
void mount_entry_fini(struct mount_entry *m);

/* The tree to bind, attached nowhere, with its owners mapped if so asked. */
int mount_entry_open_source(const struct setup *s, const struct mount_entry *m, struct err *e);

/* Fails with -EPERM when @target_fd is in /proc, and @m may not be mounted there. */
int mount_entry_check_proc(const struct setup *s, const struct mount_entry *m, int target_fd,
			   struct err *e);

/* A tmpfs that begins with a copy of what is at @target_fd; attached nowhere. */
int mount_copied_up(const struct mount_entry *m, int target_fd, const char *data, struct err *e);
