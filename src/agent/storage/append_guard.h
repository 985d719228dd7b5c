#pragma once

#include "base/err.h"

/*
 * Refuses two operations that a file server which appends every write to a descriptor that was
 * opened with O_APPEND does wrong, silently: pages of a mapping are written back through any
 * descriptor of the mapped file, and would be appended instead of going to their place; and a
 * descriptor from which a program has taken O_APPEND still appends, because the server is not told.
 * On virtio-fs, mapping a descriptor that appends, shared, is ENODEV here, as on a file system that
 * cannot map; taking O_APPEND away is EPERM, as for a file with the attribute "append only".
 *
 * It is two programs for the kernel's security hooks (BPF_PROG_TYPE_LSM). They are in force as long
 * as their descriptors are open. Private to agent/storage.
 */
#define APPEND_GUARDS 2

/* The kernel facts they need: made with the guest image, see guest-image/kernel-facts. */
#define KERNEL_FACTS_FILE "/lib/modules/kernel-facts"

struct append_guard {
	int fds[APPEND_GUARDS]; /* -1: not in force */
};

/* Returns 0 or -errno: then none is in force. */
int append_guard_init(struct append_guard *g, const char *facts_file, struct err *e);

void append_guard_fini(struct append_guard *g);
