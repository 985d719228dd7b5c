#include "host/sandbox/cause.h"

#include <errno.h>

#include "base/log.h"
#include "host/sandbox/model.h"

/* How long a VMM takes to end after what it has broken was noticed. */
#define VMM_END_MS 500
/* How long virtiofsd may take to end after its socket broke. */
#define VIRTIOFSD_END_MS 500

static void tell_calls(struct cause *c, const struct err *why)
{
	struct list *first;

	while ((first = list_first(&c->calls))) {
		struct cause_wait *w = container_of(first, struct cause_wait, link);

		list_remove(&w->link);
		w->tell(w, why);
	}
}

static void decide(struct sandbox *sb, const struct err *why)
{
	struct cause *c = &sb->cause;

	loop_timer_cancel(take_ptr(c->wait));
	c->is_known = true;
	c->why = *why;
	tell_calls(c, &c->why);
	c->broke(sb);
}

/* Nobody knows better than the best report. */
static void decide_best(void *arg)
{
	struct sandbox *sb = arg;

	sb->cause.wait = NULL;
	log_err(LOG_ERROR, &sb->cause.report, "the sandbox is lost");
	decide(sb, &sb->cause.report);
}

void cause_report(struct sandbox *sb, enum cause_rank rank, const struct err *e)
{
	struct cause *c = &sb->cause;

	if (c->is_trial) {
		c->trial_broke = true;
		return;
	}
	if (c->is_known || rank <= c->best || sb->state == SANDBOX_ENDING ||
	    sb->state == SANDBOX_ENDED)
		return;
	c->best = rank;
	c->report = *e;
	if (rank == CAUSE_FILE_SERVER && sb->machine.hv)
		(void) hv_explain(sb->machine.hv, &c->report);
	if (rank == CAUSE_VMM) {
		loop_timer_cancel(take_ptr(c->wait));
		decide_best(sb);
	} else if (!c->wait && loop_timer(sb->loop, clock_deadline(VMM_END_MS), decide_best, sb,
					  &c->wait, NULL) < 0) {
		decide_best(sb);
	}
}

void cause_give_up(struct sandbox *sb, const struct err *why)
{
	if (!sb->cause.is_known)
		decide(sb, why);
}

static int begin_trial(void *arg, struct err *e)
{
	struct cause *c = arg;

	(void) e;
	c->is_trial = true;
	c->trial_broke = false;
	return 0;
}

void cause_begin_trial(struct sandbox *sb, struct worker *w)
{
	(void) worker_on_loop(w, begin_trial, &sb->cause, NULL);
}

static int end_trial(void *arg, struct err *e)
{
	struct cause *c = arg;

	(void) e;
	c->is_trial = false;
	return c->trial_broke || c->is_known ? -ECONNRESET : 0;
}

bool cause_end_trial(struct sandbox *sb, struct worker *w)
{
	return worker_on_loop(w, end_trial, &sb->cause, NULL) == 0;
}

void cause_expect_end(struct sandbox *sb)
{
	struct cause *c = &sb->cause;

	loop_timer_cancel(take_ptr(c->wait));
	tell_calls(c, c->is_known ? &c->why : &c->report);
}

bool cause_tells(struct sandbox *sb, struct cause_wait *w)
{
	struct cause *c = &sb->cause;

	if (c->is_known)
		w->tell(w, &c->why);
	else if (c->wait)
		list_add(&c->calls, &w->link);
	else
		return false;
	return true;
}

/* A failed call of a job, which sleeps until the cause is known. */
struct question {
	struct cause_wait wait;
	struct sandbox *sb;
	struct worker *worker;
	struct err *e;
	int r;
};

/* The call failed because the machine broke, not because the connection was closed for it. */
static void answer(struct cause_wait *w, const struct err *why)
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

	if (!cause_tells(q->sb, &q->wait))
		worker_resume(q->worker);
}

int cause_find(struct sandbox *sb, struct worker *w, int r, struct err *e)
{
	struct question q = {.wait.tell = answer, .sb = sb, .worker = w, .e = e, .r = r};

	worker_await_loop(w, ask, &q);
	return q.r;
}

/* When virtiofsd dies, the VMM only reports a broken socket. A VMM that did not start has told why
 * itself. */
int cause_of_boot(struct sandbox *sb, int r, struct err *e)
{
	struct err why = {0};

	if (sb->machine.virtiofsd &&
	    virtiofsd_failed(sb->machine.virtiofsd, clock_deadline(VIRTIOFSD_END_MS), &why)) {
		*e = why;
		return -e->code;
	}
	return sb->machine.hv && hv_state(sb->machine.hv) == HV_RUNNING
		       ? hv_explain(sb->machine.hv, e)
		       : r;
}
