#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "ttrpc/envelope.h"
#include "ttrpc/server.h"

/* The life of a call on the server's side; ttrpc.h has the drawing. */

void call_free(struct ttrpc_call *call)
{
	if (!call)
		return;
	loop_timer_cancel(call->timer);
	ttrpc_message_free(call->request);
	for (size_t i = 0; i < call->n_fds; i++)
		fd_close(call->fds[i]);
	frame_free(call->room);
	free(call->metadata);
	free(call);
}

/* Takes the call out of its connection. */
static void detach(struct ttrpc_call *call)
{
	struct connection *c = call->connection;

	call->connection = NULL;
	list_remove(&call->link);
	loop_timer_cancel(call->timer);
	call->timer = NULL;
	if (c) {
		c->n_calls--;
		c->requests_bytes -= call->request_bytes;
	}
}

void call_end(struct ttrpc_call *call)
{
	detach(call);
	call_free(call);
}

static void tell_gone(struct ttrpc_call *call)
{
	void (*fn)(void *arg) = call->on_gone;

	call->on_gone = NULL;
	if (fn)
		fn(call->on_gone_arg);
}

void call_gone(struct ttrpc_call *call)
{
	detach(call);
	tell_gone(call);
}

static void deadline_passed(void *arg)
{
	struct ttrpc_call *call = arg;

	call->timer = NULL;
	connection_refuse(call->connection, call->stream, TTRPC_DEADLINE_EXCEEDED,
			  "the caller's deadline has passed");
	call_gone(call);
}

int call_begin(struct ttrpc_call *call, struct connection *c, struct err *e)
{
	if (call->deadline != CLOCK_NEVER) {
		int r = loop_timer(c->server->loop, call->deadline, deadline_passed, call,
				   &call->timer, e);

		if (r < 0)
			return r;
	}
	call->connection = c;
	list_add(&c->calls, &call->link);
	c->n_calls++;
	c->requests_bytes += call->request_bytes;
	return 0;
}

void call_all_gone(struct connection *c)
{
	struct list gone, *first;

	/* Detach all calls first, because the on_gone of one call may answer another. */
	list_init(&gone);
	while ((first = list_first(&c->calls))) {
		detach(container_of(first, struct ttrpc_call, link));
		list_add(&gone, first);
	}
	while ((first = list_first(&gone))) {
		list_remove(first);
		tell_gone(container_of(first, struct ttrpc_call, link));
	}
}

void ttrpc_reply(struct ttrpc_call *call, const ProtobufCMessage *response)
{
	assert(!response || response->descriptor == call->method->output);
	if (!call->connection) {
		call_end(call);
		return;
	}
	if (response_bytes(response) > TTRPC_MESSAGE_MAX) {
		ttrpc_fail(call, TTRPC_RESOURCE_EXHAUSTED,
			   "the answer is above the limit of 4194304 bytes");
		return;
	}

	struct frame *f = response_frame(response, call->stream);

	if (!f) {
		ttrpc_fail(call, TTRPC_RESOURCE_EXHAUSTED, "no memory for the answer");
		return;
	}
	wire_send(call->connection->wire, f);
	call_end(call);
}

uint8_t *ttrpc_reply_room(struct ttrpc_call *call, size_t bytes)
{
	frame_free(call->room);
	call->room = bytes <= TTRPC_ROOM_MAX ? frame_new(bytes) : NULL;
	call->room_bytes = bytes;
	return call->room ? frame_room(call->room) : NULL;
}

void ttrpc_reply_bytes(struct ttrpc_call *call, size_t bytes)
{
	const ProtobufCMessageDescriptor *output = call->method->output;

	assert(output->n_fields == 1 && output->fields[0].type == PROTOBUF_C_TYPE_BYTES);
	assert(bytes == 0 || (call->room && bytes <= call->room_bytes));
	if (!call->connection || bytes == 0) {
		ttrpc_reply(call, NULL);
		return;
	}

	struct frame *f = take_ptr(call->room);

	f->end = f->start + bytes;
	bytes_frame_seal(f, output->fields[0].id, call->stream);
	wire_send(call->connection->wire, f);
	call_end(call);
}

void ttrpc_fail(struct ttrpc_call *call, enum ttrpc_code code, const char *message)
{
	assert(code > TTRPC_OK && code < TTRPC_CODE_MAX);
	if (call->connection)
		connection_refuse(call->connection, call->stream, code, message);
	call_end(call);
}

void ttrpc_fail_err(struct ttrpc_call *call, const struct err *e)
{
	char words[640];

	assert(e->code > 0);
	ttrpc_fail(call, ttrpc_code_of(e->code), err_show(e, words, sizeof words));
}

void ttrpc_answer(struct ttrpc_call *call, int r, const struct err *e)
{
	if (r < 0)
		ttrpc_fail_err(call, e);
	else
		ttrpc_reply(call, NULL);
}

void ttrpc_drop(struct ttrpc_call *call)
{
	if (call)
		ttrpc_fail(call, TTRPC_CANCELLED, "the call was dropped");
}

void ttrpc_call_on_gone(struct ttrpc_call *call, void (*fn)(void *arg), void *arg)
{
	assert(call->connection);
	call->on_gone = fn;
	call->on_gone_arg = arg;
}

bool ttrpc_call_gone(const struct ttrpc_call *call)
{
	return !call->connection;
}

const char *ttrpc_call_method(const struct ttrpc_call *call)
{
	return call->method->name;
}

msec_t ttrpc_call_deadline(const struct ttrpc_call *call)
{
	return call->deadline;
}

const char *ttrpc_call_metadata(const struct ttrpc_call *call, const char *key)
{
	const char *at = call->metadata;

	for (size_t i = 0; i < call->n_metadata; i++) {
		const char *value = at + strlen(at) + 1;

		if (strcmp(at, key) == 0)
			return value;
		at = value + strlen(value) + 1;
	}
	return NULL;
}

int ttrpc_call_take_fd(struct ttrpc_call *call, size_t index)
{
	return index < call->n_fds ? take_fd(&call->fds[index]) : -1;
}
