/* Admin.AwaitOom: answers when a container has run out of memory. */
#include "host/shim/oom.h"

#include <errno.h>
#include <stdlib.h>

#include "kata.pb-c.h"

struct awaiting {
	struct sandbox_oom_wait wait;
	struct ttrpc_call *call;
};

static void happened(void *arg, const struct sandbox_answer *answer)
{
	struct awaiting *w = arg;
	Kata__V1__AwaitOomResponse a = KATA__V1__AWAIT_OOM_RESPONSE__INIT;

	a.count = answer->count;
	if (answer->r < 0)
		ttrpc_fail_err(w->call, &answer->err);
	else
		ttrpc_reply(w->call, &a.base);
	free(w);
}

static void gone(void *arg)
{
	struct awaiting *w = arg;

	sandbox_await_oom_cancel(&w->wait);
	ttrpc_drop(w->call);
	free(w);
}

void await_oom(struct ttrpc_call *call, const ProtobufCMessage *request, void *arg)
{
	const Kata__V1__AwaitOomRequest *q = (const void *) request;
	struct server *s = arg;
	struct awaiting *w = calloc(1, sizeof *w);
	struct err e = {0};

	if (!w) {
		ttrpc_fail(call, TTRPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	w->wait = (struct sandbox_oom_wait){.seen = q->seen, .done = happened, .arg = w};
	w->call = call;
	ttrpc_call_on_gone(call, gone, w);
	if (sandbox_await_oom(s->sandbox, q->id, &w->wait, &e) < 0) {
		ttrpc_call_on_gone(call, NULL, NULL);
		ttrpc_fail_err(call, &e);
		free(w);
	}
}
