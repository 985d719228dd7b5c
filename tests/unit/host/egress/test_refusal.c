#include "host/egress/refusal.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/buf.h"
#include "tests/test.h"

/* The sum of what has a right checksum in it is 0. */
static bool sum_is_right(const struct packet *p, uint8_t protocol, const uint8_t *data,
			 size_t bytes)
{
	size_t address = p->family == AF_INET ? 4 : 16;
	uint32_t sum = 0;

	if (protocol != IPPROTO_ICMP) {
		sum = packet_add(protocol + (uint32_t) bytes, p->from, address);
		sum = packet_add(sum, p->to, address);
	}
	return packet_sum_of(sum, data, bytes) == 0;
}

static size_t make4(uint8_t *packet, uint8_t protocol, uint8_t to)
{
	static const uint8_t head[20] = {0x45, 0, 0, 40, 0, 0, 0, 0, 64, 0, 0, 0, 10, 0, 0, 2};

	memset(packet, 0, 40);
	memcpy(packet, head, sizeof head);
	packet[9] = protocol;
	packet[16] = to;
	packet_put16(packet + 20, 4000);
	packet_put16(packet + 22, 443);
	packet[32] = 0x50;
	return 40;
}

static size_t answer(const uint8_t *packet, size_t bytes, uint8_t *out, struct packet *ret)
{
	struct packet p;

	CHECK(packet_read(packet, bytes, &p));

	size_t n = refusal_write(packet, bytes, &p, out);

	if (n > 0) {
		CHECK(packet_read(out, n, ret));
		CHECK(memcmp(ret->from, p.to, sizeof p.to) == 0);
		CHECK(memcmp(ret->to, p.from, sizeof p.from) == 0);
		CHECK(p.family == AF_INET6 || packet_sum_of(0, out, 20) == 0);
	}
	return n;
}

TEST(a_connection_is_reset)
{
	uint8_t packet[40], out[REFUSAL_BYTES];
	struct packet p;
	size_t n = make4(packet, IPPROTO_TCP, 8);

	packet[33] = 0x02;
	put_be32(packet + 24, 0xfffffffe);
	n = answer(packet, n, out, &p);
	CHECK_EQ(n, 40);
	CHECK_EQ(p.from_port, 443);
	CHECK_EQ(p.to_port, 4000);
	CHECK_EQ(out[33], 0x14);
	CHECK(memcmp(out + 28, "\xff\xff\xff\xff", 4) == 0);
	CHECK(sum_is_right(&p, IPPROTO_TCP, out + 20, 20));
}

TEST(a_segment_of_a_connection_is_reset_by_what_it_acknowledges)
{
	uint8_t packet[40], out[REFUSAL_BYTES];
	struct packet p;

	(void) make4(packet, IPPROTO_TCP, 8);
	packet[33] = 0x10;
	put_be32(packet + 28, 77);
	CHECK_EQ(answer(packet, sizeof packet, out, &p), 40);
	CHECK_EQ(out[33], 0x04);
	CHECK_EQ(out[27], 77);
}

TEST(other_packets_are_answered_with_an_error)
{
	uint8_t packet[40], out[REFUSAL_BYTES];
	struct packet p;

	(void) make4(packet, IPPROTO_UDP, 8);
	CHECK_EQ(answer(packet, sizeof packet, out, &p), 20 + 8 + 28);
	CHECK_EQ(p.protocol, IPPROTO_ICMP);
	CHECK(out[20] == 3 && out[21] == 13);
	CHECK(memcmp(out + 28, packet, 28) == 0);
	CHECK(sum_is_right(&p, IPPROTO_ICMP, out + 20, 36));
}

TEST(so_are_those_of_ipv6)
{
	uint8_t packet[200] = {0x60, [5] = 160, [6] = IPPROTO_UDP, [8] = 0xfd, [24] = 0xfc};
	uint8_t out[REFUSAL_BYTES];
	struct packet p;

	packet[45] = 160;
	CHECK_EQ(answer(packet, sizeof packet, out, &p), 40 + 8 + 128);
	CHECK_EQ(p.protocol, IPPROTO_ICMPV6);
	CHECK(out[40] == 1 && out[41] == 1);
	CHECK(sum_is_right(&p, IPPROTO_ICMPV6, out + 40, 136));
	packet[6] = IPPROTO_TCP;
	packet[52] = 0x50;
	packet[53] = 0x02;
	CHECK_EQ(answer(packet, sizeof packet, out, &p), 60);
	CHECK(sum_is_right(&p, IPPROTO_TCP, out + 40, 20));
}

TEST(nobody_is_told_about_resets_errors_and_what_is_for_many)
{
	uint8_t packet[40], out[REFUSAL_BYTES];
	struct packet p;

	(void) make4(packet, IPPROTO_TCP, 8);
	packet[33] = 0x04;
	CHECK_EQ(answer(packet, sizeof packet, out, &p), 0);
	(void) make4(packet, IPPROTO_UDP, 224);
	CHECK_EQ(answer(packet, sizeof packet, out, &p), 0);
	(void) make4(packet, IPPROTO_UDP, 255);
	memset(packet + 16, 255, 4);
	CHECK_EQ(answer(packet, sizeof packet, out, &p), 0);
	(void) make4(packet, IPPROTO_ICMP, 8);
	packet[20] = 3;
	CHECK_EQ(answer(packet, sizeof packet, out, &p), 0);
}

TEST(a_segment_that_is_cut_or_lies_about_its_length_is_not_answered)
{
	uint8_t packet[40], out[REFUSAL_BYTES];
	struct packet p;

	(void) make4(packet, IPPROTO_TCP, 8);
	packet[33] = 0x02;
	for (size_t n = 24; n < 40; n++)
		CHECK_EQ(answer(packet, n, out, &p), 0);
	packet[32] = 0xf0;
	CHECK_EQ(answer(packet, sizeof packet, out, &p), 0);
	packet[32] = 0x40;
	CHECK_EQ(answer(packet, sizeof packet, out, &p), 0);
}
