#pragma once

#include <stddef.h>

#include "base/err.h"

/*
 * What the host has mounted since this server got its mount namespace. It appears here only where
 * the mount above it propagates, and engines make the folder of their containers' roots private: of
 * a container that comes into a running machine the root would be an empty folder.
 *
 * Threads: one that shares its working folder with no other afterwards (CLONE_FS).
 */
#define LATE_MOUNTS_MAX 256

struct late_mounts {
	char *paths[LATE_MOUNTS_MAX]; /* where something was mounted */
	size_t n;
};

/**
 * late_mounts_bring() - make @path lead here to what it leads to on the host
 * @host_ns:	the host's mount namespace
 * @path:	absolute
 *
 * With what is mounted below it. No-op where it leads to the same already, and where it is missing
 * on either side, because whoever uses it next says so. Returns 0, -E2BIG, or -errno.
 */
int late_mounts_bring(struct late_mounts *m, int host_ns, const char *path, struct err *e);

/* Takes them away again, which what was made of them survives. */
void late_mounts_drop(struct late_mounts *m);
