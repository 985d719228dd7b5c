#include <errno.h>
#include <stdlib.h>

#include "agent/container/container_priv.h"

/* An exec process in a container, as the agent drives it. */

static void exec_heard(void *arg, const struct note *note, int *fd)
{
	struct container_process *p = arg;

	switch ((enum step) note->step) {
	case STEP_TERMINAL:
		fd_close(p->tty);
		p->tty = take_fd(fd);
		return;
	case STEP_EXECUTING:
		p->executing = true;
		return;
	case STEP_FAILED:
		if (p->err.code == 0)
			p->err = note->err;
		break;
	default:
		if (p->err.code == 0)
			(void) err_say(&p->err, EPROTO, "heard '%s' out of turn",
				       step_name(note->step));
	}
	worker_kill(&p->worker);
}

static void exec_closed(void *arg)
{
	struct container_process *p = arg;

	if (p->executing && p->err.code == 0)
		container_process_tell(p);
}

static void exec_ended(void *arg, int status)
{
	struct container_process *p = arg;
	struct container *c = p->container;

	p->ended = true;
	p->status = status;
	if (!p->executing) {
		container_process_died(p, "it could execute the program");
		(void) err_wrap(&p->err, 0, "execute in container '%s'", c->id);
	}

	bool became = p->err.code == 0;

	container_pin(c);
	container_process_pin(p);
	container_process_tell(p);
	if (!p->freed && became)
		p->exited(p->arg, status);
	(void) container_process_unpin(p);
	if (container_unpin(c))
		container_removal_step(c);
}

static const struct worker_events exec_events = {
	.heard = exec_heard,
	.closed = exec_closed,
	.ended = exec_ended,
};

/* Fields that an exec process leaves out are as for the init process, except noNewPrivileges:
 * without it the value is false, as with runc. */
static Grpc__Process with_defaults(const Grpc__Process *process, const Grpc__Process *defaults)
{
	Grpc__Process p = *process;

	if (!p.capabilities)
		p.capabilities = defaults->capabilities;
	if (p.n_rlimits == 0) {
		p.rlimits = defaults->rlimits;
		p.n_rlimits = defaults->n_rlimits;
	}
	if (!p.has_oomscoreadj) {
		p.has_oomscoreadj = defaults->has_oomscoreadj;
		p.oomscoreadj = defaults->oomscoreadj;
	}
	return p;
}

/* A workload that manages cgroups itself (systemd, a container engine) has moved its processes into
 * groups below, and then the one above takes none (-EBUSY): use the cgroup of init. */
static int start_worker(struct container_process *p, struct worker_spec *spec, struct err *e)
{
	struct container *c = p->container;
	struct err first = {0};
	int r = worker_start(&p->worker, c->host, spec, &exec_events, p, &first);

	if (r == -EBUSY) {
		auto_close int fd = cgroup_open_of(c->cgroup, c->init.worker.pid, e);

		if (fd < 0)
			return fd;
		spec->cgroup_fd = fd;
		return worker_start(&p->worker, c->host, spec, &exec_events, p, e);
	}
	if (r < 0 && e)
		*e = first;
	return r;
}

int container_exec(struct container *c, const Grpc__Process *process,
		   const struct container_stdio *stdio, container_done_fn done,
		   container_exited_fn exited, void *arg, struct container_process **ret,
		   struct err *e)
{
	if ((c->state != CONTAINER_RUNNING && c->state != CONTAINER_CREATED) || c->removing)
		return err_say(e, EBUSY, "cannot execute in container '%s': it is %s", c->id,
			       container_state_name(c->state));

	auto_ptr(container_process_free) struct container_process *p = calloc(1, sizeof *p);

	if (!p)
		return err_sys(e, ENOMEM, "execute in container '%s'", c->id);
	container_process_init(p, c);

	auto_close int job = -1;
	Grpc__Process full = with_defaults(process, c->defaults);
	int r = container_pack(&full.base, &job, e);

	if (r < 0)
		return r;

	struct worker_spec spec = {
		.kind = c->has_userns ? CHILD_EXEC_USERNS : CHILD_EXEC,
		.id = c->id,
		.bundle = c->bundle,
		.number = c->personality,
		.pid_ns = c->init.worker.pidfd,
		.cgroup_fd = cgroup_fd(c->cgroup),
	};

	for (int i = 0; i < 3; i++)
		worker_spec_add_fd(&spec, stdio->fds[i], i);
	worker_spec_add_fd(&spec, job, CHILD_JOB);
	worker_spec_add_fd(&spec, c->filter_fd, CHILD_FILTER);
	worker_spec_add_fd(&spec, c->init.worker.pidfd, CHILD_INIT_PIDFD);
	r = start_worker(p, &spec, e);
	if (r < 0)
		return err_wrap(e, r, "execute in container '%s'", c->id);
	p->done = done;
	p->done_arg = p->arg = arg;
	p->exited = exited;
	list_add(&c->execs, &p->link);
	*ret = take_ptr(p);
	return 0;
}
