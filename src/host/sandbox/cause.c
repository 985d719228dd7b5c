/* The first connection to break is rarely the cause. When a guest panics or a VMM is killed, the
 * agent's connection and virtiofsd go first, and the VMM, which has the reason, ends an instant
 * later: the sandbox waits up to VMM_END_MS for it. */
#include "host/sandbox/inside.h"

#define VMM_END_MS 500

/* The VMM has not ended in time: the loss that was seen is the reason. */
static void nobody_knows_better(void *arg)
{
	struct sandbox *sb = arg;

	sb->loss_timer = NULL;
	sandbox_break(sb, &sb->loss);
}

void loss_suspect(struct sandbox *sb, const struct err *why)
{
	sb->loss = *why;
	if (sb->loss_timer)
		return;
	if (sb->broken || sb->state == SANDBOX_ENDING ||
	    loop_timer(sb->loop, clock_deadline(VMM_END_MS), nobody_knows_better, sb,
		       &sb->loss_timer, NULL) < 0)
		nobody_knows_better(sb);
}

bool loss_tells(struct sandbox *sb, struct loss_wait *w)
{
	if (sb->broken)
		w->tell(w, &sb->why);
	else if (sb->loss_timer)
		list_add(&sb->loss_waits, &w->link);
	else
		return false;
	return true;
}

void loss_settled(struct sandbox *sb)
{
	struct list *first;

	loop_timer_cancel(take_ptr(sb->loss_timer));
	while ((first = list_first(&sb->loss_waits))) {
		struct loss_wait *w = container_of(first, struct loss_wait, link);

		list_remove(&w->link);
		w->tell(w, sb->broken ? &sb->why : &sb->loss);
	}
}

/* A failed call of the worker, which sleeps until the reason is known. */
struct question {
	struct loss_wait wait;
	struct sandbox *sb;
	struct worker *worker;
	struct err *e;
	int r;
};

/* The call failed because the machine broke, not because the connection was closed for it. */
static void answer(struct loss_wait *w, const struct err *why)
{
	struct question *q = container_of(w, struct question, wait);

	q->r = -why->code;
	if (q->e)
		*q->e = *why;
	worker_resume(q->worker);
}

static void ask(void *arg)
{
	struct question *q = arg;

	if (!loss_tells(q->sb, &q->wait))
		worker_resume(q->worker);
}

int loss_find_reason(struct sandbox *sb, struct worker *w, int r, struct err *e)
{
	struct question q = {.wait.tell = answer, .sb = sb, .worker = w, .e = e, .r = r};

	worker_await_loop(w, ask, &q);
	return q.r;
}
