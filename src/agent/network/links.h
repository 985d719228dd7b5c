#pragma once

/* The interfaces of the guest as the kernel lists them. Private to agent/network. */

#include <linux/if_ether.h>
#include <net/if.h>

#include "agent/network/address.h"

struct link {
	int index;
	unsigned flags; /* IFF_UP, ... */
	uint32_t mtu;
	char name[IFNAMSIZ];
	uint8_t mac[ETH_ALEN];
	bool has_mac;       /* of Ethernet's length */
	int master;         /* index of the bridge, VRF, ... that it belongs to; 0: none */
	uint32_t vrf_table; /* of a VRF; 0: it is none */
};

/* In the order of their index. */
struct links {
	struct link *list;
	size_t n;
};

/* @links is empty or was read before. */
int links_read(int fd, struct links *links, struct err *e);
void links_fini(struct links *links);

/* All return NULL when there is none. */
const struct link *links_by_name(const struct links *links, const char *name);
const struct link *links_by_mac(const struct links *links, const uint8_t mac[ETH_ALEN]);
const struct link *links_by_index(const struct links *links, int index);

/* Whether the guest's kernel has no IPv6 for the interface. */
bool link_without_ipv6(const char *name);
