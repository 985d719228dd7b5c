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

void agent_ask_until(struct sandbox *sb, const char *method, const ProtobufCMessage *message,
		     const struct ttrpc_pair *metadata, msec_t deadline, sandbox_done_fn done,
		     void *arg)
{
	struct ttrpc_request request = {
		.service = &grpc__agent_service__descriptor,
		.method = method,
		.message = message,
		.deadline = deadline,
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

void agent_ask(struct sandbox *sb, const char *method, const ProtobufCMessage *message,
	       const struct ttrpc_pair *metadata, sandbox_done_fn done, void *arg)
{
	agent_ask_until(sb, method, message, metadata, clock_deadline(AGENT_TIMEOUT_MS), done, arg);
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

/* A question of a container's job, which sleeps meanwhile. */
struct guest_question {
	struct guest_container *c;
	struct worker *worker;
	const char *method;
	const ProtobufCMessage *message;
	msec_t deadline;
	struct ttrpc_pending *pending;
	int r;
	struct err err;
};

static void wake(struct guest_question *q)
{
	q->c->question = NULL;
	worker_resume(q->worker);
}

static void container_answered(void *arg, struct ttrpc_answer *answer)
{
	struct guest_question *q = arg;

	q->r = answer->r;
	q->err = answer->err;
	wake(q);
}

static void container_ask_begin(void *arg)
{
	struct guest_question *q = arg;
	struct guest_container *c = q->c;
	struct agent_client *client = c->sb->agent.client;

	c->question = q;
	q->err = c->given_up;
	q->r = -q->err.code;
	if (q->r == 0 && !client)
		q->r = err_say(&q->err, ECONNRESET, "%s: there is no line to the guest", q->method);
	if (q->r == 0)
		q->r = agent_call_begin(client, q->method, q->message, q->deadline,
					container_answered, q, &q->pending, &q->err);
	if (q->r < 0)
		wake(q);
}

void container_ask_cancel(struct guest_container *c)
{
	struct guest_question *q = c->question;

	if (!q)
		return;
	ttrpc_cancel(q->pending);
	q->err = c->given_up;
	q->r = -q->err.code;
	wake(q);
}

int container_ask(struct guest_container *c, const char *method, const ProtobufCMessage *message,
		  msec_t deadline, struct err *e)
{
	struct guest_question q = {
		.c = c,
		.worker = c->worker,
		.method = method,
		.message = message,
		.deadline = deadline,
	};

	worker_await_loop(c->worker, container_ask_begin, &q);
	if (q.r == 0)
		return 0;
	*e = q.err;
	return cause_find(c->sb, c->worker, err_wrap(e, q.r, "agent"), e);
}
