#include <errno.h>

#include "base/log.h"
#include "host/sandbox/model.h"
#include "host/sandbox/process.h"
#include "host/sandbox/registry.h"

/*
 * Containers that run out of memory. The agent can tell this only in an answer, so a GetOOMEvent is
 * always open while there is a machine.
 */

/* Pause between two GetOOMEvent, because a guest that always answers at once must not keep the
 * server busy. The agent keeps what happens meanwhile. */
#define OOM_PAUSE_MS 100

static void move_all(struct list *from, struct list *to)
{
	struct list *first;

	while ((first = list_first(from))) {
		list_remove(first);
		list_add(to, first);
	}
}

/*
 * Those who wait now are in a list of their own meanwhile, because a callback may wait again, and
 * would be told the same once more without end. The first of it is taken each time, because a
 * callback may cancel any other.
 */
static void tell(struct guest_container *c, const struct sandbox_answer *answer)
{
	struct list waits, *first;

	list_init(&waits);
	move_all(&c->oom_waits, &waits);
	while ((first = list_first(&waits))) {
		struct sandbox_oom_wait *w = container_of(first, struct sandbox_oom_wait, link);

		list_remove(&w->link);
		w->done(w->arg, answer);
	}
}

static void count(struct guest_container *c)
{
	const struct sandbox_answer news = {.count = c->ooms + 1};

	if (c->ooms == UINT32_MAX)
		return;
	if (c->ooms++ == 0)
		log_warn("container '%s' has run out of memory", c->id);
	tell(c, &news);
}

static void ask_again(void *arg)
{
	struct sandbox *sb = arg;

	sb->agent.oom_timer = NULL;
	oom_listen(sb);
}

static void heard(void *arg, struct ttrpc_answer *answer)
{
	struct sandbox *sb = arg;
	const Grpc__OOMEvent *event = (const void *) answer->response;

	/* The connection is closed, or the agent has no GetOOMEvent. */
	if (answer->r < 0)
		return;

	struct guest_container *c = sandbox_find(sb, event->container_id, NULL);

	if (c)
		count(c);
	(void) loop_timer(sb->loop, clock_deadline(OOM_PAUSE_MS), ask_again, sb,
			  &sb->agent.oom_timer, NULL);
}

void oom_of_machine(struct sandbox *sb)
{
	list_for_each (pos, &sb->containers) {
		struct guest_container *c = container_of(pos, struct guest_container, link);

		if (c->init->status == OCI_RUNNING || c->init->status == OCI_PAUSED)
			count(c);
	}
}

void oom_listen(struct sandbox *sb)
{
	if (sb->agent.client && !sb->cause.is_known)
		(void) agent_call_begin(sb->agent.client, "GetOOMEvent", NULL, CLOCK_NEVER, heard,
					sb, NULL, NULL);
}

void oom_forget(struct guest_container *c)
{
	struct sandbox_answer news = {.r = -ENOENT};

	(void) err_say(&news.err, ENOENT, "container '%s' was deleted", c->id);
	tell(c, &news);
}

int sandbox_await_oom(struct sandbox *sb, const char *id, struct sandbox_oom_wait *w, struct err *e)
{
	struct guest_container *c = sandbox_find(sb, id, e);

	list_init(&w->link);
	if (!c)
		return -ENOENT;
	if (c->ooms > w->seen) {
		const struct sandbox_answer news = {.count = c->ooms};

		w->done(w->arg, &news);
	} else {
		list_add(&c->oom_waits, &w->link);
	}
	return 0;
}

void sandbox_await_oom_cancel(struct sandbox_oom_wait *w)
{
	list_remove(&w->link);
}
