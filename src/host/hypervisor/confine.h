#pragma once

#include <stddef.h>

#include "base/err.h"
#include "host/confine/confine.h"
#include "host/hypervisor/hypervisor.h"

/*
 * What the child gives up before it becomes QEMU (host/confine/confine.h has the order and the
 * means). QEMU runs as a user that no other process has, in namespaces of its own, without
 * capabilities; its root has its program, libraries and firmware until the machine is built and is
 * empty afterwards; an allow-list of system calls and Landlock limit it further. QEMU's own filter
 * (-sandbox) comes on top: QEMU enters it after its start, so it can also forbid what the start
 * needs, above all execve().
 *
 * A QEMU that serves files by 9p keeps the capabilities to do so for all owners, in a user
 * namespace that maps them all, and "/proc" in its root, because it changes extended attributes
 * through /proc/self/fd. With vm_spec.rootless it has no capabilities and serves files as its own
 * user.
 */

/**
 * qemu_confine_prepare() - do in the parent what can fail with a sentence
 * @c:		is CONFINE_NONE; the caller frees it with confine_fini()
 * @fds:	QEMU's descriptors; it reopens some (kernel, initrd) through /proc/self/fd
 *
 * A layer that this host's kernel does not have is logged and left out, or with @spec's
 * require_confinement a failure.
 */
int qemu_confine_prepare(struct confine *c, const struct vm_spec *spec, enum hv_accel accel,
			 const char *program, const int *fds, size_t n_fds, struct err *e);

/* The system calls of a QEMU, see calls.c. @is_server: QEMU serves files by 9p. */
void qemu_calls(struct confine_filter_spec *ret, bool is_server);
