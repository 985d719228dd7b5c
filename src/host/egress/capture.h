#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* The copies of packets that the rules send to the server: nfnetlink_log. Private to host/egress.
 * Format: linux/netfilter/nfnetlink_log.h. */

/* The most of a packet; what is longer is cut. */
#define CAPTURE_BYTES 65535

/* One copy. Everything points into what was read. */
struct capture {
	const char *prefix; /* of the rule; "" */
	int link;           /* where it arrived; 0: unknown */
	const uint8_t *frame_head;
	size_t frame_head_bytes;
	const uint8_t *packet;
	size_t bytes;
};

/* Makes @sock, of NETLINK_NETFILTER, hear what goes to @group. Returns 0, -EBUSY (somebody else in
 * the namespace does), or -errno. */
int capture_begin(int sock, uint16_t group, struct err *e);

typedef void (*capture_fn)(void *arg, const struct capture *c);

/* Calls @each for every copy in @bytes that came from the socket. What is no copy is skipped. */
void capture_read(const void *data, size_t bytes, capture_fn each, void *arg);
