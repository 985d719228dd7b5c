#pragma once

/* What is kept between requests. Private to agent/network. */

#include "agent/network/address.h"
#include "agent/network/network.h"

struct route {
	struct ip dest;
	struct ip gateway; /* may be of the other family; family 0: none */
	struct ip source;  /* family 0: the kernel chooses */
	int device;        /* index of the interface; 0: the one that the gateway is reached by */
	uint8_t scope, type, protocol, tos; /* RT_SCOPE_*, RTN_*, RTPROT_* */
	unsigned flags;                     /* RTNH_F_ONLINK */
	uint32_t table;
	uint32_t mtu; /* 0: the interface's */
	uint32_t metric;
};

/* An address that was set, and whose. */
struct set_address {
	int device;
	struct ip ip, peer;
};

/* What of IPv6 an interface does without. */
#define IPV6_OFF_WHOLLY   1U
#define IPV6_OFF_ROUTERS  2U
#define IPV6_OFF_AUTOCONF 4U
struct set_ipv6 {
	int device;
	unsigned off; /* IPV6_OFF_* */
};

struct neighbour;
struct rules;

struct network {
	/* Those that were set, to be removed when they are not wanted any more. */
	struct route *routes;
	size_t n_routes;
	struct set_address *addresses;
	size_t n_addresses;
	struct set_ipv6 *ipv6; /* of interfaces that have some of it off, or had */
	size_t n_ipv6;
	int vrfs[NETWORK_VRFS_MAX]; /* indexes of those that were made */
	size_t n_vrfs;
	bool had_vrfs;       /* the kernel has made the rule that comes with the first one */
	struct rules *rules; /* NULL: as the kernel has made them */
	struct neighbour *neighbours; /* in the order of neighbour_compare() */
	size_t n_neighbours;
};
