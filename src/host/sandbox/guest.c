#include <errno.h>

#include "host/sandbox/inside.h"

struct question {
	struct sandbox *sb;
	struct err *e;
	int r;
};

/* If the machine broke, that is the reason, and not that the line was closed because of it. */
static void find_reason(void *arg)
{
	struct question *q = arg;
	struct sandbox *sb = q->sb;

	if (sb->broken) {
		q->r = -sb->why.code;
		if (q->e)
			*q->e = sb->why;
	}
	worker_resume(sb->worker);
}

int guest_ask(struct sandbox *sb, const char *method, const ProtobufCMessage *message,
	      msec_t deadline, ProtobufCMessage **ret, struct err *e)
{
	struct question q = {.sb = sb, .e = e};

	if (!sb->agent)
		q.r = err_say(e, ECONNRESET, "%s: there is no line to the guest", method);
	else
		q.r = agent_call(sb->agent, method, message, deadline, ret, e);
	if (q.r < 0)
		worker_on_loop(sb->worker, find_reason, &q);
	return q.r;
}
