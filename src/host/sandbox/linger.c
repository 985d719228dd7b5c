#include <errno.h>

#include "base/log.h"
#include "host/sandbox/model.h"
#include "host/sandbox/process.h"

/*
 * The output of an exec's children after its first process has ended and the exec was deleted.
 * Under runc the children hold the user's descriptor themselves; here the relay holds it for them,
 * until the last child has closed its end or the container is gone.
 */

/* Each linger holds up to two of the server's descriptors. */
#define LINGERS_MAX 128

struct linger {
	struct list link;
	struct stdio *io;
};

static void linger_free(struct linger *l)
{
	list_remove(&l->link);
	stdio_free(l->io);
	free(l);
}

static void over(void *arg)
{
	linger_free(arg);
}

static void make_room(struct guest_container *c)
{
	unsigned n = 0;

	list_for_each (pos, &c->lingers)
		n++;
	if (n < LINGERS_MAX)
		return;
	log_warn("'%s' has the output of %u ended processes open: closing the oldest", c->id, n);

	struct linger *oldest = container_of(list_first(&c->lingers), struct linger, link);

	stdio_hang_up(oldest->io);
	linger_free(oldest);
}

void linger_begin(struct guest_process *p)
{
	struct guest_container *c = p->container;

	/* Nothing lingers on a terminal, because it is hung up with its session. */
	if (!p->io || p->terminal || !stdio_flows(p->io))
		return;

	struct linger *l = calloc(1, sizeof *l);

	if (!l) {
		log_error("out of memory: what the children of a process print is lost");
		return;
	}
	make_room(c);
	l->io = take_ptr(p->io);
	list_add(&c->lingers, &l->link);
	stdio_linger(l->io, over, l);
}

void lingers_lost(struct guest_container *c)
{
	list_for_each (pos, &c->lingers) {
		struct linger *l = container_of(pos, struct linger, link);

		stdio_break(l->io);
		stdio_hurry(l->io, BROKEN_FLUSH_MS);
		/* May free @l. */
		stdio_linger(l->io, over, l);
	}
}

void lingers_free(struct guest_container *c)
{
	list_for_each (pos, &c->lingers)
		linger_free(container_of(pos, struct linger, link));
}
