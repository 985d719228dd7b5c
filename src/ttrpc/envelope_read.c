#include <string.h>

#include "base/buf.h"
#include "ttrpc/envelope.h"
#include "ttrpc/envelope_fields.h"

struct field {
	uint32_t number;
	enum wire_type type;
	uint64_t value;
	struct span span;
};

static uint64_t read_varint(struct cursor *c)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		uint8_t b = cursor_u8(c);

		if (shift < 64)
			v |= (uint64_t) (b & 0x7f) << shift;
		if (!(b & 0x80))
			return v;
	}
	c->poisoned = true;
	return 0;
}

static struct span read_span(struct cursor *c, uint64_t bytes)
{
	if (bytes > cursor_left(c))
		c->poisoned = true;
	if (c->poisoned)
		return (struct span){0};
	return (struct span){.data = cursor_bytes(c, (size_t) bytes), .bytes = (size_t) bytes};
}

/* The next field of a message. False at the end and when it is none; cursor_ok() tells which. */
static bool read_field(struct cursor *c, struct field *ret)
{
	if (!cursor_ok(c) || cursor_left(c) == 0)
		return false;

	uint64_t key = read_varint(c);
	struct field f = {.number = (uint32_t) (key >> 3), .type = (enum wire_type)(key & 7)};

	switch (f.type) {
	case WIRE_VARINT:
		f.value = read_varint(c);
		break;
	case WIRE_BYTES:
		f.span = read_span(c, read_varint(c));
		break;
	case WIRE_FIXED64:
		(void) cursor_bytes(c, 8);
		break;
	case WIRE_FIXED32:
		(void) cursor_bytes(c, 4);
		break;
	default:
		c->poisoned = true;
	}
	if (key > UINT32_MAX || f.number == 0)
		c->poisoned = true;
	*ret = f;
	return cursor_ok(c);
}

/* A known field must have its known type; an unknown one may have any. */
static void expect(struct cursor *c, const struct field *f, enum wire_type type)
{
	if (f->type != type)
		c->poisoned = true;
}

static bool pair_read(struct span pair, struct span *ret_key, struct span *ret_value)
{
	struct cursor c = cursor_over(pair.data, pair.bytes);
	struct field f;

	*ret_key = *ret_value = (struct span){0};
	while (read_field(&c, &f)) {
		if (f.number > PAIR_VALUE)
			continue;
		expect(&c, &f, WIRE_BYTES);
		*(f.number == PAIR_KEY ? ret_key : ret_value) = f.span;
	}
	return cursor_ok(&c);
}

bool request_read(const uint8_t *body, size_t bytes, struct request_in *ret)
{
	struct cursor c = cursor_over(body, bytes);
	struct field f;

	*ret = (struct request_in){0};
	while (read_field(&c, &f)) {
		struct span key, value;

		if (f.number <= REQUEST_METADATA)
			expect(&c, &f, f.number == REQUEST_TIMEOUT_NANO ? WIRE_VARINT : WIRE_BYTES);
		switch (f.number) {
		case REQUEST_SERVICE:
			ret->service = f.span;
			break;
		case REQUEST_METHOD:
			ret->method = f.span;
			break;
		case REQUEST_PAYLOAD:
			ret->payload = f.span;
			break;
		case REQUEST_TIMEOUT_NANO:
			ret->timeout_ns = (int64_t) f.value;
			break;
		case REQUEST_METADATA:
			if (!pair_read(f.span, &key, &value))
				return false;
			ret->n_metadata++;
			ret->metadata_bytes += key.bytes + value.bytes;
			break;
		default:
			break;
		}
	}
	return cursor_ok(&c);
}

static char *copy_text(char *to, struct span s)
{
	if (s.bytes > 0)
		memcpy(to, s.data, s.bytes);
	to[s.bytes] = '\0';
	return to + s.bytes + 1;
}

void request_metadata(const uint8_t *body, size_t bytes, char *ret)
{
	struct cursor c = cursor_over(body, bytes);
	struct field f;

	while (read_field(&c, &f)) {
		struct span key, value;

		if (f.number == REQUEST_METADATA && pair_read(f.span, &key, &value))
			ret = copy_text(copy_text(ret, key), value);
	}
}

static bool status_read(struct span status, struct response_in *ret)
{
	struct cursor c = cursor_over(status.data, status.bytes);
	struct field f;

	while (read_field(&c, &f)) {
		if (f.number == STATUS_CODE) {
			expect(&c, &f, WIRE_VARINT);
			ret->code = (int32_t) f.value;
		} else if (f.number == STATUS_MESSAGE) {
			expect(&c, &f, WIRE_BYTES);
			ret->message = f.span;
		}
	}
	return cursor_ok(&c);
}

bool response_read(const uint8_t *body, size_t bytes, struct response_in *ret)
{
	struct cursor c = cursor_over(body, bytes);
	struct field f;

	*ret = (struct response_in){0};
	while (read_field(&c, &f)) {
		if (f.number > RESPONSE_PAYLOAD)
			continue;
		expect(&c, &f, WIRE_BYTES);
		if (f.number == RESPONSE_PAYLOAD)
			ret->payload = f.span;
		else if (!status_read(f.span, ret))
			return false;
	}
	return cursor_ok(&c);
}
