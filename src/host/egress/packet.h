#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is in a copy of a packet that the kernel gives. Private to host/egress. Distrusts: all of
 * it. */
struct packet {
	uint8_t family; /* AF_INET, AF_INET6 */
	uint8_t protocol;
	uint8_t from[16], to[16];
	uint16_t from_port, to_port; /* 0 if the protocol has none */
	const uint8_t *data;         /* of a datagram of UDP; points into the packet */
	size_t bytes;
};

/* A whole packet of IP, with no options and no extension headers; else false. */
bool packet_read(const void *data, size_t bytes, struct packet *ret);

/* "tcp 10.1.2.3:80" */
#define PACKET_TEXT_BYTES 96
void packet_describe(const struct packet *p, char *text);

/* Makes the checksum of a datagram of UDP right: the kernel gives copies in which it has still to
 * be made. @packet is one that packet_read() takes. */
void packet_sum(uint8_t *packet, size_t bytes);

/* ---- Parts of packets ---- */

void packet_put16(uint8_t *at, uint16_t value);

/* The internet checksum (RFC 1071): adds bytes to a sum; closes it with these bytes. */
uint32_t packet_add(uint32_t sum, const uint8_t *data, size_t bytes);
uint16_t packet_sum_of(uint32_t sum, const uint8_t *data, size_t bytes);
