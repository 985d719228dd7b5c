#include "host/egress/refusal.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <string.h>

#include "base/buf.h"

#define HEAD_BYTES(family) ((family) == AF_INET ? 20U : 40U)
#define TCP_BYTES          20U
#define ICMP_BYTES         8U
/* How much of the refused packet is told: of IPv4 the header and the ports (RFC 792); of IPv6 there
 * may be more (RFC 4443, 2.4). */
#define QUOTE4_BYTES 28U
#define QUOTE6_BYTES 128U
#define HOPS         64

static bool is_for_one(const struct packet *p)
{
	static const uint8_t all[4] = {0xff, 0xff, 0xff, 0xff};

	if (p->family == AF_INET)
		return p->to[0] >> 4 != 0xe && memcmp(p->to, all, sizeof all) != 0;
	return p->to[0] != 0xff;
}

/* An error is no reason for another one (RFC 1122, 3.2.2; RFC 4443, 2.4). */
static bool is_error(const uint8_t *packet, size_t bytes, const struct packet *p)
{
	unsigned at = HEAD_BYTES(p->family);
	uint8_t type = bytes > at ? packet[at] : 0;

	if (p->protocol == IPPROTO_ICMPV6)
		return type < 128;
	return p->protocol == IPPROTO_ICMP &&
	       (type == 3 || type == 4 || type == 5 || type == 11 || type == 12);
}

/* From whom the packet was for to whom it came from. */
static void write_head(uint8_t *out, const struct packet *p, uint8_t protocol, size_t bytes)
{
	size_t address = p->family == AF_INET ? 4 : 16;
	uint8_t *addresses = out + HEAD_BYTES(p->family) - 2 * address;

	memset(out, 0, HEAD_BYTES(p->family));
	memcpy(addresses, p->to, address);
	memcpy(addresses + address, p->from, address);
	if (p->family == AF_INET6) {
		out[0] = 0x60;
		packet_put16(out + 4, (uint16_t) bytes);
		out[6] = protocol;
		out[7] = HOPS;
		return;
	}
	out[0] = 0x45;
	packet_put16(out + 2, (uint16_t) (HEAD_BYTES(AF_INET) + bytes));
	out[6] = 0x40; /* no pieces */
	out[8] = HOPS;
	out[9] = protocol;
	packet_put16(out + 10, packet_sum_of(0, out, HEAD_BYTES(AF_INET)));
}

/* Of what a pseudo-header has; ICMP of IPv4 has none. */
static uint32_t pseudo(const struct packet *p, uint8_t protocol, size_t bytes)
{
	size_t address = p->family == AF_INET ? 4 : 16;
	uint32_t sum = protocol == IPPROTO_ICMP ? 0 : protocol + (uint32_t) bytes;

	if (protocol == IPPROTO_ICMP)
		return 0;
	return packet_add(packet_add(sum, p->from, address), p->to, address);
}

/* RFC 9293, 3.5.2. */
static size_t write_reset(const uint8_t *segment, size_t bytes, const struct packet *p,
			  uint8_t *out)
{
	struct cursor c = cursor_over(segment, bytes);

	(void) cursor_be32(&c);

	uint32_t sequence = cursor_be32(&c), acknowledged = cursor_be32(&c);
	uint8_t words = cursor_u8(&c) >> 4, flags = cursor_u8(&c);
	size_t header = (size_t) words * 4;

	if (!cursor_ok(&c) || (flags & TH_RST) || header < TCP_BYTES || header > bytes)
		return 0;
	memset(out, 0, TCP_BYTES);
	packet_put16(out, p->to_port);
	packet_put16(out + 2, p->from_port);
	if (flags & TH_ACK) {
		put_be32(out + 4, acknowledged);
	} else {
		uint32_t length = (uint32_t) (bytes - header) + !!(flags & TH_SYN);

		put_be32(out + 8, sequence + length + !!(flags & TH_FIN));
	}
	out[12] = (TCP_BYTES / 4) << 4;
	out[13] = flags & TH_ACK ? TH_RST : TH_RST | TH_ACK;
	packet_put16(out + 16, packet_sum_of(pseudo(p, IPPROTO_TCP, TCP_BYTES), out, TCP_BYTES));
	return TCP_BYTES;
}

static size_t write_error(const uint8_t *packet, size_t bytes, const struct packet *p, uint8_t *out)
{
	bool four = p->family == AF_INET;
	size_t quote = four ? QUOTE4_BYTES : QUOTE6_BYTES;
	uint8_t protocol = four ? IPPROTO_ICMP : IPPROTO_ICMPV6;

	quote = bytes < quote ? bytes : quote;
	memset(out, 0, ICMP_BYTES);
	out[0] = four ? 3 : 1;
	out[1] = four ? 13 : 1;
	memcpy(out + ICMP_BYTES, packet, quote);
	packet_put16(out + 2, packet_sum_of(pseudo(p, protocol, ICMP_BYTES + quote), out,
					    ICMP_BYTES + quote));
	return ICMP_BYTES + quote;
}

size_t refusal_write(const uint8_t *packet, size_t bytes, const struct packet *p, uint8_t *out)
{
	unsigned head = HEAD_BYTES(p->family);
	bool is_tcp = p->protocol == IPPROTO_TCP;
	size_t n = 0;

	if (bytes < head || !is_for_one(p) || is_error(packet, bytes, p))
		return 0;
	if (is_tcp)
		n = write_reset(packet + head, bytes - head, p, out + head);
	else
		n = write_error(packet, bytes, p, out + head);
	if (n == 0)
		return 0;
	write_head(out, p,
		   is_tcp                 ? IPPROTO_TCP
		   : p->family == AF_INET ? IPPROTO_ICMP
					  : IPPROTO_ICMPV6,
		   n);
	return head + n;
}
