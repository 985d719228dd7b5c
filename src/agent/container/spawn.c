#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/container/container_priv.h"
#include "base/log.h"

/* The init process of a container, as the agent drives it. See handshake.h for the steps. */

static void fail(struct container *c, struct err *err)
{
	if (c->init.err.code == 0)
		c->init.err = *err;
	worker_kill(&c->init.worker);
}

static void hooks_before_pivot_done(struct container *c)
{
	struct err err = c->hooks_err;

	if (err.code == 0)
		(void) worker_tell(&c->init.worker, STEP_GO, &err);
	if (err.code)
		fail(c, &err);
	container_removal_step(c);
}

static int write_maps(struct container *c, struct err *e)
{
	if (!c->uid_map || !c->gid_map)
		return err_say(e, EPROTO, "heard of a user namespace that nobody asked for");
	return worker_map_users(&c->init.worker, c->uid_map, c->gid_map, e);
}

static void created(struct container *c)
{
	c->state = CONTAINER_CREATED;
	c->was_created = true;
	if (!c->has_poststart && !c->has_poststop)
		c->spec_fd = fd_close(c->spec_fd);
	container_process_tell(&c->init);
}

static void init_heard(void *arg, const struct note *note, int *fd)
{
	struct container *c = arg;
	struct err err = {0};

	switch ((enum step) note->step) {
	case STEP_USERNS_MADE:
		(void) write_maps(c, &err);
		break;
	case STEP_MOUNTED:
		(void) container_run_hooks(c, CHILD_CREATE_HOOKS, hooks_before_pivot_done, &err);
		break;
	case STEP_TERMINAL:
		fd_close(c->init.tty);
		c->init.tty = take_fd(fd);
		break;
	case STEP_FILTER:
		fd_close(c->filter_fd);
		c->filter_fd = take_fd(fd);
		break;
	case STEP_READY:
		if (c->state == CONTAINER_CREATING && !c->removing)
			created(c);
		return;
	case STEP_EXECUTING:
		c->init.executing = c->state == CONTAINER_STARTING;
		return;
	case STEP_FAILED:
		err = note->err;
		break;
	default:
		(void) err_say(&err, EPROTO, "heard '%s' out of turn", step_name(note->step));
	}
	if (err.code)
		fail(c, &err);
}

static void tell_pause_failed(struct container *c)
{
	container_done_fn paused = c->paused;
	struct err err = {0};

	c->paused = NULL;
	(void) err_say(&err, ESRCH, "pause container '%s': it has ended", c->id);
	paused(c->paused_arg, -err.code, &err);
}

/* Reports the end of the init process to the calls that wait for it, to the owner of the container,
 * and to a removal under way. */
static void tell_end(struct container *c)
{
	struct container_process *p = &c->init;

	c->state = CONTAINER_STOPPED;
	container_pin(c);
	container_process_tell(p);
	if (!c->freed && c->was_created)
		p->exited(p->arg, p->status);
	if (!c->freed && c->paused)
		tell_pause_failed(c);
	if (container_unpin(c))
		container_removal_step(c);
}

static void started_and_hooked(struct container *c)
{
	if (c->hooks_err.code) {
		c->init.err = c->hooks_err;
		(void) cgroup_kill(c->cgroup, NULL);
		worker_kill(&c->init.worker);
		if (!c->init.ended)
			return; /* tell_end() will report it */
	}
	if (c->init.ended)
		tell_end(c);
	else
		container_process_tell(&c->init);
}

/* The process has become the workload; it may even have ended already. */
static void started(struct container *c)
{
	struct err err = {0};

	c->state = CONTAINER_RUNNING;
	c->hooks_err = (struct err){0};
	if (c->has_poststart &&
	    container_run_hooks(c, CHILD_POSTSTART_HOOKS, started_and_hooked, &err) == 0)
		return;
	c->hooks_err = err;
	started_and_hooked(c);
}

static void init_closed(void *arg)
{
	struct container *c = arg;

	/* Without EXECUTING the child is about to end, which init_ended() reports. */
	if (c->init.executing && c->init.err.code == 0)
		started(c);
}

static void init_ended(void *arg, int status)
{
	struct container *c = arg;
	struct container_process *p = &c->init;

	p->ended = true;
	p->status = status;
	/* A child exits with 1 after FAILED: report that even if the agent killed it first. */
	if (c->state == CONTAINER_STARTING && p->err.code)
		p->status = W_EXITCODE(EXIT_FAILURE, 0);
	if (c->state == CONTAINER_STARTING && p->executing && p->err.code == 0) {
		started(c);
		return;
	}
	if (c->state == CONTAINER_STARTING) {
		container_process_died(p, "it could execute the program");
		(void) err_wrap(&p->err, 0, "start container '%s'", c->id);
	}
	if (c->state == CONTAINER_CREATING) {
		container_process_died(p, "it was ready");
		(void) err_wrap(&p->err, 0, "make container '%s'", c->id);
		c->state = CONTAINER_STOPPED;
		/* finish() in remove.c reports the failure when all is undone. */
		container_begin_removal(c);
		container_removal_step(c);
		return;
	}
	/* The poststart hooks still run; started_and_hooked() will report the end. */
	if (c->hooks_done == started_and_hooked)
		return;
	tell_end(c);
}

static const struct worker_events init_events = {
	.heard = init_heard,
	.closed = init_closed,
	.ended = init_ended,
};

/* What the specification says about the pid namespace. *@ret_fd belongs to the caller; -1 for the
 * agent's or a new one. */
static int find_pid_namespace(const struct container_config *config, bool *ret_new, int *ret_fd,
			      struct err *e)
{
	const Grpc__Linux *l = config->spec->linux;

	for (size_t i = 0; i < l->n_namespaces; i++) {
		const Grpc__LinuxNamespace *ns = l->namespaces[i];

		if (!ns->type || strcmp(ns->type, "pid") != 0)
			continue;
		if (ns->path && ns->path[0]) {
			*ret_fd = open(ns->path, O_RDONLY | O_CLOEXEC);
			return *ret_fd < 0
				       ? err_sys(e, errno, "open linux.namespaces pid path '%s'",
						 ns->path)
				       : 0;
		}
		if (config->pid_ns >= 0) {
			*ret_fd = fcntl(config->pid_ns, F_DUPFD_CLOEXEC, 0);
			return *ret_fd < 0 ? err_sys(e, errno, "use the pod's pid namespace") : 0;
		}
		*ret_new = true;
	}
	return 0;
}

int container_spawn(struct container *c, const struct container_config *config, struct err *e)
{
	auto_close int pid_ns = -1;
	bool new_pid_ns = false;
	int r = find_pid_namespace(config, &new_pid_ns, &pid_ns, e);

	if (r < 0)
		return r;

	struct worker_spec spec = {
		.kind = CHILD_INIT,
		.id = c->id,
		.bundle = c->bundle,
		.number = c->personality,
		/* A namespace that a new user namespace should own is made by the child itself. */
		.new_ns = new_pid_ns && !c->has_userns ? CLONE_NEWPID : 0,
		.pid_ns = pid_ns,
		.cgroup_fd = cgroup_fd(c->cgroup),
	};

	for (int i = 0; i < 3; i++)
		worker_spec_add_fd(&spec, config->stdio.fds[i], i);
	worker_spec_add_fd(&spec, c->spec_fd, CHILD_JOB);
	worker_spec_add_fd(&spec, config->ipc_ns, CHILD_IPC_NS);
	worker_spec_add_fd(&spec, config->uts_ns, CHILD_UTS_NS);
	worker_spec_add_fd(&spec, config->user_ns, CHILD_USER_NS);
	worker_spec_add_fd(&spec, pid_ns, CHILD_PID_NS);
	return worker_start(&c->init.worker, c->host, &spec, &init_events, c, e);
}
