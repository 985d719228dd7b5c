#pragma once

#include <stddef.h>

#include "base/err.h"
#include "host/confine/confine.h"
#include "host/hypervisor/hypervisor.h"

/*
 * What QEMU's process gives up before it becomes QEMU, and (host/confine/confine.h has the order and
 * the means). It is a user that nobody else is, in namespaces of its own, without capabilities; its
 * root has its program, libraries and firmware until the machine is built and nothing afterwards; an
 * allow-list of system calls, and Landlock. QEMU's own filter (-sandbox) comes on top: it is entered
 * by QEMU itself and so can forbid what QEMU's start takes, above all execve().
 *
 * A QEMU that serves files (9p) for containers keeps the capabilities to do so for all owners, in a
 * user namespace where all of them are known, and "/proc" in its root: it works on extended attributes
 * by /proc/self/fd. With vm_spec.rootless it has none and serves as itself.
 */

/**
 * qemu_confine_prepare() - all that can fail for a reason worth a sentence
 * @c:		is CONFINE_NONE; what it holds is let go of with confine_fini()
 * @fds:	what QEMU gets; it opens some of them again by /proc/self/fd (kernel, initrd)
 *
 * A layer that this host's kernel does not have is logged and left out, or with @spec's
 * require_confinement a failure.
 */
int qemu_confine_prepare(struct confine *c, const struct vm_spec *spec, enum hv_accel accel,
			 const char *program, const int *fds, size_t n_fds, struct err *e);

/* The system calls of a QEMU: src/host/hypervisor/qemu/calls.c. @is_server: of files. */
void qemu_calls(struct confine_filter_spec *ret, bool is_server);
