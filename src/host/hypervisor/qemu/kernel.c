#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "host/hypervisor/qemu/qemu.h"

/* The kernel is written into the guest's memory by us where that is a file of ours, so that QEMU
 * does not keep it mapped: docs/memory.md. */

/* Where the command has QEMU's descriptor @as. */
static int *given(struct qemu_command *c, int as)
{
	return &c->fds[as - QEMU_FD_FIRST].fd;
}

static int copy_fd(int fd, int *ret, struct err *e)
{
	*ret = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return *ret < 0 ? err_sys(e, errno, "keep the guest's kernel") : 0;
}

/* Only then is the stub put in the kernel's place. */
static int keep(struct qemu *q, struct err *e)
{
	struct qemu_command *c = &q->command;
	auto_close int stub = kernel_image_stub(*given(c, c->kernel_as), &q->kernel.image, e);
	int r = stub < 0 ? stub : copy_fd(*given(c, c->memory_as), &q->kernel.memory_fd, e);

	if (r < 0)
		return r;
	q->kernel.file_fd = *given(c, c->kernel_as);
	*given(c, c->kernel_as) = take_fd(&stub);
	return 0;
}

int qemu_take_kernel(struct qemu *q, struct err *e)
{
	struct qemu_command *c = &q->command;
	struct err why = {0};
	int r;

	if (!c->kernel_as || !c->memory_as || q->saved.loads)
		return 0;
	r = kernel_image_read(*given(c, c->kernel_as), &q->kernel.image, &why);
	if (r == -ENOEXEC) /* QEMU loads it, or says what is wrong with it */
		return 0;
	if (r < 0) {
		if (e)
			*e = why;
		return r;
	}
	return keep(q, e);
}

int qemu_write_kernel(struct qemu *q, struct err *e)
{
	struct qemu_kernel *k = &q->kernel;

	if (k->file_fd < 0)
		return 0;
	return kernel_image_write(k->file_fd, &k->image, k->memory_fd, q->memory.bytes, e);
}

void qemu_empty_memory(struct qemu *q)
{
	if (q->kernel.memory_fd >= 0 &&
	    fallocate(q->kernel.memory_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
		      (off_t) q->memory.bytes) < 0)
		log_warn("ignoring that the guest's memory is not empty: %s", strerror(errno));
}

void qemu_kernel_fini(struct qemu *q)
{
	q->kernel.file_fd = fd_close(q->kernel.file_fd);
	q->kernel.memory_fd = fd_close(q->kernel.memory_fd);
}
