/* A pid namespace that several containers share: a process of the agent's keeps it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/container/container.h"
#include "agent/container/worker.h"
#include "base/fd.h"

/* The process only makes a few system calls, and no workload can delay it. */
#define READY_TIMEOUT_MS 10000

struct container_pids {
	struct worker worker;
	int fd;
	void (*ended)(void *arg);
	void *arg;
};

static void heard(void *arg, const struct note *note, int *fd)
{
	(void) arg, (void) note, (void) fd; /* it says nothing after STEP_READY */
}

static void closed(void *arg)
{
	(void) arg; /* it ends next */
}

static void ended(void *arg, int status)
{
	struct container_pids *p = arg;

	(void) status;
	p->ended(p->arg);
}

static const struct worker_events events = {.heard = heard, .closed = closed, .ended = ended};

/* Waits until the process has given up everything. */
static int await_ready(const struct worker *w, struct err *e)
{
	struct pollfd p = {.fd = w->control, .events = POLLIN};
	struct note note;
	auto_close int fd = -1;
	int r;

	do
		r = poll(&p, 1, READY_TIMEOUT_MS);
	while (r < 0 && errno == EINTR);
	if (r <= 0)
		return err_sys(e, r < 0 ? errno : ETIMEDOUT, "hear from its first process");
	r = handshake_hear(w->control, &note, &fd, e);
	if (r == 0)
		return err_say(e, ECHILD, "its first process has ended");
	if (r > 0 && note.step == STEP_FAILED) {
		if (e)
			*e = note.err;
		return -note.err.code;
	}
	return r < 0 ? r : 0;
}

int container_pids_new(struct container_host *host, void (*ended_fn)(void *arg), void *arg,
		       struct container_pids **ret, struct err *e)
{
	static const struct worker_spec spec = {
		.kind = CHILD_HOLD_PIDS,
		.id = "",
		.bundle = "",
		.new_pid_ns = true,
		.pid_ns = -1,
		.cgroup_fd = -1,
	};
	auto_ptr(container_pids_free) struct container_pids *p = calloc(1, sizeof *p);
	char path[64];

	if (!p)
		return err_sys(e, ENOMEM, "make a pid namespace");
	p->fd = -1;
	p->ended = ended_fn;
	p->arg = arg;

	int r = worker_start(&p->worker, host, &spec, &events, p, e);

	if (r == 0)
		r = await_ready(&p->worker, e);
	if (r < 0)
		return err_wrap(e, r, "make the pod's pid namespace");
	(void) snprintf(path, sizeof path, "/proc/%d/ns/pid", (int) p->worker.pid);
	p->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (p->fd < 0)
		return err_sys(e, errno, "open the pod's pid namespace");
	*ret = take_ptr(p);
	return 0;
}

int container_pids_fd(const struct container_pids *p)
{
	return p->fd;
}

void container_pids_free(struct container_pids *p)
{
	if (!p)
		return;
	worker_fini(&p->worker);
	fd_close(p->fd);
	free(p);
}
