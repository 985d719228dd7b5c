/* What an interface is to be: the request is read into a plan, and the plan is carried out. */

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "agent/network/addresses.h"
#include "agent/network/ipv6.h"
#include "agent/network/links.h"
#include "agent/network/network.h"
#include "agent/network/vrf.h"
#include "base/log.h"
#include "base/netlink.h"

struct plan {
	const char *name;
	uint8_t mac[ETH_ALEN];
	bool has_mac;
	uint32_t mtu; /* 0: as it is */
	bool noarp;
	bool down;
	bool loopback;
	unsigned ipv6_off;  /* IPV6_OFF_* */
	uint32_t vrf_table; /* of a VRF; 0: it is none */
	const char *master; /* the VRF that it belongs to, or "" */
	struct address *addresses;
	size_t n_addresses;
};

static void plan_fini(struct plan *p)
{
	free(p->addresses);
}

/* An address of the family of @a, or none for "". */
static int plan_other(const struct address *a, const char *text, struct ip *ret, struct err *e)
{
	if (!*text)
		return 0;

	int r = ip_parse(text, ret, e);

	if (r == 0 && ret->family != a->ip.family)
		r = err_say(e, EINVAL, "'%.64s' is of the other family", text);
	return r;
}

static int plan_details(const Types__AddressDetails *from, struct address *ret, struct err *e)
{
	if (from->scope > UINT8_MAX)
		return err_say(e, EINVAL, "scope %u is none", from->scope);
	if (strlen(from->label) >= IFNAMSIZ)
		return err_say(e, EINVAL, "label '%.64s' is too long", from->label);
	ret->is_detailed = true;
	ret->scope = (uint8_t) from->scope;
	ret->flags = from->flags;
	ret->metric = from->metric;
	ret->label = from->label;

	int r = plan_other(ret, from->peer, &ret->peer, e);

	if (r == 0 && ret->peer.family)
		ret->peer.prefix = ret->ip.prefix;
	return r < 0 ? r : plan_other(ret, from->broadcast, &ret->broadcast, e);
}

static int plan_address(const Types__IPAddress *from, struct address *ret, struct err *e)
{
	int r = ip_parse(from->address, &ret->ip, e);

	if (r == 0)
		r = ip_parse_mask(from->mask, &ret->ip, e);
	return r < 0 || !from->details ? r : plan_details(from->details, ret, e);
}

static int plan_addresses(struct plan *p, const Types__Interface *want, struct err *e)
{
	if (want->n_ipaddresses > NETWORK_ADDRESSES_MAX)
		return err_say(e, EINVAL, "%zu addresses are more than %d", want->n_ipaddresses,
			       NETWORK_ADDRESSES_MAX);
	p->addresses = calloc(want->n_ipaddresses + 1, sizeof p->addresses[0]);
	if (!p->addresses)
		return err_sys(e, ENOMEM, "read addresses");
	for (size_t i = 0; i < want->n_ipaddresses; i++) {
		int r = plan_address(want->ipaddresses[i], &p->addresses[i], e);

		if (r < 0)
			return err_wrap(e, r, "address %zu", i + 1);
		p->n_addresses++;
	}
	return 0;
}

/* @p is zeroed; to be given to plan_fini() in any case. */
static int plan_read(struct plan *p, const Types__Interface *want, bool found, struct err *e)
{
	int r = interface_name_check(want->name, e);

	if (r < 0)
		return r;
	if (!*want->hwaddr && !found && !want->loopback)
		return err_say(e, EINVAL, "neither hwAddr nor devicePath say which one it is");
	if (want->mtu > UINT32_MAX)
		return err_say(e, EINVAL, "the MTU %llu is too large",
			       (unsigned long long) want->mtu);
	p->name = want->name;
	p->mtu = (uint32_t) want->mtu;
	p->noarp = want->raw_flags & IFF_NOARP;
	p->down = want->down;
	p->loopback = want->loopback;
	p->ipv6_off = (want->no_ipv6 ? IPV6_OFF_WHOLLY : 0) |
		      (want->no_router_advertisements ? IPV6_OFF_ROUTERS : 0) |
		      (want->no_autoconf ? IPV6_OFF_AUTOCONF : 0);
	p->vrf_table = want->vrf_table;
	p->master = want->master;
	p->has_mac = *want->hwaddr && !p->loopback;
	if (p->has_mac)
		r = mac_parse(want->hwaddr, p->mac, e);
	if (r == 0 && p->vrf_table && (found || *p->master))
		r = err_say(e, EINVAL, "a VRF has neither devicePath nor master");
	if (r == 0 && p->loopback && (found || p->vrf_table || strcmp(p->name, "lo") != 0))
		r = err_say(e, EINVAL, "the loopback is 'lo' and has no devicePath");
	return r < 0 ? r : plan_addresses(p, want, e);
}

/* The request that changes a link, without anything to change yet. */
static void begin_set(struct nl_request *q, int index, unsigned flags, unsigned change)
{
	struct ifinfomsg info = {
		.ifi_family = AF_UNSPEC,
		.ifi_index = index,
		.ifi_flags = flags,
		.ifi_change = change,
	};

	nl_begin(q, RTM_NEWLINK, 0, &info, sizeof info);
}

static int set_flags(int fd, const struct link *l, unsigned flags, unsigned change, struct err *e)
{
	struct nl_request q;

	if (((l->flags ^ flags) & change) == 0)
		return 0;
	begin_set(&q, l->index, flags, change);

	int r = nl_ask(fd, &q, e);

	if (change & IFF_NOARP)
		return err_wrap(e, r, "set IFF_NOARP of '%s'", l->name);
	return err_wrap(e, r, "take '%s' %s", l->name, flags & IFF_UP ? "up" : "down");
}

/* @name may hold "%d", for which the kernel puts a number that is free. */
static int rename_link(int fd, const struct link *l, const char *name, struct err *e)
{
	struct nl_request q;

	begin_set(&q, l->index, 0, 0);
	nl_put_string(&q, IFLA_IFNAME, name);

	int r = nl_ask(fd, &q, e);

	return err_wrap(e, r, "rename '%s' to '%s'", l->name, name);
}

/* Takes the name away from @other, and puts @l's into its place. @l is down. */
static int swap_names(int fd, const struct link *l, const struct link *other, struct err *e)
{
	bool was_up = other->flags & IFF_UP;
	struct link down = *other;
	int r;

	r = set_flags(fd, other, 0, IFF_UP, e);
	if (r == 0)
		r = rename_link(fd, other, "swap%d", e);
	if (r < 0)
		return r;
	r = rename_link(fd, l, other->name, e);
	/* The other one's own name again if that has failed. */
	if (rename_link(fd, other, r < 0 ? other->name : l->name, NULL) < 0)
		log_warn("ignoring that '%s' has lost its name", other->name);
	down.flags &= ~(unsigned) IFF_UP;
	if (was_up && set_flags(fd, &down, IFF_UP, IFF_UP, NULL) < 0)
		log_warn("ignoring that what was '%s' stays down", other->name);
	return r;
}

static int set_name(int fd, const struct links *links, const struct link *l, const char *name,
		    struct err *e)
{
	const struct link *other = links_by_name(links, name);

	if (other == l)
		return 0;
	return other ? swap_names(fd, l, other, e) : rename_link(fd, l, name, e);
}

static int set_mac(int fd, const struct link *l, const struct plan *p, struct err *e)
{
	struct nl_request q;
	char text[MAC_TEXT_MAX];

	if (!p->has_mac || (l->has_mac && memcmp(l->mac, p->mac, ETH_ALEN) == 0))
		return 0;
	begin_set(&q, l->index, 0, 0);
	nl_put(&q, IFLA_ADDRESS, p->mac, ETH_ALEN);

	int r = nl_ask(fd, &q, e);

	return err_wrap(e, r, "set the hardware address %s", mac_print(p->mac, text));
}

static int set_mtu(int fd, const struct link *l, uint32_t mtu, struct err *e)
{
	struct nl_request q;

	if (mtu == 0 || mtu == l->mtu)
		return 0;
	begin_set(&q, l->index, 0, 0);
	nl_put_u32(&q, IFLA_MTU, mtu);

	int r = nl_ask(fd, &q, e);

	return err_wrap(e, r, "set the MTU %u", mtu);
}

/* Whether the link must be down meanwhile: for another name always, for another hardware address
 * with most drivers. */
static bool must_be_down(const struct link *l, const struct plan *p)
{
	return strcmp(l->name, p->name) != 0 ||
	       (p->has_mac && !(l->has_mac && memcmp(l->mac, p->mac, ETH_ALEN) == 0));
}

/* Whether the host says which link-local address the interface has, if any: one of a hardware
 * address that it had before, for instance. Where nobody asks for neighbours, nobody would notice
 * that two have the same. */
static bool names_link_local(const struct plan *p)
{
	if (p->noarp)
		return true;
	for (size_t i = 0; i < p->n_addresses; i++)
		if (p->addresses[i].is_detailed && ip_is_link_local(&p->addresses[i].ip))
			return true;
	return false;
}

/* Then the kernel makes none. Where it has no IPv6, it does not know the word. */
static void keep_from_link_local(int fd, const struct link *l)
{
	const uint8_t none = IN6_ADDR_GEN_MODE_NONE;
	struct nl_request q;

	begin_set(&q, l->index, 0, 0);

	size_t all = nl_nest(&q, IFLA_AF_SPEC);
	size_t inet6 = nl_nest(&q, AF_INET6);

	nl_put(&q, IFLA_INET6_ADDR_GEN_MODE, &none, sizeof none);
	nl_nest_end(&q, inet6);
	nl_nest_end(&q, all);
	(void) nl_ask(fd, &q, NULL);
}

/* @now: the interface, which has its new name already, because the kernel's settings of IPv6 are in
 * a folder of that name. */
static int set_up(int fd, struct network *n, const struct links *links, const struct link *now,
		  const struct plan *p, struct err *e)
{
	const struct addresses_wish wish = {now->index, p->name, p->addresses, p->n_addresses};
	unsigned up = p->down ? 0 : IFF_UP;
	int r;

	/* Before it is up, because a router may speak at once. */
	ipv6_switch(n, links, now->index, p->name, p->ipv6_off);
	r = addresses_replace(fd, n, links, &wish, e);
	if (r == 0)
		r = set_flags(fd, now, (now->flags & ~(unsigned) IFF_UP) | up, IFF_UP, e);
	return r < 0 || p->down ? r : addresses_reach_peers(fd, &wish, e);
}

static int carry_out(int fd, struct network *n, const struct links *links, const struct link *l,
		     const struct plan *p, struct err *e)
{
	struct link now = *l;
	int r = 0;

	if (must_be_down(l, p)) {
		r = set_flags(fd, l, 0, IFF_UP, e);
		now.flags &= ~(unsigned) IFF_UP;
	}
	if (r == 0)
		r = set_name(fd, links, l, p->name, e);
	if (r == 0)
		r = set_mac(fd, l, p, e);
	if (r == 0)
		r = set_mtu(fd, l, p->mtu, e);
	/* Before it is up, so that the kernel does not look for other owners of IPv6 addresses. */
	if (r == 0)
		r = set_flags(fd, &now, p->noarp ? IFF_NOARP : 0, IFF_NOARP, e);
	if (r == 0 && names_link_local(p))
		keep_from_link_local(fd, l);
	/* Before its addresses, because those of IPv6 would go. */
	if (r == 0)
		r = vrf_join(fd, n, l, links_by_name(links, p->master), e);
	now.flags = (now.flags & ~(unsigned) IFF_NOARP) | (p->noarp ? IFF_NOARP : 0);
	return r < 0 ? r : set_up(fd, n, links, &now, p, e);
}

static const struct link *loopback_of(const struct links *links)
{
	for (size_t i = 0; i < links->n; i++)
		if (links->list[i].flags & IFF_LOOPBACK)
			return &links->list[i];
	return NULL;
}

/* Which one it is now. */
static const struct link *pick(const struct links *links, const struct plan *p, const char *at)
{
	const struct link *l = at ? links_by_name(links, at) : links_by_mac(links, p->mac);

	if (p->loopback)
		return loopback_of(links);
	/* A machine that was restored from a template still has the template's address. */
	if (!l && !at)
		l = links_by_name(links, p->name);
	return l && !(l->flags & IFF_LOOPBACK) ? l : NULL;
}

static char *copy(const char *text)
{
	return *text ? strdup(text) : (char *) protobuf_c_empty_string;
}

static Types__Interface *message_of(const struct link *l, const struct link *master)
{
	Types__Interface *m = calloc(1, sizeof *m);
	char mac[MAC_TEXT_MAX];

	if (!m)
		return NULL;
	types__interface__init(m);
	m->name = strdup(l->name);
	m->device = strdup(l->name);
	m->mtu = l->mtu;
	m->raw_flags = l->flags & IFF_NOARP;
	m->vrf_table = l->vrf_table;
	if (master && master->vrf_table)
		m->master = strdup(master->name);
	if (l->has_mac)
		m->hwaddr = strdup(mac_print(l->mac, mac));
	if (m->name && m->device && m->hwaddr && m->master)
		return m;
	types__interface__free_unpacked(m, NULL);
	return NULL;
}

static int describe(int fd, const struct links *links, const struct link *l, Types__Interface **ret,
		    struct err *e)
{
	Types__Interface *m = message_of(l, links_by_index(links, l->master));

	if (!m)
		return err_sys(e, ENOMEM, "describe '%s'", l->name);

	int r = addresses_list(fd, l->index, &m->ipaddresses, &m->n_ipaddresses, e);

	if (r < 0)
		types__interface__free_unpacked(m, NULL);
	else
		*ret = m;
	return r;
}

/* Those fields of the answer that only the host knows. */
static int echo(Types__Interface *m, const Types__Interface *want, struct err *e)
{
	free(m->device);
	m->device = copy(want->device);
	m->devicepath = copy(want->devicepath);
	m->type = copy(want->type);
	return m->device && m->devicepath && m->type ? 0 : err_sys(e, ENOMEM, "describe it");
}

static int answer(int fd, int index, struct links *links, const Types__Interface *want,
		  Types__Interface **ret, struct err *e)
{
	int r = links_read(fd, links, e);
	const struct link *l = r < 0 ? NULL : links_by_index(links, index);
	Types__Interface *m = NULL;

	if (r == 0 && !l)
		r = err_say(e, ENODEV, "it is gone");
	if (r == 0)
		r = describe(fd, links, l, &m, e);
	if (r == 0)
		r = echo(m, want, e);
	if (r == 0)
		*ret = m;
	else if (m)
		types__interface__free_unpacked(m, NULL);
	return r;
}

/* Of what the kernel would refuse halfway, what can be foreseen. */
static int foresee(const struct links *links, const struct link *l, const struct plan *p,
		   const char *mac, struct err *e)
{
	const struct link *other = links_by_name(links, p->name);

	if (!l)
		return err_say(e, ENODEV, "there is no interface with hardware address '%s'", mac);
	if (other && other != l && (other->flags & IFF_LOOPBACK))
		return err_say(e, EINVAL, "'%s' is the loopback's name", other->name);
	other = links_by_name(links, p->master);
	if (*p->master &&
	    (!other || !other->vrf_table || other == l || strcmp(p->name, p->master) == 0))
		return err_say(e, EINVAL, "there is no VRF '%.32s'", p->master);
	return 0;
}

/* The interfaces there are, with the VRF that the plan is for. */
static int read_links(int fd, struct network *n, const struct plan *p, struct links *links,
		      struct err *e)
{
	struct vrf_wish vrf = {.table = p->vrf_table};
	int r = links_read(fd, links, e);

	if (r < 0 || !p->vrf_table)
		return r;
	memcpy(vrf.mac, p->mac, sizeof vrf.mac);
	r = vrf_make(fd, n, links, &vrf, e);
	return r < 0 ? r : links_read(fd, links, e);
}

static int set(int fd, struct network *n, const Types__Interface *want, const char *at,
	       Types__Interface **ret, struct err *e)
{
	struct plan plan = {0};
	struct links links = {0};
	const struct link *l = NULL;
	int index = 0;
	int r = plan_read(&plan, want, at, e);

	if (r == 0)
		r = read_links(fd, n, &plan, &links, e);
	if (r == 0)
		l = pick(&links, &plan, at);
	if (r == 0)
		r = foresee(&links, l, &plan, want->hwaddr, e);
	if (r == 0) {
		index = l->index;
		r = carry_out(fd, n, &links, l, &plan, e);
	}
	if (r == 0)
		r = answer(fd, index, &links, want, ret, e);
	links_fini(&links);
	plan_fini(&plan);
	return r;
}

int network_set_interface(struct network *n, const Types__Interface *want, const char *at,
			  Types__Interface **ret, struct err *e)
{
	auto_close int fd = nl_open(NETLINK_ROUTE, e);

	if (fd < 0)
		return fd;

	int r = set(fd, n, want, at, ret, e);

	return err_wrap(e, r, "set up interface '%.32s'", want->name);
}

int network_has_interface(struct network *n, const Types__Interface *want, struct err *e)
{
	auto_close int fd = nl_open(NETLINK_ROUTE, e);
	struct links links = {0};
	struct plan plan = {.name = want->name};
	int r = fd < 0 ? fd : mac_parse(want->hwaddr, plan.mac, e);

	(void) n;
	if (r == 0)
		r = links_read(fd, &links, e);
	if (r == 0 && !pick(&links, &plan, NULL))
		r = err_say(e, ENODEV, "there is no interface with hardware address '%s'",
			    want->hwaddr);
	links_fini(&links);
	return err_wrap(e, r, "set up interface '%.32s'", want->name);
}

void network_free_interfaces(Types__Interface **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		types__interface__free_unpacked(list[i], NULL);
	free(list);
}

int network_list_interfaces(struct network *n, Types__Interface ***ret, size_t *ret_n,
			    struct err *e)
{
	auto_close int fd = nl_open(NETLINK_ROUTE, e);
	struct links links = {0};
	Types__Interface **list = NULL;
	size_t count = 0;
	int r = fd < 0 ? fd : links_read(fd, &links, e);

	(void) n;
	if (r == 0)
		list = calloc(links.n + 1, sizeof *list);
	if (r == 0 && !list)
		r = err_sys(e, ENOMEM, "list interfaces");
	for (size_t i = 0; r == 0 && i < links.n; i++) {
		r = describe(fd, &links, &links.list[i], &list[i], e);
		count += r == 0;
	}
	links_fini(&links);
	if (r < 0) {
		network_free_interfaces(list, count);
		return r;
	}
	*ret = list;
	*ret_n = count;
	return 0;
}
