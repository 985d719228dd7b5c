#include <assert.h>
#include <errno.h>

#include "base/buf.h"
#include "ttrpc/server.h"
#include "ttrpc/unpack.h"

/* Streams of messages, on the server's side. A frame of data holds a message and nothing around it
 * (containerd's ttrpc, PROTOCOL.md). */

static struct ttrpc_call *find(struct connection *c, uint32_t stream)
{
	list_for_each (pos, &c->calls) {
		struct ttrpc_call *call = container_of(pos, struct ttrpc_call, link);

		if (call->stream == stream && call->is_stream)
			return call;
	}
	return NULL;
}

/* Whether the call is still there after a message was given to it, which may have ended it. */
static bool deliver(struct connection *c, struct ttrpc_call *call, const struct frame_header *h,
		    const uint8_t *body)
{
	auto_ptr(ttrpc_message_free) ProtobufCMessage *message = NULL;
	struct err e = {0};

	if (ttrpc_unpack(call->method->input, body, h->body_bytes, &message, &e) < 0) {
		connection_refuse(c, h->stream, ttrpc_code_of(e.code), e.text);
		call_gone(call);
		return false;
	}
	call->on_message(call->on_message_arg, message);
	return find(c, h->stream) != NULL;
}

/* What comes for a stream that has ended is thrown away, because its client may not know yet. */
void stream_frame(struct connection *c, const struct frame_header *h, const uint8_t *body)
{
	struct ttrpc_call *call = find(c, h->stream);

	if (!call || !call->on_message)
		return;
	if (!(h->flags & FRAME_NO_DATA) && !deliver(c, call, h, body))
		return;
	if (h->flags & FRAME_REMOTE_CLOSED)
		call->on_message(call->on_message_arg, NULL);
}

void ttrpc_stream_on_message(struct ttrpc_call *call, ttrpc_message_fn fn, void *arg)
{
	assert(call->is_stream);
	call->on_message = fn;
	call->on_message_arg = arg;
}

static int send(struct ttrpc_call *call, const ProtobufCMessage *message, uint8_t flags)
{
	size_t bytes = message ? protobuf_c_message_get_packed_size(message) : 0;
	struct frame *f = bytes <= TTRPC_MESSAGE_MAX ? frame_new(bytes) : NULL;

	if (!f)
		return bytes <= TTRPC_MESSAGE_MAX ? -ENOMEM : -EMSGSIZE;
	if (message)
		(void) protobuf_c_message_pack(message, frame_room(f));
	frame_seal(f, call->stream, FRAME_DATA);
	frame_set_flags(f, flags);
	wire_send(call->connection->wire, f);
	return 0;
}

int ttrpc_stream_send(struct ttrpc_call *call, const ProtobufCMessage *message)
{
	assert(call->is_stream && message->descriptor == call->method->output);
	return call->connection ? send(call, message, 0) : -EPIPE;
}

void ttrpc_stream_end(struct ttrpc_call *call)
{
	assert(call->is_stream);
	if (call->connection && send(call, NULL, FRAME_REMOTE_CLOSED | FRAME_NO_DATA) < 0)
		connection_refuse(call->connection, call->stream, TTRPC_RESOURCE_EXHAUSTED,
				  "out of memory");
	call_end(call);
}
