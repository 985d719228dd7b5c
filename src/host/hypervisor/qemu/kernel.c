#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "host/hypervisor/qemu/qemu.h"

/* The kernel is written into the guest's memory without QEMU where that is a file of ours, so that
 * QEMU does not keep it mapped: docs/memory.md. The child does it before it becomes QEMU, so that
 * time and memory are the machine's. */

/* Where the command has QEMU's descriptor @as. */
static int *given(struct qemu_command *c, int as)
{
	return &c->fds[as - QEMU_FD_FIRST].fd;
}

/* The stub takes the kernel's place in the command, and the kernel gets another of QEMU's numbers.
 * Its own number stays in use, because the descriptors of the confinement, which are made next,
 * must be above all that QEMU gets. */
static int exchange(struct qemu_command *c, int take_stub, struct err *e)
{
	int *kernel = given(c, c->kernel_as);
	int file = *kernel, as;

	*kernel = take_stub;
	as = qemu_give_fd(c, file);
	if (as < 0)
		return err_sys(e, -as, "give QEMU's child the guest kernel");
	c->image_as = as;
	return 0;
}

int qemu_take_kernel(struct qemu *q, struct err *e)
{
	struct qemu_command *c = &q->command;
	struct err why = {0};
	int r;

	if (!c->kernel_as || !c->memory_as || q->saved.loads)
		return 0;
	r = kernel_image_read(*given(c, c->kernel_as), &q->kernel, &why);
	if (r == -ENOEXEC) /* QEMU loads it, or says what is wrong with it */
		return 0;
	if (r < 0) {
		if (e)
			*e = why;
		return r;
	}
	r = kernel_image_stub(*given(c, c->kernel_as), &q->kernel, e);
	return r < 0 ? r : exchange(c, r, e);
}

int qemu_become(void *arg, struct err *e)
{
	struct qemu *q = arg;
	const struct qemu_command *c = &q->command;
	int r = confine_enter(&q->confine, e);

	if (r < 0 || !c->image_as)
		return r;
	r = kernel_image_write(c->image_as, &q->kernel, c->memory_as, q->memory.bytes, e);
	(void) close(c->image_as);
	return r;
}

void qemu_empty_memory(struct qemu *q)
{
	struct qemu_command *c = &q->command;

	if (c->image_as &&
	    fallocate(*given(c, c->memory_as), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
		      (off_t) q->memory.bytes) < 0)
		log_warn("ignoring that the guest's memory is not empty: %s", strerror(errno));
}
