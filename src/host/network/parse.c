/*
 * What the kernel's messages say: the only place that reads them. Layouts are those of
 * linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h and linux/neighbour.h.
 *
 * base/netlink.h finds the attributes. Each is checked for its size before it is used; one of
 * another size than its kind has, or a name that does not end, makes the message -EPROTO.
 */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
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

/* ---- the four kinds of messages ---- */

static int get_kind(const struct nl_value *info, char *ret)
{
	struct nl_value a[IFLA_INFO_KIND + 1];

	if (nl_parse(info->data, info->bytes, a, ARRAY_LEN(a)) < 0)
		return -EPROTO;
	return get_text(&a[IFLA_INFO_KIND], ret, NETWORK_KIND_BYTES);
}

static int add_link(const struct nl_message *m, struct network_facts *f)
{
	const struct ifinfomsg *head = m->fixed;
	struct nl_value a[IFLA_LINKINFO + 1];
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
	r = get_text(&a[IFLA_IFNAME], l.name, sizeof l.name);
	if (r == 0)
		r = get_u32(&a[IFLA_MTU], &l.mtu);
	if (r == 0)
		r = get_index(&a[IFLA_MASTER], &l.master);
	if (r == 0)
		r = get_kind(&a[IFLA_LINKINFO], l.kind);
	if (r == 0 && (l.index <= 0 || !l.name[0]))
		r = -EPROTO;
	return r < 0 ? r : ADD(f, links, NETWORK_LINKS_MAX, l);
}

static int add_address(const struct nl_message *m, struct network_facts *f)
{
	const struct ifaddrmsg *head = m->fixed;
	struct nl_value a[IFA_FLAGS + 1];
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
	if (r == 0 && !new.ip.family)
		r = -EPROTO;
	return r < 0 ? r : ADD(f, addresses, NETWORK_ADDRESSES_MAX, new);
}

static int get_route_mtu(const struct nl_value *metrics, uint32_t *ret)
{
	struct nl_value a[RTAX_MTU + 1];

	if (nl_parse(metrics->data, metrics->bytes, a, ARRAY_LEN(a)) < 0)
		return -EPROTO;
	return get_u32(&a[RTAX_MTU], ret);
}

static int add_route(const struct nl_message *m, struct network_facts *f)
{
	const struct rtmsg *head = m->fixed;
	struct nl_value a[RTA_TABLE + 1];
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
	new.to.family = head->rtm_family;
	if (head->rtm_dst_len && !a[RTA_DST].data)
		return -EPROTO;
	r = get_ip(&a[RTA_DST], head->rtm_family, head->rtm_dst_len, &new.to);
	if (r == 0)
		r = get_ip(&a[RTA_GATEWAY], head->rtm_family, 0, &new.via);
	if (r == 0)
		r = get_ip(&a[RTA_PREFSRC], head->rtm_family, 0, &new.source);
	if (r == 0)
		r = get_index(&a[RTA_OIF], &new.link);
	if (r == 0)
		r = get_u32(&a[RTA_TABLE], &new.table);
	if (r == 0)
		r = get_u32(&a[RTA_PRIORITY], &new.metric);
	if (r == 0)
		r = get_route_mtu(&a[RTA_METRICS], &new.mtu);
	return r < 0 ? r : ADD(f, routes, NETWORK_ROUTES_MAX, new);
}

static int add_neighbour(const struct nl_message *m, struct network_facts *f)
{
	const struct ndmsg *head = m->fixed;
	struct nl_value a[NDA_LLADDR + 1];
	struct network_neighbour new = {0};
	int r = nl_parse(m->attributes, m->attributes_bytes, a, ARRAY_LEN(a));

	if (r < 0)
		return -EPROTO;
	if (ip_bytes(head->ndm_family) == 0)
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
	default:
		return 0;
	}
}
