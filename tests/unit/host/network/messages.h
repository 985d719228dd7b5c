#pragma once

#include <arpa/inet.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>

#include "host/network/facts.h"
#include "tests/test.h"

/* Gives network_parse() the message that is in @q, as nl_dump() would. */
static inline int parse(const struct nl_request *q, size_t fixed_bytes, struct network_facts *f)
{
	const uint8_t *body = q->bytes + NLMSG_HDRLEN;
	size_t head = NLMSG_ALIGN(fixed_bytes);
	const struct nl_message m = {
		.type = q->header.nlmsg_type,
		.fixed = body,
		.attributes = body + head,
		.attributes_bytes = q->header.nlmsg_len - NLMSG_HDRLEN - head,
	};

	return network_parse(&m, f);
}

/* An Ethernet interface that is up. */
static inline void begin_link(struct nl_request *q, int index, const char *name)
{
	const struct ifinfomsg head = {
		.ifi_type = ARPHRD_ETHER, .ifi_index = index, .ifi_flags = IFF_UP};
	const uint8_t mac[] = {2, 0, 0, 0, 0, (uint8_t) index};

	nl_begin(q, RTM_NEWLINK, 0, &head, sizeof head);
	nl_put_string(q, IFLA_IFNAME, name);
	nl_put(q, IFLA_ADDRESS, mac, sizeof mac);
	nl_put_u32(q, IFLA_MTU, 1500);
}

static inline int add_link(struct network_facts *f, int index, const char *name)
{
	struct nl_request q;

	begin_link(&q, index, name);
	return parse(&q, sizeof(struct ifinfomsg), f);
}
