#pragma once

#include "host/sandbox/model.h"

/* The sandbox's cgroups of the host (docs/host-cgroups.md). Private to host/sandbox. */

/* Finds out where they will be, for the notes of a server that is killed while it makes them. */
int cgroups_plan(struct sandbox *sb, const struct sandbox_spec *spec, struct err *e);

/* Makes them and moves this process there, and with it all helpers that it starts from now on. When
 * it fails cgroups_remove() is due. */
int cgroups_make(struct sandbox *sb, const struct sandbox_spec *spec, struct err *e);

/* Opens the files by which the VMM joins, if it is not to be where this process is. *@ret_n of
 * @ret_fds, which has room for VM_CGROUPS_MAX, are the caller's; 0 after a failure. */
int cgroups_open_vmm(struct sandbox *sb, int *ret_fds, size_t *ret_n, struct err *e);

/* Moves the vCPUs of a VMM that could not join, where threads can be apart from their process. */
int cgroups_place_vcpus(struct sandbox *sb, msec_t deadline, struct err *e);

/* Sets what the sandbox may use. After the boot, because a guest that boots with a tenth of a CPU
 * takes a minute, and runs nothing of the pod's yet. */
int cgroups_limit(struct sandbox *sb, const struct sandbox_spec *spec, struct err *e);

/* Changes the limits of a lone container. Blocks: systemd is told. */
int cgroups_update(struct sandbox *sb, const Grpc__LinuxResources *resources, struct err *e);

/* Changes the quota of a pod that has one to @cpu_milli, what its containers may use in all, in
 * thousandths of a CPU; 0: one of them has no limit. Blocks, too. */
int cgroups_update_pod(struct sandbox *sb, uint64_t cpu_milli, struct err *e);

/* Adds to @why, which says that a process of the sandbox has ended, that the kernel has killed it
 * for want of memory; false if it has not. */
bool cgroups_explain(struct sandbox *sb, struct err *why);

/* As host_cgroup_stats(), of the sandbox. -ENOENT: it has no cgroup. */
int cgroups_stats(struct sandbox *sb, void **ret, size_t *ret_bytes, struct err *e);

/* Begins to move this process back to where it came from, beside what the caller goes on to do. */
void cgroups_begin_leave(struct sandbox *sb);

/* Waits until it has moved, and removes the cgroups; failures are logged. */
void cgroups_remove(struct sandbox *sb);
