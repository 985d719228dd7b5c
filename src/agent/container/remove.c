#include <errno.h>

#include "agent/container/container_priv.h"
#include "base/log.h"

/*
 * Removes a container: kills all its processes, then waits for each of them to end. Each end calls
 * container_removal_step(), which looks whether anything is left.
 */

static void finish(struct container *c)
{
	container_done_fn removed = c->removed;
	struct err err = c->remove_err;

	c->removing = false;
	c->removed = NULL;
	container_pin(c);
	/* Answers a create that was cancelled, or that has failed and is undone now. */
	container_process_tell(&c->init);
	if (!container_unpin(c))
		return;
	if (removed)
		removed(c->removed_arg, -err.code, err.code ? &err : NULL);
}

static void poststop_done(struct container *c)
{
	/* "log a warning, but continue" says the specification. */
	if (c->hooks_err.code)
		log_err(LOG_WARN, &c->hooks_err, "ignoring a failed poststop hook");
	container_removal_step(c);
}

static bool something_lives(const struct container *c)
{
	if (!c->init.ended || c->hooks_done)
		return true;
	list_for_each (pos, &c->execs)
		if (!container_of(pos, struct container_process, link)->ended)
			return true;
	return c->cgroup && !cgroup_is_empty(c->cgroup);
}

void container_removal_step(struct container *c)
{
	struct err err = {0};

	if (!c->removing || something_lives(c))
		return;
	if (c->cgroup) {
		(void) cgroup_remove(c->cgroup, &c->remove_err);
		cgroup_free(c->cgroup);
		c->cgroup = NULL;
	}
	if (c->has_poststop && c->was_created) {
		c->has_poststop = false;
		if (container_run_hooks(c, CHILD_POSTSTOP_HOOKS, poststop_done, &err) == 0)
			return;
		log_err(LOG_WARN, &err, "ignoring that the poststop hooks cannot run");
	}
	finish(c);
}

static void on_timer(void *arg)
{
	struct container *c = arg;

	c->remove_timer = NULL;
	container_removal_step(c);
}

void container_begin_removal(struct container *c)
{
	struct err err = {0};

	c->removing = true;
	if (c->cgroup && cgroup_kill(c->cgroup, &err) < 0)
		log_err(LOG_WARN, &err, "ignoring that not all can be killed at once");
	worker_kill(&c->init.worker);
	worker_kill(&c->hooks);
	list_for_each (pos, &c->execs)
		worker_kill(&container_of(pos, struct container_process, link)->worker);
}

static void cancel(struct container_process *p, const char *id)
{
	if (p->done && p->err.code == 0 && !p->executing)
		(void) err_say(&p->err, ECANCELED, "container '%s' is being removed", id);
}

int container_remove(struct container *c, container_done_fn done, void *arg, struct err *e)
{
	if (c->removed)
		return err_say(e, EBUSY, "container '%s' is already being removed", c->id);

	/* If no process is left, no exit event will continue the removal: the timer does. */
	int r = loop_timer(c->host->loop, clock_now(), on_timer, c, &c->remove_timer, e);

	if (r < 0)
		return r;
	c->removed = done;
	c->removed_arg = arg;
	cancel(&c->init, c->id);
	list_for_each (pos, &c->execs)
		cancel(container_of(pos, struct container_process, link), c->id);
	if (!c->removing)
		container_begin_removal(c);
	return 0;
}
