#include "host/egress/dns.h"

#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"

#define LABEL_MAX 63
/* Most pointers in a name, and most records that are looked at. */
#define POINTERS_MAX 16
#define RECORDS_MAX  128

#define FLAG_ANSWER 0x8000
#define OPCODE      0x7800
#define RCODE       0x000f
#define CLASS_IN    1
#define TYPE_A      1
#define TYPE_CNAME  5
#define TYPE_AAAA   28

struct reader {
	const uint8_t *message;
	size_t bytes;
	struct cursor c;
};

static bool add_letter(char *name, size_t *n, uint8_t letter)
{
	if (letter >= 'A' && letter <= 'Z')
		letter = (uint8_t) (letter - 'A' + 'a');
	if (*n + 1 >= EGRESS_NAME_BYTES)
		return false;
	name[(*n)++] = (char) letter;
	return true;
}

static bool is_letter(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_';
}

static bool add_label(struct cursor *c, uint8_t length, char *name, size_t *n)
{
	const uint8_t *label = cursor_bytes(c, length);

	if (!label || length > LABEL_MAX || (*n > 0 && !add_letter(name, n, '.')))
		return false;
	for (size_t i = 0; i < length; i++)
		if (!is_letter(label[i]) || !add_letter(name, n, label[i]))
			return false;
	return true;
}

/* RFC 1035, 4.1.4: a pointer leads to the rest of the name, before itself. */
static bool follow(struct reader *r, struct cursor *c, uint8_t high)
{
	size_t before = r->bytes - cursor_left(c) - 1;
	size_t to = (size_t) (high & 0x3f) << 8 | cursor_u8(c);

	if (!cursor_ok(c) || to >= before)
		return false;
	*c = cursor_over(r->message, r->bytes);
	(void) cursor_bytes(c, to);
	return true;
}

static bool read_name(struct reader *r, char *name)
{
	struct cursor c = r->c;
	unsigned pointers = 0;
	size_t n = 0;

	for (;;) {
		uint8_t length = cursor_u8(&c);

		if (!cursor_ok(&c))
			return false;
		if (length >> 6 == 3) {
			struct cursor behind = c;

			(void) cursor_u8(&behind);
			if (pointers == 0)
				r->c = behind;
			if (++pointers > POINTERS_MAX || !follow(r, &c, length))
				return false;
			continue;
		}
		if (length == 0)
			break;
		if (!add_label(&c, length, name, &n))
			return false;
	}
	if (pointers == 0)
		r->c = c;
	name[n] = '\0';
	return n > 0;
}

static void add_address(struct dns_message *m, uint8_t family, const uint8_t *bytes, uint32_t ttl)
{
	struct dns_address *a = &m->addresses[m->n];

	if (m->n == DNS_ADDRESSES_MAX)
		return;
	*a = (struct dns_address){.family = family, .ttl_seconds = ttl};
	memcpy(a->bytes, bytes, family == AF_INET ? 4 : 16);
	m->n++;
}

/* One record of the answer. @name is whose addresses are taken, and becomes that of the alias. */
static bool read_record(struct reader *r, struct dns_message *m, char *name)
{
	char owner[EGRESS_NAME_BYTES], alias[EGRESS_NAME_BYTES];

	if (!read_name(r, owner))
		return false;

	uint16_t type = cursor_be16(&r->c), class = cursor_be16(&r->c);
	uint32_t ttl = cursor_be32(&r->c);
	uint16_t bytes = cursor_be16(&r->c);
	struct reader inside = *r;
	const uint8_t *data = cursor_bytes(&r->c, bytes);

	if (!data)
		return false;
	if (class != CLASS_IN || strcmp(owner, name) != 0)
		return true;
	if (type == TYPE_CNAME && read_name(&inside, alias))
		memcpy(name, alias, sizeof alias);
	else if (type == TYPE_A && m->type == type && bytes == 4)
		add_address(m, AF_INET, data, ttl);
	else if (type == TYPE_AAAA && m->type == type && bytes == 16)
		add_address(m, AF_INET6, data, ttl);
	return true;
}

bool dns_read(const void *data, size_t bytes, struct dns_message *ret)
{
	struct reader r = {data, bytes, cursor_over(data, bytes)};
	struct dns_message *m = ret;
	char name[EGRESS_NAME_BYTES];

	*m = (struct dns_message){.id = cursor_be16(&r.c)};

	uint16_t flags = cursor_be16(&r.c), questions = cursor_be16(&r.c);
	uint16_t records = cursor_be16(&r.c);

	(void) cursor_be32(&r.c);
	if (!cursor_ok(&r.c) || questions != 1 || (flags & OPCODE) || !read_name(&r, m->name))
		return false;
	m->type = cursor_be16(&r.c);
	if (cursor_be16(&r.c) != CLASS_IN || !cursor_ok(&r.c))
		return false;
	m->is_answer = flags & FLAG_ANSWER;
	if (!m->is_answer || (flags & RCODE))
		return true;
	memcpy(name, m->name, sizeof name);
	for (unsigned i = 0; i < records && i < RECORDS_MAX; i++)
		if (!read_record(&r, m, name))
			return false;
	return true;
}
