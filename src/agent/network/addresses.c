#include "agent/network/addresses.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/network/links.h"
#include "base/auto.h"
#include "base/grow.h"
#include "base/log.h"
#include "base/netlink.h"

struct present_address {
	struct ip ip;
	struct ip peer; /* family 0: none */
	bool no_route;  /* to its network */
};

struct present {
	struct present_address *list;
	size_t n;
	int index; /* of the interface */
};

static void present_drop(void *arg)
{
	struct present *p = arg;

	p->n = 0;
}

static struct ip peer_of(const struct ifaddrmsg *info, const struct nl_value *a,
			 const struct ip *own)
{
	const struct nl_value *v = &a[IFA_ADDRESS];
	struct ip peer;

	if (!a[IFA_LOCAL].data || ip_set(&peer, info->ifa_family, v->data, v->bytes) < 0 ||
	    memcmp(peer.bytes, own->bytes, sizeof peer.bytes) == 0)
		return (struct ip){0};
	peer.prefix = info->ifa_prefixlen;
	return peer;
}

static int present_add(void *arg, const struct nl_message *m, struct err *e)
{
	const struct ifaddrmsg *info = m->fixed;
	struct present *p = arg;
	struct nl_value a[IFA_FLAGS + 1];
	struct ip ip;

	if (m->type != RTM_NEWADDR || (int) info->ifa_index != p->index)
		return 0;
	if (nl_parse(m->attributes, m->attributes_bytes, a, IFA_FLAGS + 1) < 0)
		return err_say(e, EBADMSG, "the kernel's list of addresses makes no sense");

	/* Where a link has two ends, IFA_ADDRESS is the other one's. */
	const struct nl_value *own = a[IFA_LOCAL].data ? &a[IFA_LOCAL] : &a[IFA_ADDRESS];

	if (ip_set(&ip, info->ifa_family, own->data, own->bytes) < 0)
		return 0;
	if (!array_grow(&p->list, p->n, sizeof *p->list))
		return err_sys(e, ENOMEM, "list addresses");
	ip.prefix = info->ifa_prefixlen;
	p->list[p->n++] = (struct present_address){
		.ip = ip,
		.peer = peer_of(info, a, &ip),
		.no_route = nl_u32(&a[IFA_FLAGS]) & IFA_F_NOPREFIXROUTE,
	};
	return 0;
}

/* @p is zeroed but for its index. */
static int present_read(int fd, struct present *p, struct err *e)
{
	struct ifaddrmsg of = {.ifa_family = AF_UNSPEC, .ifa_index = (unsigned) p->index};
	struct nl_request q;

	nl_begin(&q, RTM_GETADDR, 0, &of, sizeof of);

	int r = nl_dump(fd, &q, sizeof of, present_add, present_drop, p, e);

	return err_wrap(e, r, "list addresses");
}

/* The request about one address; @flags is of the header. */
static void begin(struct nl_request *q, uint16_t type, uint16_t flags, int index,
		  const struct address *a)
{
	const struct ip *ip = &a->ip, *peer = a->peer.family ? &a->peer : ip;
	/* The pod's address was the host's to choose; nobody else has it. */
	uint32_t kind = (ip->family == AF_INET6 ? IFA_F_NODAD : 0) | a->flags;
	uint8_t scope =
		ip->family == AF_INET && ip->bytes[0] == 127 ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
	struct ifaddrmsg info = {
		.ifa_family = ip->family,
		.ifa_prefixlen = ip->prefix,
		.ifa_flags = (uint8_t) kind,
		.ifa_scope = a->is_detailed ? a->scope : scope,
		.ifa_index = (unsigned) index,
	};

	nl_begin(q, type, flags, &info, sizeof info);
	nl_put(q, IFA_LOCAL, ip->bytes, ip_bytes(ip->family));
	nl_put(q, IFA_ADDRESS, peer->bytes, ip_bytes(ip->family));
	/* Eight of them have room in the head. */
	if (kind > UINT8_MAX)
		nl_put_u32(q, IFA_FLAGS, kind);
}

static void put_broadcast(struct nl_request *q, const struct address *a)
{
	/* RFC 3021: two hosts need none. */
	if (!a->is_detailed && a->ip.family == AF_INET && a->ip.prefix <= 30) {
		uint32_t broadcast = ip_broadcast(&a->ip);

		nl_put(q, IFA_BROADCAST, &broadcast, sizeof broadcast);
	} else if (a->broadcast.family == AF_INET) {
		nl_put(q, IFA_BROADCAST, a->broadcast.bytes, ip_bytes(AF_INET));
	}
}

/* The kernel takes "deprecated" only as a lifetime. */
static void put_lifetime(struct nl_request *q, const struct address *a)
{
	const struct ifa_cacheinfo life = {.ifa_prefered = 0, .ifa_valid = UINT32_MAX};

	if (a->flags & IFA_F_DEPRECATED)
		nl_put(q, IFA_CACHEINFO, &life, sizeof life);
}

static int add_one(int fd, int index, const struct address *a, struct err *e)
{
	char text[IP_TEXT_MAX];
	struct nl_request q;

	begin(&q, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, index, a);
	put_broadcast(&q, a);
	put_lifetime(&q, a);
	if (a->label && *a->label && a->ip.family == AF_INET)
		nl_put_string(&q, IFA_LABEL, a->label);
	if (a->metric > 0)
		nl_put_u32(&q, IFA_RT_PRIORITY, a->metric);

	int r = nl_ask(fd, &q, e);

	return err_wrap(e, r, "add the address %s", ip_print_network(&a->ip, text));
}

/* Whether there is IPv6 is asked after a failure only, because the kernel's answer is in a file,
 * which takes longer to find than the address to add. */
static int add_if_it_can(int fd, int index, const char *name, const struct address *a,
			 struct err *e)
{
	struct err cause = {0};
	int r = add_one(fd, index, a, &cause);

	if (r < 0 && a->ip.family == AF_INET6 && link_without_ipv6(name)) {
		log_info("ignoring IPv6 addresses of '%s': it has no IPv6", name);
		return 0;
	}
	if (r < 0 && e)
		*e = cause;
	return r;
}

static int remove_one(int fd, int index, const struct present_address *p, struct err *e)
{
	const struct address a = {.ip = p->ip, .peer = p->peer};
	char text[IP_TEXT_MAX];
	struct nl_request q;
	struct err cause = {0};

	begin(&q, RTM_DELADDR, 0, index, &a);

	int r = nl_ask(fd, &q, &cause);

	/* With the first address of a network the kernel removes its others. */
	if (r == 0 || r == -EADDRNOTAVAIL)
		return 0;
	if (e)
		*e = cause;
	return err_wrap(e, r, "remove the address %s", ip_print_network(&p->ip, text));
}

/* Whether @p can stay. What it has otherwise than wanted and cannot be changed makes it another. */
static bool is_wanted(const struct address *list, size_t n, const struct present_address *p)
{
	for (size_t i = 0; i < n; i++)
		if (memcmp(&list[i].ip, &p->ip, sizeof p->ip) == 0 &&
		    memcmp(&list[i].peer, &p->peer, sizeof p->peer) == 0 &&
		    !(list[i].flags & IFA_F_NOPREFIXROUTE) == !p->no_route)
			return true;
	return false;
}

static bool was_set(const struct network *n, int device, const struct present_address *p)
{
	for (size_t i = 0; i < n->n_addresses; i++) {
		const struct set_address *a = &n->addresses[i];

		if (a->device == device && memcmp(&a->ip, &p->ip, sizeof p->ip) == 0 &&
		    memcmp(&a->peer, &p->peer, sizeof p->peer) == 0)
			return true;
	}
	return false;
}

/* Removes those that the host has set before: others are a container's, the kernel's, or a
 * router's. The first to go, because with the first address of a network its others go. */
static int remove_others(int fd, const struct network *n, const struct present *p,
			 const struct addresses_wish *w, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->n; i++) {
		const struct present_address *a = &p->list[i];

		if (was_set(n, p->index, a) && !is_wanted(w->list, w->n, a))
			r = remove_one(fd, p->index, a, e);
	}
	return r;
}

/* In the order in which the kernel lists them on the host, by which it chooses the one to send
 * from: it puts a new one of IPv4 behind the others, and one of IPv6 before them. */
static int add_all(int fd, const struct addresses_wish *w, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < w->n; i++)
		if (w->list[i].ip.family == AF_INET)
			r = add_if_it_can(fd, w->device, w->name, &w->list[i], e);
	for (size_t i = w->n; r == 0 && i > 0; i--)
		if (w->list[i - 1].ip.family == AF_INET6)
			r = add_if_it_can(fd, w->device, w->name, &w->list[i - 1], e);
	return r;
}

int addresses_reach_peers(int fd, const struct addresses_wish *w, struct err *e)
{
	int r = 0;

	for (size_t i = w->n; r == 0 && i > 0; i--)
		if (w->list[i - 1].ip.family == AF_INET6 && w->list[i - 1].peer.family)
			r = add_if_it_can(fd, w->device, w->name, &w->list[i - 1], e);
	return r;
}

/* Forgets those of the interface, and of interfaces that are gone. */
static void forget(struct network *n, const struct links *links, int device)
{
	size_t left = 0;

	for (size_t i = 0; i < n->n_addresses; i++)
		if (n->addresses[i].device != device &&
		    links_by_index(links, n->addresses[i].device))
			n->addresses[left++] = n->addresses[i];
	n->n_addresses = left;
}

static int remember(struct network *n, const struct addresses_wish *w, struct err *e)
{
	struct set_address *more =
		realloc(n->addresses, (n->n_addresses + w->n + 1) * sizeof *more);

	if (!more)
		return err_sys(e, ENOMEM, "remember addresses");
	n->addresses = more;
	for (size_t i = 0; i < w->n; i++)
		more[n->n_addresses++] = (struct set_address){
			.device = w->device,
			.ip = w->list[i].ip,
			.peer = w->list[i].peer,
		};
	return 0;
}

int addresses_replace(int fd, struct network *n, const struct links *links,
		      const struct addresses_wish *w, struct err *e)
{
	struct present p = {.index = w->device};
	int r = present_read(fd, &p, e);

	if (r == 0)
		r = remove_others(fd, n, &p, w, e);
	/* They are remembered before they are added, because some of them are there when one is
	 * refused. */
	if (r == 0) {
		forget(n, links, w->device);
		r = remember(n, w, e);
	}
	if (r == 0)
		r = add_all(fd, w, e);
	free(p.list);
	return r;
}

static Types__IPAddress *message_of(const struct ip *ip)
{
	Types__IPAddress *m = calloc(1, sizeof *m);
	char text[IP_TEXT_MAX], bits[8];

	if (!m)
		return NULL;
	types__ipaddress__init(m);
	(void) snprintf(bits, sizeof bits, "%u", ip->prefix);
	m->family = ip->family == AF_INET6 ? TYPES__IPFAMILY__v6 : TYPES__IPFAMILY__v4;
	m->address = strdup(ip_print(ip, text));
	m->mask = strdup(bits);
	if (m->address && m->mask)
		return m;
	types__ipaddress__free_unpacked(m, NULL);
	return NULL;
}

int addresses_list(int fd, int index, Types__IPAddress ***ret, size_t *ret_n, struct err *e)
{
	struct present p = {.index = index};
	int r = present_read(fd, &p, e);
	Types__IPAddress **list = r < 0 ? NULL : calloc(p.n + 1, sizeof *list);
	size_t n = 0;

	while (list && n < p.n && (list[n] = message_of(&p.list[n].ip)))
		n++;
	if (r == 0 && (!list || n < p.n))
		r = err_sys(e, ENOMEM, "list addresses");
	free(p.list);
	if (r == 0) {
		*ret = list;
		*ret_n = n;
		return 0;
	}
	while (n > 0)
		types__ipaddress__free_unpacked(list[--n], NULL);
	free(list);
	return r;
}
