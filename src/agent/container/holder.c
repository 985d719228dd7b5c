/* Namespaces that several containers share: a process of the agent's keeps them. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/container/container.h"
#include "agent/container/worker.h"
#include "base/array.h"
#include "base/fd.h"
#include "oci/names.h"

/* The process only makes a few system calls, and no workload can delay it. */
#define READY_TIMEOUT_MS 10000

static const int types[] = {CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWIPC, CLONE_NEWUTS};

#define TYPES ARRAY_LEN(types)

struct container_holder {
	struct worker worker;
	int fds[TYPES]; /* in the order above; -1: none */
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
	struct container_holder *h = arg;

	(void) status;
	h->ended(h->arg);
}

static const struct worker_events events = {.heard = heard, .closed = closed, .ended = ended};

static int hear(const struct worker *w, enum step wanted, struct err *e)
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
	if (r > 0 && note.step != (uint32_t) wanted)
		return err_say(e, EPROTO, "heard '%s' out of turn", step_name(note.step));
	return r < 0 ? r : 0;
}

/* Before the process goes on, because it leaves the namespaces that it does not need itself. */
static int open_namespaces(struct container_holder *h, uint32_t made, struct err *e)
{
	char path[64];

	for (size_t i = 0; i < TYPES; i++) {
		if (!(made & (uint32_t) types[i]))
			continue;
		(void) snprintf(path, sizeof path, "/proc/%d/ns/%s", (int) h->worker.pid,
				oci_namespace_file(types[i]));
		h->fds[i] = open(path, O_RDONLY | O_CLOEXEC);
		if (h->fds[i] < 0)
			return err_sys(e, errno, "open '%s'", path);
	}
	return 0;
}

/* Waits until the process has given up everything. */
static int await_ready(struct container_holder *h, const struct container_user_maps *users,
		       struct err *e)
{
	int r = users ? hear(&h->worker, STEP_USERNS_MADE, e) : 0;

	if (r == 0 && users)
		r = worker_map_users(&h->worker, users->uid_map, users->gid_map, e);
	return r < 0 ? r : hear(&h->worker, STEP_READY, e);
}

int container_holder_new(struct container_host *host, const struct container_user_maps *users,
			 void (*ended_fn)(void *arg), void *arg, struct container_holder **ret,
			 struct err *e)
{
	const struct worker_spec spec = {
		.kind = CHILD_HOLD,
		.id = "",
		.bundle = "",
		.number = users != NULL,
		.new_ns = users ? CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS
				: CLONE_NEWPID,
		.pid_ns = -1,
		.cgroup_fd = -1,
	};
	auto_ptr(container_holder_free) struct container_holder *h = calloc(1, sizeof *h);

	if (!h)
		return err_sys(e, ENOMEM, "make the pod's namespaces");
	for (size_t i = 0; i < TYPES; i++)
		h->fds[i] = -1;
	h->ended = ended_fn;
	h->arg = arg;

	int r = worker_start(&h->worker, host, &spec, &events, h, e);

	if (r == 0)
		r = open_namespaces(h, spec.new_ns, e);
	if (r == 0)
		r = await_ready(h, users, e);
	if (r < 0)
		return err_wrap(e, r, "make the pod's %s namespace", users ? "user" : "pid");
	*ret = take_ptr(h);
	return 0;
}

int container_holder_ns(const struct container_holder *h, int flag)
{
	for (size_t i = 0; i < TYPES; i++)
		if (types[i] == flag)
			return h->fds[i];
	return -1;
}

void container_holder_free(struct container_holder *h)
{
	if (!h)
		return;
	worker_fini(&h->worker);
	for (size_t i = 0; i < TYPES; i++)
		fd_close(h->fds[i]);
	free(h);
}
