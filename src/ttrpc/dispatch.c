#include <errno.h>
#include <stdlib.h>

#include "base/file.h"
#include "ttrpc/envelope.h"
#include "ttrpc/server.h"
#include "ttrpc/unpack.h"

/* From a frame to a handler. An error in a request is answered on its own stream; the connection
 * goes on. */

void connection_too_large(void *connection, const struct frame_header *h)
{
	if (h->type == FRAME_REQUEST)
		connection_refuse(connection, h->stream, TTRPC_RESOURCE_EXHAUSTED,
				  "the message is above the limit of 4194304 bytes");
}

static bool has_stream(const struct connection *c, uint32_t stream)
{
	list_for_each (pos, &c->calls) {
		if (container_of(pos, struct ttrpc_call, link)->stream == stream)
			return true;
	}
	return false;
}

/* Why a request is refused before its body is read; NULL when it is not. */
static const char *refusal(const struct connection *c, const struct frame_header *h,
			   enum ttrpc_code *ret)
{
	*ret = TTRPC_INVALID_ARGUMENT;
	if (h->stream % 2 == 0)
		return "the stream number of a request must be odd";
	if (has_stream(c, h->stream))
		return "the stream number is in use";
	*ret = TTRPC_RESOURCE_EXHAUSTED;
	if (c->n_calls >= TTRPC_CALLS_MAX || c->requests_bytes >= TTRPC_REQUESTS_MAX)
		return "too many calls wait for their answer";
	return NULL;
}

static const struct ttrpc_service *find_service(const struct ttrpc_server *server, struct span name)
{
	for (size_t i = 0; i < server->n_services; i++) {
		const struct ttrpc_service *s = server->services[i];

		if (span_is(name, s->name ? s->name : s->descriptor->name))
			return s;
	}
	return NULL;
}

static const struct ttrpc_method *find_method(const struct ttrpc_service *service, struct span name)
{
	for (size_t i = 0; i < service->n_methods; i++) {
		if (span_is(name, service->methods[i].name))
			return &service->methods[i];
	}
	return NULL;
}

static int read_metadata(struct ttrpc_call *call, const struct request_in *in, const uint8_t *body,
			 size_t bytes, struct err *e)
{
	if (in->n_metadata == 0)
		return 0;
	if (in->n_metadata > TTRPC_METADATA_PAIRS_MAX ||
	    in->metadata_bytes > TTRPC_METADATA_BYTES_MAX)
		return err_say(e, EMSGSIZE, "too much metadata");
	call->metadata = malloc(in->metadata_bytes + 2 * in->n_metadata);
	if (!call->metadata)
		return err_sys(e, ENOMEM, "keep metadata");
	call->n_metadata = in->n_metadata;
	request_metadata(body, bytes, call->metadata);
	return 0;
}

static int take_fds(struct ttrpc_call *call, struct connection *c, struct err *e)
{
	const char *count = ttrpc_call_metadata(call, FDS_KEY);
	uint64_t n;

	if (!count)
		return 0;
	if (num_parse_u64(count, &n) < 0 || n > TTRPC_FDS_MAX)
		return err_say(e, EINVAL, "metadata '" FDS_KEY "' must be a number up to %d",
			       TTRPC_FDS_MAX);
	if (!wire_take_fds(c->wire, (size_t) n, call->fds))
		return err_say(e, EINVAL, "%llu descriptors are missing", (unsigned long long) n);
	call->n_fds = (size_t) n;
	return 0;
}

static int read_call(struct ttrpc_call *call, struct connection *c, const struct request_in *in,
		     const uint8_t *body, size_t bytes, struct err *e)
{
	int r = read_metadata(call, in, body, bytes, e);

	if (r == 0)
		r = take_fds(call, c, e);
	if (r == 0 && !call->is_stream)
		r = unpack_counted(call->method->input, in->payload.data, in->payload.bytes,
				   &call->request, &call->request_bytes, e);
	if (in->timeout_ns > 0)
		call->deadline = clock_deadline(((uint64_t) in->timeout_ns + 999999) / 1000000);
	return r;
}

static void dispatch(struct connection *c, const struct request_in *in,
		     const struct frame_header *h, const uint8_t *body)
{
	const struct ttrpc_service *service = find_service(c->server, in->service);
	const struct ttrpc_method *method = service ? find_method(service, in->method) : NULL;

	if (!method) {
		connection_refuse(c, h->stream, TTRPC_UNIMPLEMENTED,
				  service ? "there is no such method in this service"
					  : "there is no such service here");
		return;
	}

	bool opens = h->flags & FRAME_REMOTE_OPEN;

	if (service->of_streams != opens) {
		connection_refuse(c, h->stream, TTRPC_UNIMPLEMENTED,
				  opens ? "this method is no stream" : "this method is a stream");
		return;
	}

	auto_ptr(call_free) struct ttrpc_call *call = calloc(1, sizeof *call);
	struct err e = {0};
	char words[640];

	if (!call) {
		connection_refuse(c, h->stream, TTRPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	call->stream = h->stream;
	call->deadline = CLOCK_NEVER;
	call->is_stream = service->of_streams;
	call->method =
		protobuf_c_service_descriptor_get_method_by_name(service->descriptor, method->name);
	list_init(&call->link);

	int r = read_call(call, c, in, body, h->body_bytes, &e);

	if (r == 0)
		r = call_begin(call, c, &e);
	if (r < 0) {
		connection_refuse(c, h->stream, ttrpc_code_of(-r),
				  err_show(&e, words, sizeof words));
		return;
	}

	struct ttrpc_call *owned = take_ptr(call);

	method->handler(owned, owned->request, c->server->arg);
}

void connection_frame(void *connection, const struct frame_header *h, const uint8_t *body)
{
	struct connection *c = connection;
	struct request_in in;
	enum ttrpc_code code;

	if (h->type == FRAME_DATA)
		stream_frame(c, h, body);
	/* Ignore responses, because a server makes no calls. */
	if (h->type != FRAME_REQUEST)
		return;

	const char *why = refusal(c, h, &code);

	if (why)
		connection_refuse(c, h->stream, code, why);
	else if (!request_read(body, h->body_bytes, &in))
		connection_refuse(c, h->stream, TTRPC_INVALID_ARGUMENT, "this is no request");
	else
		dispatch(c, &in, h, body);
}
