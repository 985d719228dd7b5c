#include <string.h>

#include "base/text.h"
#include "ttrpc/envelope.h"
#include "ttrpc/envelope_fields.h"

/* The most bytes of an error message that are sent; a longer message is cut. */
#define STATUS_TEXT_MAX 4096

static size_t varint_bytes(uint64_t v)
{
	size_t n = 1;

	while (v >>= 7)
		n++;
	return n;
}

static uint8_t *put_varint(uint8_t *p, uint64_t v)
{
	for (; v > 0x7f; v >>= 7)
		*p++ = (uint8_t) (v | 0x80);
	*p++ = (uint8_t) v;
	return p;
}

static uint64_t key_of(uint32_t field, enum wire_type type)
{
	return (uint64_t) field << 3 | type;
}

/* The size of a bytes field with its key and length; 0 for an empty one, as in proto3. */
static size_t bytes_field_bytes(uint32_t field, size_t bytes)
{
	if (bytes == 0)
		return 0;
	return varint_bytes(key_of(field, WIRE_BYTES)) + varint_bytes(bytes) + bytes;
}

static uint8_t *put_bytes_head(uint8_t *p, uint32_t field, size_t bytes)
{
	return put_varint(put_varint(p, key_of(field, WIRE_BYTES)), bytes);
}

static uint8_t *put_text(uint8_t *p, uint32_t field, const char *text)
{
	size_t bytes = strlen(text);

	if (bytes == 0)
		return p;
	p = put_bytes_head(p, field, bytes);
	return mempcpy(p, text, bytes);
}

static size_t pair_bytes(const struct ttrpc_pair *pair)
{
	return bytes_field_bytes(PAIR_KEY, strlen(pair->key)) +
	       bytes_field_bytes(PAIR_VALUE, strlen(pair->value));
}

/* An empty entry of a repeated field is written, unlike an empty single field. */
static size_t pair_field_bytes(const struct ttrpc_pair *pair)
{
	size_t bytes = pair_bytes(pair);

	return 1 + varint_bytes(bytes) + bytes;
}

static uint8_t *put_pair(uint8_t *p, const struct ttrpc_pair *pair)
{
	p = put_bytes_head(p, REQUEST_METADATA, pair_bytes(pair));
	p = put_text(p, PAIR_KEY, pair->key);
	return put_text(p, PAIR_VALUE, pair->value);
}

static size_t packed_bytes(const ProtobufCMessage *message)
{
	return message ? protobuf_c_message_get_packed_size(message) : 0;
}

size_t request_bytes(const struct ttrpc_request *request, int64_t timeout_ns,
		     const struct ttrpc_pair *extra)
{
	size_t n = bytes_field_bytes(REQUEST_SERVICE, strlen(request->service->name)) +
		   bytes_field_bytes(REQUEST_METHOD, strlen(request->method)) +
		   bytes_field_bytes(REQUEST_PAYLOAD, packed_bytes(request->message));

	if (timeout_ns > 0)
		n += 1 + varint_bytes((uint64_t) timeout_ns);
	for (size_t i = 0; i < request->n_metadata; i++)
		n += pair_field_bytes(&request->metadata[i]);
	return extra ? n + pair_field_bytes(extra) : n;
}

struct frame *request_frame(const struct ttrpc_request *request, int64_t timeout_ns,
			    const struct ttrpc_pair *extra, uint32_t stream)
{
	struct frame *f = frame_new(request_bytes(request, timeout_ns, extra));
	size_t bytes = packed_bytes(request->message);

	if (!f)
		return NULL;

	uint8_t *p = put_text(frame_room(f), REQUEST_SERVICE, request->service->name);

	p = put_text(p, REQUEST_METHOD, request->method);
	if (bytes > 0) {
		p = put_bytes_head(p, REQUEST_PAYLOAD, bytes);
		p += protobuf_c_message_pack(request->message, p);
	}
	if (timeout_ns > 0)
		p = put_varint(put_varint(p, key_of(REQUEST_TIMEOUT_NANO, WIRE_VARINT)),
			       (uint64_t) timeout_ns);
	for (size_t i = 0; i < request->n_metadata; i++)
		p = put_pair(p, &request->metadata[i]);
	if (extra)
		(void) put_pair(p, extra);
	frame_seal(f, stream, FRAME_REQUEST);
	return f;
}

size_t response_bytes(const ProtobufCMessage *message)
{
	return bytes_field_bytes(RESPONSE_PAYLOAD, packed_bytes(message));
}

/* Puts key and length of field @field in front of what the frame holds. */
static void push_bytes_head(struct frame *f, uint32_t field)
{
	size_t bytes = frame_len(f);

	if (bytes > 0)
		(void) put_bytes_head(frame_push(f, bytes_field_bytes(field, bytes) - bytes), field,
				      bytes);
}

struct frame *response_frame(const ProtobufCMessage *message, uint32_t stream)
{
	struct frame *f = frame_new(packed_bytes(message));

	if (!f)
		return NULL;
	if (message)
		(void) protobuf_c_message_pack(message, frame_room(f));
	push_bytes_head(f, RESPONSE_PAYLOAD);
	frame_seal(f, stream, FRAME_RESPONSE);
	return f;
}

void bytes_frame_seal(struct frame *f, uint32_t field, uint32_t stream)
{
	push_bytes_head(f, field);
	push_bytes_head(f, RESPONSE_PAYLOAD);
	frame_seal(f, stream, FRAME_RESPONSE);
}

struct frame *status_frame(enum ttrpc_code code, const char *message, uint32_t stream)
{
	char text[STATUS_TEXT_MAX];
	size_t text_bytes = text_line(message, strlen(message), text, sizeof text);
	size_t bytes = 1 + varint_bytes(code) + bytes_field_bytes(STATUS_MESSAGE, text_bytes);
	struct frame *f = frame_new(bytes);

	if (!f)
		return NULL;

	uint8_t *p = put_varint(frame_room(f), key_of(STATUS_CODE, WIRE_VARINT));

	p = put_varint(p, code);
	if (text_bytes > 0)
		memcpy(put_bytes_head(p, STATUS_MESSAGE, text_bytes), text, text_bytes);
	push_bytes_head(f, RESPONSE_STATUS);
	frame_seal(f, stream, FRAME_RESPONSE);
	return f;
}
