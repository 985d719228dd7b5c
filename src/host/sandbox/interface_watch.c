/* Interfaces that come, change or go while the machine runs: `docker network connect`. */
#include <stdlib.h>
#include <sys/epoll.h>

#include "base/log.h"
#include "host/sandbox/interfaces.h"
#include "host/sandbox/model.h"
#include "host/sandbox/registry.h"

/* A plugin makes an interface and its addresses in several steps, which are looked at together. */
#define SETTLE_MS 100

/* How long is rested after a look that failed, because what it has undone is a change, too: after
 * the first, and at most. */
#define REST_MIN_MS 1000
#define REST_MAX_MS 60000

void interfaces_unwatch(struct interfaces *all)
{
	loop_timer_cancel(take_ptr(all->settles));
	loop_unwatch(take_ptr(all->watch));
	all->watch_fd = fd_close(all->watch_fd);
}

static int look(struct worker_job *job, struct err *e)
{
	struct sandbox *sb = container_of(job, struct sandbox_job, job)->sb;

	return interfaces_follow(sb, sb->machine.sizer, e);
}

/* What could not be done is tried again with the next change. Only the first of several failures is
 * a warning. */
static void failed(struct sandbox *sb, struct err *e)
{
	struct interfaces *all = &sb->machine.interfaces;

	if (sb->state == SANDBOX_READY)
		log_err(all->rest_ms ? LOG_DEBUG : LOG_WARN, e,
			"ignoring a change of the network namespace");
	all->rest_ms *= 2;
	if (all->rest_ms < REST_MIN_MS)
		all->rest_ms = REST_MIN_MS;
	if (all->rest_ms > REST_MAX_MS)
		all->rest_ms = REST_MAX_MS;
}

static void looked(struct worker_job *job, int r, struct err *e)
{
	struct sandbox_job *j = container_of(job, struct sandbox_job, job);
	struct sandbox *sb = j->sb;

	if (r < 0)
		failed(sb, e);
	else
		sb->machine.interfaces.rest_ms = 0;
	free(j);
	sandbox_changed(sb);
}

static void settled(void *arg)
{
	struct sandbox *sb = arg;
	struct sandbox_job *j = NULL;

	sb->machine.interfaces.settles = NULL;
	if (sb->state != SANDBOX_READY || sb->cause.is_known)
		return;
	j = calloc(1, sizeof *j);
	if (!j)
		return;
	*j = (struct sandbox_job){
		.job.run = look,
		.done = looked,
		/* Beside the containers' jobs, one after the other. */
		.worker = sb->machine.sizer,
	};
	job_queue(sb, NULL, j);
}

static void changes(void *arg, uint32_t events)
{
	struct sandbox *sb = arg;
	struct interfaces *all = &sb->machine.interfaces;

	(void) events;
	network_watch_drain(all->watch_fd);
	if (!all->settles)
		(void) loop_timer(sb->loop, clock_deadline(SETTLE_MS + all->rest_ms), settled, sb,
				  &all->settles, NULL);
}

void interfaces_watch(struct sandbox *sb)
{
	struct interfaces *all = &sb->machine.interfaces;
	struct err e = {0};

	if (!all->network || all->taps)
		return;

	int r = network_watch(all->network, &e);

	if (r >= 0) {
		all->watch_fd = r;
		r = loop_watch(sb->loop, all->watch_fd, EPOLLIN, changes, sb, &all->watch, &e);
	}
	if (r < 0)
		log_err(LOG_WARN, &e, "ignoring later changes of the network namespace");
}
