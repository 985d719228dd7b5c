/* How the server asks the agent: on the loop, and from the worker. */
#include "host/sandbox/agent_call.h"

#include <errno.h>

#include "host/sandbox/cause.h"
#include "host/sandbox/model.h"
#include "host/sandbox/registry.h"

/* A request to the agent; its answer goes to @done. */
struct question {
	struct cause_wait wait;
	struct sandbox *sb;
	sandbox_done_fn done;
	void *arg;
};

static void lost(struct cause_wait *w, const struct err *why)
{
	struct question *q = container_of(w, struct question, wait);

	sandbox_refuse(q->done, q->arg, why);
	free(q);
}

static void answered(void *arg, struct ttrpc_answer *answer)
{
	struct question *q = arg;
	struct sandbox_answer a = {.r = answer->r, .err = answer->err};
	auto_free uint8_t *packed = NULL;

	if (answer->r < 0 && cause_tells(q->sb, &q->wait))
		return;
	if (answer->response) {
		a.bytes = protobuf_c_message_get_packed_size(answer->response);
		packed = malloc(a.bytes ? a.bytes : 1);
		if (packed)
			(void) protobuf_c_message_pack(answer->response, packed);
		else
			a.r = err_sys(&a.err, ENOMEM, "keep the guest's answer");
		a.data = packed;
	}
	q->done(q->arg, &a);
	free(q);
}

struct ttrpc_client *agent_line(struct sandbox *sb, struct err *e)
{
	struct ttrpc_client *line = sb->agent.client ? agent_client_line(sb->agent.client) : NULL;

	if (!line && sb->cause.is_known)
		(void) err_say(e, ECONNRESET, "the machine is gone: %s", sb->cause.why.text);
	else if (!line)
		(void) err_say(e, ECONNRESET, "there is no line to the guest");
	return line;
}

void agent_ask(struct sandbox *sb, const char *method, const ProtobufCMessage *message,
	       const struct ttrpc_pair *metadata, sandbox_done_fn done, void *arg)
{
	struct ttrpc_request request = {
		.service = &grpc__agent_service__descriptor,
		.method = method,
		.message = message,
		.deadline = clock_deadline(AGENT_TIMEOUT_MS),
		.metadata = metadata,
		.n_metadata = metadata ? 1 : 0,
	};
	struct err e = {0};
	struct ttrpc_client *line = agent_line(sb, &e);
	struct question *q = line ? calloc(1, sizeof *q) : NULL;

	if (line && !q)
		(void) err_sys(&e, ENOMEM, "ask the guest");
	if (!e.code) {
		*q = (struct question){.wait.tell = lost, .sb = sb, .done = done, .arg = arg};
		(void) ttrpc_call(line, &request, answered, q, NULL, &e);
	}
	if (e.code) {
		free(q);
		sandbox_refuse(done, arg, &e);
	}
}

int guest_ask(struct sandbox *sb, struct worker *w, const char *method,
	      const ProtobufCMessage *message, msec_t deadline, ProtobufCMessage **ret,
	      struct err *e)
{
	int r;

	if (!sb->agent.client)
		r = err_say(e, ECONNRESET, "%s: there is no line to the guest", method);
	else
		r = agent_call(sb->agent.client, method, message, deadline, ret, e);
	return r < 0 ? cause_find(sb, w, r, e) : r;
}
