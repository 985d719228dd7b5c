/*
 * What the kernel's messages say: the only place that reads them. Layouts are those of
 * linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h, linux/neighbour.h and linux/fib_rules.h.
 *
 * base/netlink.h finds the attributes. Each is checked for its size before it is used; one of
 * another size than its kind has, or a name that does not end, makes the message -EPROTO.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ipv6.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/array.h"
#include "base/grow.h"
#include "host/network/facts.h"

void network_facts_fini(struct network_facts *f)
{
	free(f->links);
	free(f->addresses);
	free(f->routes);
	free(f->neighbours);
	free(f->hops);
	free(f->rules);
	*f = (struct network_facts){0};
}

/* ---- attributes ---- */

/* The getters leave *@ret alone when there is no @a. */
static int get_u32(const struct nl_value *a, uint32_t *ret)
{
	if (!a->data)
		return 0;
	if (a->bytes != sizeof *ret)
		return -EPROTO;
	memcpy(ret, a->data, sizeof *ret);
	return 0;
}

static int get_u8(const struct nl_value *a, uint8_t *ret)
{
	if (!a->data)
		return 0;
	if (a->bytes != sizeof *ret)
		return -EPROTO;
	*ret = *a->data;
	return 0;
}

/* An index is positive. */
static int get_index(const struct nl_value *a, int *ret)
{
	uint32_t index = 0;
	int r = get_u32(a, &index);

	if (r < 0 || index > INT32_MAX)
		return -EPROTO;
	if (a->data)
		*ret = (int) index;
	return 0;
}

static int get_text(const struct nl_value *a, char *ret, size_t bytes)
{
	if (!a->data)
		return 0;

	size_t n = strnlen((const char *) a->data, a->bytes);

	if (n == a->bytes || n >= bytes)
		return -EPROTO;
	memcpy(ret, a->data, n + 1);
	return 0;
}

/* Addresses of other sizes (InfiniBand, tunnels) are none for a virtual Ethernet. */
static void get_mac(const struct nl_value *a, uint8_t mac[NETWORK_MAC_BYTES], bool *ret_has)
{
	*ret_has = a->bytes == NETWORK_MAC_BYTES;
	if (*ret_has)
		memcpy(mac, a->data, NETWORK_MAC_BYTES);
}

/* Those of Linux's types whose packets have nothing before them. */
static bool is_of_packets(uint16_t type)
{
	return type == ARPHRD_NONE || type == ARPHRD_TUNNEL || type == ARPHRD_TUNNEL6 ||
	       type == ARPHRD_SIT;
}

/* Nobody is asked for the address of a neighbour there, and the kernel's driver looks at none. */
static bool has_blank_heads(const struct network_link *l)
{
	static const uint8_t blank[NETWORK_MAC_BYTES];

	return l->type == ARPHRD_ETHER && (l->flags & IFF_NOARP) && l->has_mac &&
	       memcmp(l->mac, blank, sizeof blank) == 0;
}

/* The guest's card has a hardware address all the same: one that no maker gives (the second bit),
 * and that nobody writes by hand. */
static void choose_mac(struct network_link *ret)
{
	uint32_t index = htonl((uint32_t) ret->index);

	ret->mac[0] = 0x02;
	ret->mac[1] = 'k';
	memcpy(ret->mac + 2, &index, sizeof index);
	ret->has_mac = true;
}

static size_t ip_bytes(uint8_t family)
{
	return family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
}

/* @bits: of the prefix; more than the family has is nonsense. */
static int get_ip(const struct nl_value *a, uint8_t family, unsigned bits, struct network_ip *ret)
{
	size_t bytes = ip_bytes(family);

	if (!a->data)
		return 0;
	if (bytes == 0 || a->bytes != bytes || bits > bytes * 8)
		return -EPROTO;
	ret->family = family;
	ret->bits = (uint8_t) bits;
	memcpy(ret->bytes, a->data, bytes);
	return 0;
}

/* Room for one more of at most @max. */
static int grow(void *list, size_t n, size_t max, size_t bytes)
{
	if (n >= max)
		return -E2BIG;
	return array_grow(list, n, bytes) ? 0 : -ENOMEM;
}

#define ADD(f, list, max, value)                                                    \
	({                                                                          \
		int r_ = grow(&(f)->list, (f)->n_##list, (max), sizeof *(f)->list); \
		if (r_ == 0)                                                        \
			(f)->list[(f)->n_##list++] = (value);                       \
		r_;                                                                 \
	})

/* ---- the kinds of messages ---- */

/* @data: what only a VRF has. */
static int get_vrf_table(const struct nl_value *data, uint32_t *ret)
{
	struct nl_value a[IFLA_VRF_TABLE + 1];

	if (nl_parse(data->data, data->bytes, a, ARRAY_LEN(a)) < 0)
		return -EPROTO;
	return get_u32(&a[IFLA_VRF_TABLE], ret);
}

static int get_kind(const struct nl_value *info, struct network_link *ret)
{
	struct nl_value a[IFLA_INFO_DATA + 1];

	if (nl_parse(info->data, info->bytes, a, ARRAY_LEN(a)) < 0)
		return -EPROTO;

	int r = get_text(&a[IFLA_INFO_KIND], ret->kind, sizeof ret->kind);

	if (r == 0 && strcmp(ret->kind, "vrf") == 0)
		r = get_vrf_table(&a[IFLA_INFO_DATA], &ret->vrf_table);
	return r;
}

/* One of the sysctls of an interface; 0 if the kernel is too old to tell. */
static int32_t ipv6_setting(const struct nl_value *settings, size_t which)
{
	int32_t value = 0;

	if (settings->bytes / sizeof value > which)
		memcpy(&value, settings->data + which * sizeof value, sizeof value);
	return value;
}

/* RFC 8200, 5: below it an interface has no IPv6. */
#define IPV6_MIN_MTU 1280

/* @families: IFLA_AF_SPEC. An interface without settings of IPv6 has a kernel without IPv6, or so
 * small an MTU that the guest's has no IPv6 either. */
static int get_ipv6(const struct nl_value *families, struct network_link *ret)
{
	struct nl_value a[AF_INET6 + 1], of[IFLA_INET6_CONF + 1];

	if (nl_parse(families->data, families->bytes, a, ARRAY_LEN(a)) < 0 ||
	    nl_parse(a[AF_INET6].data, a[AF_INET6].bytes, of, ARRAY_LEN(of)) < 0)
		return -EPROTO;

	const struct nl_value *settings = &of[IFLA_INET6_CONF];
	/* ip-sysctl.rst, accept_ra: a host that forwards hears routers with 2, and not with 1. */
	int32_t least = ipv6_setting(settings, DEVCONF_FORWARDING) ? 2 : 1;

	if (!settings->data) {
		ret->no_ipv6 = families->data && ret->mtu >= IPV6_MIN_MTU;
		return 0;
	}
	ret->no_ipv6 = ipv6_setting(settings, DEVCONF_DISABLE_IPV6) != 0;
	ret->no_routers = ipv6_setting(settings, DEVCONF_ACCEPT_RA) < least;
	ret->no_autoconf = ipv6_setting(settings, DEVCONF_AUTOCONF) == 0;
	return 0;
}

static int add_link(const struct nl_message *m, struct network_facts *f)
{
	const struct ifinfomsg *head = m->fixed;
	struct nl_value a[IFLA_LINK_NETNSID + 1];
	struct network_link l = {0};
	int r = nl_parse(m->attributes, m->attributes_bytes, a, ARRAY_LEN(a));

	if (r < 0)
		return -EPROTO;
	/* A bridge tells of its ports by the same message, in its own family. */
	if (head->ifi_family != AF_UNSPEC)
		return 0;
	l.index = head->ifi_index;
	l.type = head->ifi_type;
	l.flags = head->ifi_flags;
	get_mac(&a[IFLA_ADDRESS], l.mac, &l.has_mac);
	l.has_blank_heads = has_blank_heads(&l);
	l.carries_packets = l.has_blank_heads || is_of_packets(l.type);
	if (l.carries_packets)
		choose_mac(&l);
	l.is_apart = a[IFLA_LINK_NETNSID].data;
	r = get_text(&a[IFLA_IFNAME], l.name, sizeof l.name);
	if (r == 0)
		r = get_u32(&a[IFLA_MTU], &l.mtu);
	if (r == 0)
		r = get_index(&a[IFLA_MASTER], &l.master);
	if (r == 0 && !l.is_apart)
		r = get_index(&a[IFLA_LINK], &l.lower);
	if (r == 0)
		r = get_kind(&a[IFLA_LINKINFO], &l);
	if (r == 0)
		r = get_ipv6(&a[IFLA_AF_SPEC], &l);
	if (r == 0 && (l.index <= 0 || !l.name[0]))
		r = -EPROTO;
	return r < 0 ? r : ADD(f, links, NETWORK_LINKS_MAX, l);
}

static int add_address(const struct nl_message *m, struct network_facts *f)
{
	const struct ifaddrmsg *head = m->fixed;
	struct nl_value a[IFA_RT_PRIORITY + 1];
	struct network_address new = {0};
	int r = nl_parse(m->attributes, m->attributes_bytes, a, ARRAY_LEN(a));

	if (r < 0)
		return -EPROTO;
	if (ip_bytes(head->ifa_family) == 0)
		return 0;
	if (head->ifa_index > INT32_MAX)
		return -EPROTO;
	new.link = (int) head->ifa_index;
	new.scope = head->ifa_scope;
	new.flags = head->ifa_flags;
	r = get_u32(&a[IFA_FLAGS], &new.flags);
	/* On a point-to-point link IFA_ADDRESS is the other end. */
	if (r == 0)
		r = get_ip(&a[a[IFA_LOCAL].data ? IFA_LOCAL : IFA_ADDRESS], head->ifa_family,
			   head->ifa_prefixlen, &new.ip);
	if (r == 0 && a[IFA_LOCAL].data)
		r = get_ip(&a[IFA_ADDRESS], head->ifa_family, head->ifa_prefixlen, &new.peer);
	if (memcmp(new.peer.bytes, new.ip.bytes, sizeof new.ip.bytes) == 0)
		new.peer = (struct network_ip){0};
	if (r == 0)
		r = get_ip(&a[IFA_BROADCAST], head->ifa_family, 0, &new.broadcast);
	if (r == 0)
		r = get_text(&a[IFA_LABEL], new.label, sizeof new.label);
	if (r == 0)
		r = get_u32(&a[IFA_RT_PRIORITY], &new.metric);
	if (r == 0 && !new.ip.family)
		r = -EPROTO;
	return r < 0 ? r : ADD(f, addresses, NETWORK_ADDRESSES_MAX, new);
}

static int get_metrics(const struct nl_value *metrics, uint32_t ret[NETWORK_METRICS])
{
	struct nl_value a[NETWORK_METRICS];
	int r = 0;

	if (nl_parse(metrics->data, metrics->bytes, a, ARRAY_LEN(a)) < 0)
		return -EPROTO;
	for (size_t i = 1; r == 0 && i < ARRAY_LEN(a); i++)
		if (i != RTAX_CC_ALGO)
			r = get_u32(&a[i], &ret[i]);
	return r;
}

/* A next hop of either family. */
static int get_via(const struct nl_value *gateway, const struct nl_value *other, uint8_t family,
		   struct network_ip *ret)
{
	struct rtvia via;

	if (!other->data)
		return get_ip(gateway, family, 0, ret);
	if (other->bytes < sizeof via)
		return -EPROTO;
	memcpy(&via, other->data, sizeof via);

	const struct nl_value address = {
		.data = other->data + sizeof via,
		.bytes = other->bytes - sizeof via,
	};

	return get_ip(&address, (uint8_t) via.rtvia_family, 0, ret);
}

static int add_hop(const struct rtnexthop *head, const uint8_t *attributes, size_t bytes,
		   uint8_t family, struct network_facts *f)
{
	struct network_hop new = {
		.link = head->rtnh_ifindex,
		.flags = head->rtnh_flags,
		.weight = head->rtnh_hops,
	};
	struct nl_value a[RTA_VIA + 1];

	if (nl_parse(attributes, bytes, a, ARRAY_LEN(a)) < 0)
		return -EPROTO;

	int r = get_via(&a[RTA_GATEWAY], &a[RTA_VIA], family, &new.via);

	return r < 0 ? r : ADD(f, hops, NETWORK_HOPS_MAX, new);
}

static int add_hops(const struct nl_value *all, struct network_route *route,
		    struct network_facts *f)
{
	struct rtnexthop head;
	int r = 0;

	route->hop = f->n_hops;
	for (size_t at = 0; r == 0 && at < all->bytes; at += NLMSG_ALIGN(head.rtnh_len)) {
		if (all->bytes - at < sizeof head)
			return -EPROTO;
		memcpy(&head, all->data + at, sizeof head);
		if (head.rtnh_len < sizeof head || head.rtnh_len > all->bytes - at)
			return -EPROTO;
		r = add_hop(&head, all->data + at + sizeof head, head.rtnh_len - sizeof head,
			    route->to.family, f);
	}
	route->n_hops = f->n_hops - route->hop;
	return r;
}

static int add_route(const struct nl_message *m, struct network_facts *f)
{
	const struct rtmsg *head = m->fixed;
	struct nl_value a[RTA_ENCAP + 1];
	struct network_route new = {0};
	int r = nl_parse(m->attributes, m->attributes_bytes, a, ARRAY_LEN(a));

	if (r < 0)
		return -EPROTO;
	/* RTM_F_CLONED: what the kernel has learned of one destination, not a route. */
	if (ip_bytes(head->rtm_family) == 0 || (head->rtm_flags & RTM_F_CLONED))
		return 0;
	new.type = head->rtm_type;
	new.scope = head->rtm_scope;
	new.protocol = head->rtm_protocol;
	new.flags = head->rtm_flags;
	new.table = head->rtm_table;
	new.tos = head->rtm_tos;
	new.by_source = head->rtm_src_len > 0;
	new.is_wrapped = a[RTA_ENCAP].data;
	new.to.family = head->rtm_family;
	if (head->rtm_dst_len && !a[RTA_DST].data)
		return -EPROTO;
	r = get_ip(&a[RTA_DST], head->rtm_family, head->rtm_dst_len, &new.to);
	if (r == 0)
		r = get_via(&a[RTA_GATEWAY], &a[RTA_VIA], head->rtm_family, &new.via);
	if (r == 0)
		r = get_ip(&a[RTA_PREFSRC], head->rtm_family, 0, &new.source);
	if (r == 0)
		r = get_index(&a[RTA_OIF], &new.link);
	if (r == 0)
		r = get_u32(&a[RTA_TABLE], &new.table);
	if (r == 0)
		r = get_u32(&a[RTA_PRIORITY], &new.metric);
	if (r == 0)
		r = get_metrics(&a[RTA_METRICS], new.metrics);
	if (r == 0)
		r = get_u8(&a[RTA_PREF], &new.preference);
	if (r == 0)
		r = add_hops(&a[RTA_MULTIPATH], &new, f);
	return r < 0 ? r : ADD(f, routes, NETWORK_ROUTES_MAX, new);
}

/* Only what somebody has put there: the others come of frames that anybody may send, and so many
 * that they would not fit. */
static int add_neighbour(const struct nl_message *m, struct network_facts *f)
{
	const struct ndmsg *head = m->fixed;
	struct nl_value a[NDA_LLADDR + 1];
	struct network_neighbour new = {0};
	int r = nl_parse(m->attributes, m->attributes_bytes, a, ARRAY_LEN(a));

	if (r < 0)
		return -EPROTO;
	if (ip_bytes(head->ndm_family) == 0 || !(head->ndm_state & NUD_PERMANENT))
		return 0;
	new.link = head->ndm_ifindex;
	new.state = head->ndm_state;
	new.flags = head->ndm_flags;
	get_mac(&a[NDA_LLADDR], new.mac, &new.has_mac);
	r = get_ip(&a[NDA_DST], head->ndm_family, 0, &new.ip);
	if (r == 0 && !new.ip.family)
		r = -EPROTO;
	return r < 0 ? r : ADD(f, neighbours, NETWORK_NEIGHBOURS_MAX, new);
}

/* First and last in one number. */
static int get_range(const struct nl_value *a, uint32_t *ret)
{
	struct fib_rule_port_range range;

	if (!a->data)
		return 0;
	if (a->bytes != sizeof range)
		return -EPROTO;
	memcpy(&range, a->data, sizeof range);
	*ret = (uint32_t) range.start << 16 | range.end;
	return 0;
}

static int get_users(const struct nl_value *a, struct network_rule *ret)
{
	if (!a->data)
		return 0;
	if (a->bytes != sizeof ret->users)
		return -EPROTO;
	memcpy(ret->users, a->data, a->bytes);
	ret->has_users = true;
	return 0;
}

/* The kernel's word for none is -1. */
static int get_suppressor(const struct nl_value *a, uint32_t *ret)
{
	uint32_t value = UINT32_MAX;
	int r = get_u32(a, &value);

	*ret = value + 1;
	return r;
}

static int get_rule_number(uint16_t type, const struct nl_value *a, uint32_t *ret)
{
	uint8_t small = 0;
	int r;

	switch (type) {
	case FRA_TABLE:
	case FRA_PRIORITY:
	case FRA_FWMARK:
	case FRA_FWMASK:
	case FRA_GOTO:
		return get_u32(a, ret);
	case FRA_SUPPRESS_PREFIXLEN:
	case FRA_SUPPRESS_IFGROUP:
		return get_suppressor(a, ret);
	case FRA_IP_PROTO:
	case FRA_PROTOCOL:
	case FRA_L3MDEV:
		r = get_u8(a, &small);
		*ret = small;
		return r;
	case FRA_SPORT_RANGE:
	case FRA_DPORT_RANGE:
		return get_range(a, ret);
	default:
		return 0;
	}
}

static int get_rule_numbers(const struct nl_value *a, struct network_rule *ret)
{
	int r = 0;

	for (uint16_t i = 0; r == 0 && i < NETWORK_RULE_NUMBERS; i++)
		r = get_rule_number(i, &a[i], &ret->numbers[i]);
	return r;
}

/* Those that came with Linux 6.11 to 6.16, which Debian 12's headers do not have. */
enum {
	RULE_DSCP = FRA_DPORT_RANGE + 1,
	RULE_FLOWLABEL,
	RULE_FLOWLABEL_MASK,
	RULE_SPORT_MASK,
	RULE_DPORT_MASK,
	RULE_DSCP_MASK,
	RULE_ATTRIBUTES,
};

/* A mask of all bits is what a rule with a port has. */
static bool is_partial(const struct nl_value *mask)
{
	static const uint8_t all[] = {0xff, 0xff};

	return mask->data &&
	       (mask->bytes != sizeof all || memcmp(mask->data, all, sizeof all) != 0);
}

_Static_assert(RULE_DSCP == NETWORK_RULE_NUMBERS, "the last one of Linux 6.1");

static bool has_other_selectors(const struct nl_value *a)
{
	return a[FRA_TUN_ID].data || a[FRA_FLOW].data || a[RULE_DSCP].data ||
	       a[RULE_FLOWLABEL].data || is_partial(&a[RULE_SPORT_MASK]) ||
	       is_partial(&a[RULE_DPORT_MASK]);
}

static int get_rule_selectors(const struct nl_value *a, struct network_rule *ret)
{
	int r = get_text(&a[FRA_IIFNAME], ret->iif, sizeof ret->iif);

	if (r == 0)
		r = get_text(&a[FRA_OIFNAME], ret->oif, sizeof ret->oif);
	if (r == 0)
		r = get_users(&a[FRA_UID_RANGE], ret);
	ret->is_odd = has_other_selectors(a);
	return r;
}

static int add_rule(const struct nl_message *m, struct network_facts *f)
{
	const struct fib_rule_hdr *head = m->fixed;
	struct nl_value a[RULE_ATTRIBUTES];
	struct network_rule new = {
		.tos = head->tos,
		.action = head->action,
		/* The other flags say what has become of it. */
		.inverted = head->flags & FIB_RULE_INVERT,
	};
	int r = nl_parse(m->attributes, m->attributes_bytes, a, ARRAY_LEN(a));

	if (r < 0)
		return -EPROTO;
	if (ip_bytes(head->family) == 0)
		return 0;
	if ((head->src_len && !a[FRA_SRC].data) || (head->dst_len && !a[FRA_DST].data))
		return -EPROTO;
	new.from.family = new.to.family = head->family;
	r = get_ip(&a[FRA_SRC], head->family, head->src_len, &new.from);
	if (r == 0)
		r = get_ip(&a[FRA_DST], head->family, head->dst_len, &new.to);
	if (r == 0)
		r = get_rule_numbers(a, &new);
	if (r == 0)
		r = get_rule_selectors(a, &new);
	return r < 0 ? r : ADD(f, rules, NETWORK_RULES_MAX, new);
}

int network_parse(const struct nl_message *m, struct network_facts *f)
{
	switch (m->type) {
	case RTM_NEWLINK:
		return add_link(m, f);
	case RTM_NEWADDR:
		return add_address(m, f);
	case RTM_NEWROUTE:
		return add_route(m, f);
	case RTM_NEWNEIGH:
		return add_neighbour(m, f);
	case RTM_NEWRULE:
		return add_rule(m, f);
	default:
		return 0;
	}
}
