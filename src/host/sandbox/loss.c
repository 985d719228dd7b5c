/* Who is lost first is not who knows why. When a guest panics or a VMM is killed, the agent's line and virtiofsd go first;
 * the VMM ends an instant later and has the reason. */
#include "host/sandbox/inside.h"

#define VMM_END_MS 500

/* The VMM runs on: there is no more to say than what was seen. */
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

/* If the machine broke, that is the reason, and not that the line was closed because of it. */
static void answer(struct loss_question *q)
{
	struct sandbox *sb = q->sb;

	if (sb->broken) {
		q->r = -sb->why.code;
		if (q->e)
			*q->e = sb->why;
	}
	worker_resume(sb->worker);
}

static void ask(void *arg)
{
	struct loss_question *q = arg;

	if (q->sb->loss_timer)
		q->sb->loss_question = q; /* loss_settled() answers */
	else
		answer(q);
}

int loss_find_reason(struct sandbox *sb, int r, struct err *e)
{
	struct loss_question q = {.sb = sb, .e = e, .r = r};

	worker_on_loop(sb->worker, ask, &q);
	return q.r;
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
	struct loss_question *q = take_ptr(sb->loss_question);
	struct list *first;

	loop_timer_cancel(take_ptr(sb->loss_timer));
	if (q)
		answer(q);
	while ((first = list_first(&sb->loss_waits))) {
		struct loss_wait *w = container_of(first, struct loss_wait, link);

		list_remove(&w->link);
		w->tell(w, sb->broken ? &sb->why : &sb->loss);
	}
}
