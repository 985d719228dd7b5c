/* The egress policy while the machine runs. */
#include <sys/epoll.h>

#include "base/log.h"
#include "host/egress/egress.h"
#include "host/sandbox/interfaces.h"
#include "host/sandbox/model.h"

static void expire_later(struct sandbox *sb);

static void expires(void *arg)
{
	struct sandbox *sb = arg;

	sb->machine.interfaces.egress_expires = NULL;
	expire_later(sb);
}

static void expire_later(struct sandbox *sb)
{
	struct interfaces *all = &sb->machine.interfaces;
	msec_t next = all->egress_expires ? 0 : egress_watch_expire(all->egress);

	if (next)
		(void) loop_timer(sb->loop, next, expires, sb, &all->egress_expires, NULL);
}

static void hears(void *arg, uint32_t events)
{
	struct sandbox *sb = arg;

	(void) events;
	egress_watch_ready(sb->machine.interfaces.egress);
	expire_later(sb);
}

void interfaces_watch_egress(struct sandbox *sb)
{
	struct interfaces *all = &sb->machine.interfaces;
	struct err e = {0};

	if (all->egress && loop_watch(sb->loop, egress_watch_fd(all->egress), EPOLLIN, hears, sb,
				      &all->egress_watch, &e) < 0)
		log_err(LOG_WARN, &e, "ignoring what the egress policy refuses");
}

void interfaces_unwatch_egress(struct interfaces *all)
{
	loop_timer_cancel(take_ptr(all->egress_expires));
	loop_unwatch(take_ptr(all->egress_watch));
}

bool sandbox_egress_refused(struct sandbox *sb, uint64_t *ret)
{
	struct interfaces *all = &sb->machine.interfaces;
	struct err e = {0};

	if (!all->egress_watch)
		return false;
	if (egress_watch_refused(all->egress, ret, &e) == 0)
		return true;
	log_err(LOG_DEBUG, &e, "ignoring, while metrics are collected");
	return false;
}
