/* Interfaces that come, change or go while the machine runs: `docker network connect`. */
#include <stdlib.h>
#include <sys/epoll.h>

#include "base/log.h"
#include "host/sandbox/interfaces.h"
#include "host/sandbox/model.h"
#include "host/sandbox/registry.h"

/* A plugin makes an interface and its addresses in several steps, which are looked at together. */
#define SETTLE_MS 100

void interfaces_unwatch(struct interfaces *all)
{
	loop_timer_cancel(take_ptr(all->settles));
	loop_unwatch(take_ptr(all->watch));
	all->watch_fd = fd_close(all->watch_fd);
}

static int look(struct worker_job *job, struct err *e)
{
	struct sandbox *sb = container_of(job, struct sandbox_job, job)->sb;

	return interfaces_refresh(sb, sb->machine.sizer, e);
}

/* After a failure it is not looked again, because what was undone is a change, too. */
static void looked(struct worker_job *job, int r, struct err *e)
{
	struct sandbox_job *j = container_of(job, struct sandbox_job, job);
	struct sandbox *sb = j->sb;

	if (r < 0) {
		if (sb->state == SANDBOX_READY)
			log_err(LOG_WARN, e, "ignoring later changes of the network namespace");
		interfaces_unwatch(&sb->machine.interfaces);
	}
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
		(void) loop_timer(sb->loop, clock_deadline(SETTLE_MS), settled, sb, &all->settles,
				  NULL);
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
