#pragma once

#include <stddef.h>

#include "base/child.h"
#include "host/hypervisor/hypervisor.h"
#include "host/hypervisor/qemu/arch.h"

/*
 * A vm_spec becomes QEMU's arguments and the descriptors that go with them. Text of the user or the
 * administrator is a whole argument or has its commas doubled, so that it cannot add an option.
 */

/* QEMU's numbers for the descriptors that are made for each start. */
enum {
	QEMU_FD_QMP = 3,
	QEMU_FD_CONSOLE,
	QEMU_FD_AGENT, /* only with a serial channel */
	QEMU_FD_FIRST, /* the first of those that struct qemu_command owns */
};

#define QEMU_ARGS_MAX 160
#define QEMU_FDS_MAX  48

struct qemu_command {
	char *argv[QEMU_ARGS_MAX + 1]; /* NULL-terminated */
	size_t argc;
	struct child_fd fds[QEMU_FDS_MAX]; /* .fd is owned here, .as is its number in QEMU */
	size_t n_fds;
	int fdsets;
	int error; /* of the first argument that could not be added, or 0 */
};

/* What the driver decided before it builds the command. */
struct qemu_choice {
	const struct qemu_arch *arch;
	const struct qemu_machine *machine;
	enum hv_accel accel;
	enum hv_channel channel;
	int vhost_fd;       /* vsock; borrowed */
	uint32_t guest_cid; /* vsock */
	const char *program;
	const char *kernel_params;
};

/* Builds into zeroed @c; opens what @spec names. On failure @c is empty again. */
int qemu_command_build(struct qemu_command *c, const struct vm_spec *spec,
		       const struct qemu_choice *choice, struct err *e);

/* Accepts a zeroed struct. */
void qemu_command_fini(struct qemu_command *c);
