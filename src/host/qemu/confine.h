#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "host/hypervisor/hypervisor.h"

/*
 * What QEMU's process gives up before it becomes QEMU: cgroup, namespaces (network, IPC, host name),
 * user and groups, capabilities, the way to new privileges, core dumps, and with Landlock every file
 * that it has no business with. Its own seccomp filter comes on top (-sandbox).
 *
 * Made in two halves: what can fail for a reason worth a sentence is prepared in the parent; the
 * child only makes system calls.
 */
struct qemu_confine {
	int ruleset_fd; /* Landlock; -1 where the kernel has none */
	uid_t uid;      /* 0: stay */
	gid_t gid;
	gid_t kvm_gid; /* to keep as the one supplementary group; (gid_t) -1: none */
	uint64_t caps; /* kept; 0: none */
	bool isolate;  /* new namespaces: we may make them */
	int cgroup_fds[VM_CGROUPS_MAX];
	size_t n_cgroup_fds;
};

#define QEMU_CONFINE_NONE ((struct qemu_confine){.ruleset_fd = -1, .kvm_gid = (gid_t) -1})

/* @c is QEMU_CONFINE_NONE. @fds: what QEMU gets; it opens some of them again
 * by /proc/self/fd (kernel, initrd). */
int qemu_confine_prepare(struct qemu_confine *c, const struct vm_spec *spec, enum hv_accel accel,
		    const char *program, const int *fds, size_t n_fds, struct err *e);

void qemu_confine_fini(struct qemu_confine *c);

/* In the child: struct child_spec's prepare function; @arg is the struct. */
int qemu_confine_enter(void *arg, struct err *e);
