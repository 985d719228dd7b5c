#pragma once

#include "host/confine/confine.h"

/*
 * What the child gives up before it becomes a VMM (host/confine/confine.h has the order and the
 * means). A VMM runs as a user that no other process has, in namespaces of its own, without
 * capabilities; its root has its program, libraries and firmware until the machine is built, and
 * the driver empties it then; an allow-list of system calls and Landlock limit it further.
 *
 * A VMM that serves files itself keeps the capabilities to do so, in a user namespace that maps all
 * owners, and "/proc" in its root, because it changes files through /proc/self/fd.
 */
struct vmm_confinement {
	const char *vmm; /* in sentences: "QEMU" */
	const char *program;
	const struct confine_filter_spec *calls;
	uid_t uid; /* 0 and 0: the caller's own */
	gid_t gid;
	bool require;   /* fail where the host's kernel lacks a layer, instead of a warning */
	bool kvm;       /* it needs /dev/kvm */
	uint64_t caps;  /* PRIVILEGE(...) to keep, in its user namespace */
	int served_fd;  /* the folder whose files it serves; -1: none */
	const int *fds; /* files of its that it opens again through /proc/self/fd */
	size_t n_fds;
};

/* Does in the parent what can fail with a sentence. @c is CONFINE_NONE, perhaps with cgroups; the
 * caller frees it with confine_fini(). After a failure it is CONFINE_NONE. */
int vmm_confine(struct confine *c, const struct vmm_confinement *v, struct err *e);
