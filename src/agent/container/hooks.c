#include <errno.h>

#include "agent/container/container_priv.h"

/* Hooks that run in the agent's own namespaces, as the agent drives them: a child runs them one
 * after the other (child/hooks.c) and sends FAILED if one fails. */

static void hooks_heard(void *arg, const struct note *note, int *fd)
{
	struct container *c = arg;

	(void) fd;
	if (note->step == STEP_FAILED)
		c->hooks_err = note->err;
}

static void hooks_closed(void *arg)
{
	(void) arg; /* it ends next */
}

static void hooks_ended(void *arg, int status)
{
	struct container *c = arg;
	void (*done)(struct container *) = c->hooks_done;

	worker_fini(&c->hooks);
	c->hooks_done = NULL;
	if (status != 0 && c->hooks_err.code == 0)
		(void) err_say(&c->hooks_err, ECHILD, "what runs the hooks ended with status %#x",
			       status);
	done(c);
}

static const struct worker_events hooks_events = {
	.heard = hooks_heard,
	.closed = hooks_closed,
	.ended = hooks_ended,
};

int container_run_hooks(struct container *c, enum child_kind kind,
			void (*done)(struct container *c), struct err *e)
{
	struct worker_spec spec = {
		.kind = kind,
		.id = c->id,
		.bundle = c->bundle,
		.number = (uint32_t) c->init.worker.pid,
		.pid_ns = -1,
		.cgroup_fd = -1,
	};

	if (c->hooks_done)
		return err_say(e, EBUSY, "hooks are running already");
	worker_spec_add_fd(&spec, c->spec_fd, CHILD_JOB);
	c->hooks_err = (struct err){0};

	int r = worker_start(&c->hooks, c->host, &spec, &hooks_events, c, e);

	if (r == 0)
		c->hooks_done = done;
	return r;
}
