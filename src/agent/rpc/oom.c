/* Containers that ran out of memory: events without a call, and calls that wait for an event. */

#include <stdlib.h>
#include <string.h>

#include "agent/rpc/agent.h"
#include "base/array.h"
#include "base/log.h"

/* Events that no call has fetched: one per container, because a second one says nothing new. */
#define OOM_EVENTS_MAX 256

struct oom_event {
	struct list link;
	char id[];
};

struct oom_call {
	struct list link;
	struct ttrpc_call *call;
};

static void tell(struct ttrpc_call *call, const char *id)
{
	Grpc__OOMEvent event = GRPC__OOMEVENT__INIT;

	event.container_id = (char *) id;
	ttrpc_reply(call, &event.base);
}

static bool is_known(struct rpc *rpc, const char *id)
{
	unsigned n = 0;

	list_for_each (pos, &rpc->oom_events) {
		if (strcmp(container_of(pos, struct oom_event, link)->id, id) == 0)
			return true;
		n++;
	}
	return n >= OOM_EVENTS_MAX;
}

static void call_free(struct oom_call *c)
{
	list_remove(&c->link);
	free(c);
}

void oom_happened(struct rpc *rpc, const char *id)
{
	struct list *first = list_first(&rpc->oom_calls);

	log_warn("container '%s' is out of memory", id);
	if (first) {
		struct oom_call *c = container_of(first, struct oom_call, link);

		tell(c->call, id);
		call_free(c);
		return;
	}
	if (is_known(rpc, id))
		return;

	struct oom_event *event = calloc(1, sizeof *event + strlen(id) + 1);

	if (!event)
		return;
	memcpy(event->id, id, strlen(id) + 1);
	list_add(&rpc->oom_events, &event->link);
}

static void on_gone(void *arg)
{
	struct oom_call *c = arg;

	ttrpc_drop(c->call);
	call_free(c);
}

void oom_get_event(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	struct list *first = list_first(&rpc->oom_events);

	(void) request;
	if (first) {
		struct oom_event *event = container_of(first, struct oom_event, link);

		tell(call, event->id);
		list_remove(first);
		free(event);
		return;
	}

	struct oom_call *c = calloc(1, sizeof *c);

	if (!c) {
		ttrpc_fail(call, TTRPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	c->call = call;
	list_add(&rpc->oom_calls, &c->link);
	ttrpc_call_on_gone(call, on_gone, c);
}

void oom_fini(struct rpc *rpc)
{
	list_for_each (pos, &rpc->oom_calls) {
		ttrpc_fail(container_of(pos, struct oom_call, link)->call, TTRPC_CANCELLED,
			   "the sandbox ends");
		call_free(container_of(pos, struct oom_call, link));
	}
	list_for_each (pos, &rpc->oom_events) {
		list_remove(pos);
		free(container_of(pos, struct oom_event, link));
	}
}
