#include "host/egress/packet.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/buf.h"

#define HEADER4_BYTES 20
#define HEADER6_BYTES 40
#define UDP_BYTES     8

static void copy(uint8_t *to, struct cursor *c, size_t bytes)
{
	const uint8_t *from = cursor_bytes(c, bytes);

	if (from)
		memcpy(to, from, bytes);
}

/* RFC 791, 3.1. */
static bool read4(struct cursor *c, struct packet *p)
{
	bool plain = cursor_u8(c) == 0x45;

	(void) cursor_bytes(c, 5);
	plain = plain && !(cursor_be16(c) & 0x3fff); /* no piece of a packet */
	(void) cursor_u8(c);
	p->family = AF_INET;
	p->protocol = cursor_u8(c);
	(void) cursor_be16(c);
	copy(p->from, c, 4);
	copy(p->to, c, 4);
	return plain;
}

/* RFC 8200, 3. */
static bool read6(struct cursor *c, struct packet *p)
{
	(void) cursor_bytes(c, 6);
	p->family = AF_INET6;
	p->protocol = cursor_u8(c);
	(void) cursor_u8(c);
	copy(p->from, c, 16);
	copy(p->to, c, 16);
	return true;
}

static void read_datagram(struct cursor *c, struct packet *p)
{
	size_t length = cursor_be16(c);

	(void) cursor_be16(c);
	if (!cursor_ok(c) || length < UDP_BYTES || length - UDP_BYTES > cursor_left(c))
		return;
	p->bytes = length - UDP_BYTES;
	p->data = cursor_bytes(c, p->bytes);
}

bool packet_read(const void *data, size_t bytes, struct packet *ret)
{
	struct cursor c = cursor_over(data, bytes), first = c;
	struct packet p = {0};
	bool plain = cursor_u8(&first) >> 4 == 6 ? read6(&c, &p) : read4(&c, &p);

	if (p.protocol == IPPROTO_TCP || p.protocol == IPPROTO_UDP || p.protocol == IPPROTO_SCTP) {
		p.from_port = cursor_be16(&c);
		p.to_port = cursor_be16(&c);
	}
	if (!plain || !cursor_ok(&c))
		return false;
	if (p.protocol == IPPROTO_UDP)
		read_datagram(&c, &p);
	*ret = p;
	return true;
}

void packet_describe(const struct packet *p, char *text)
{
	static const struct {
		uint8_t number;
		const char *name;
	} names[] = {
		{IPPROTO_TCP, "tcp"},   {IPPROTO_UDP, "udp"},     {IPPROTO_SCTP, "sctp"},
		{IPPROTO_ICMP, "icmp"}, {IPPROTO_ICMPV6, "icmp"},
	};
	char address[INET6_ADDRSTRLEN] = "", number[24];
	const char *name = number;

	(void) snprintf(number, sizeof number, "protocol %u", p->protocol);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (names[i].number == p->protocol)
			name = names[i].name;
	(void) inet_ntop(p->family, p->to, address, sizeof address);
	if (p->to_port)
		(void) snprintf(text, PACKET_TEXT_BYTES, "%s %s port %u", name, address,
				p->to_port);
	else
		(void) snprintf(text, PACKET_TEXT_BYTES, "%s %s", name, address);
}

void packet_put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t) (value >> 8);
	at[1] = (uint8_t) value;
}

uint32_t packet_add(uint32_t sum, const uint8_t *data, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		sum += i % 2 ? data[i] : (uint32_t) data[i] << 8;
	return sum;
}

uint16_t packet_sum_of(uint32_t sum, const uint8_t *data, size_t bytes)
{
	sum = packet_add(sum, data, bytes);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~sum;
}

/* RFC 768; with IPv6 RFC 8200, 8.1. */
void packet_sum(uint8_t *packet, size_t bytes)
{
	struct packet p;

	if (!packet_read(packet, bytes, &p) || p.protocol != IPPROTO_UDP || !p.data)
		return;

	size_t address = p.family == AF_INET ? 4 : 16;
	uint8_t *head = packet + (p.family == AF_INET ? HEADER4_BYTES : HEADER6_BYTES);
	uint32_t sum = IPPROTO_UDP + (uint32_t) (p.bytes + UDP_BYTES);

	packet_put16(head + 6, 0);
	sum = packet_add(packet_add(sum, p.from, address), p.to, address);

	uint16_t got = packet_sum_of(packet_add(sum, head, UDP_BYTES), p.data, p.bytes);

	packet_put16(head + 6, got ? got : 0xffff); /* 0 says that there is none */
}
