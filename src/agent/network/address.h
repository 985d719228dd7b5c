#pragma once

/* Addresses as the guest protocol writes them. Private to agent/network. */

#include <linux/if_ether.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

#define IP_BYTES_MAX 16
/* An IPv6 address, a slash and 128. */
#define IP_TEXT_MAX  64
#define MAC_TEXT_MAX 18

/* An address, or the network of those that agree in the first @prefix bits. */
struct ip {
	uint8_t family; /* AF_INET or AF_INET6; 0: none */
	uint8_t prefix;
	uint8_t bytes[IP_BYTES_MAX]; /* the first four of IPv4, zeros behind them */
};

static inline uint8_t ip_bits(uint8_t family)
{
	return family == AF_INET ? 32 : 128;
}

static inline size_t ip_bytes(uint8_t family)
{
	return ip_bits(family) / 8U;
}

/* "10.0.0.1" or "fd00::1"; the prefix is all bits. */
int ip_parse(const char *text, struct ip *ret, struct err *e);

/* The same, with "/24" behind it or not. */
int ip_parse_network(const char *text, struct ip *ret, struct err *e);

/* A number of bits, as in "24", into ip->prefix. */
int ip_parse_mask(const char *text, struct ip *ip, struct err *e);

/* From what netlink gives. Returns -EBADMSG unless @bytes is that of the family's addresses. */
int ip_set(struct ip *ip, uint8_t family, const void *data, size_t bytes);

/* "10.0.0.1"; both return @to. */
const char *ip_print(const struct ip *ip, char to[IP_TEXT_MAX]);
/* "10.0.0.0/8" */
const char *ip_print_network(const struct ip *ip, char to[IP_TEXT_MAX]);

bool ip_is_link_local(const struct ip *ip);

/* The address of all in the network of an IPv4 address. */
uint32_t ip_broadcast(const struct ip *ip);

/* "52:54:00:12:34:56": an address that one interface of Ethernet can have, so neither zeros nor a
 * group. */
int mac_parse(const char *text, uint8_t ret[ETH_ALEN], struct err *e);
const char *mac_print(const uint8_t mac[ETH_ALEN], char to[MAC_TEXT_MAX]);

/* Whether an interface can have that name: what the kernel takes, and no '%', which asks the kernel
 * to make a name up. */
int interface_name_check(const char *name, struct err *e);
