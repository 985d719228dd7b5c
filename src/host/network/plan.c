/* Which of the things in a namespace a machine gets, and why not the others. */
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <string.h>

#include "base/array.h"
#include "host/network/tap.h"

static bool has_address(const struct network_facts *f, int link)
{
	for (size_t i = 0; i < f->n_addresses; i++)
		if (f->addresses[i].link == link)
			return true;
	return false;
}

static const struct network_link *link_of(const struct network_facts *f, int index)
{
	for (size_t i = 0; i < f->n_links; i++)
		if (f->links[i].index == index)
			return &f->links[i];
	return NULL;
}

const struct network_link *network_vrf_of(const struct network_facts *f,
					  const struct network_link *link)
{
	const struct network_link *master = link->master ? link_of(f, link->master) : NULL;

	return master && master->vrf_table ? master : NULL;
}

static bool has_members(const struct network_facts *f, int master)
{
	for (size_t i = 0; i < f->n_links; i++)
		if (f->links[i].master == master)
			return true;
	return false;
}

bool network_is_localhost(const struct network_address *a)
{
	static const struct in6_addr v6 = IN6ADDR_LOOPBACK_INIT;
	static const uint8_t v4[] = {127, 0, 0, 1};

	return a->ip.family == AF_INET6 ? memcmp(a->ip.bytes, &v6, sizeof v6) == 0
					: memcmp(a->ip.bytes, v4, sizeof v4) == 0;
}

/* Whether the loopback has an address that the guest's has not by itself: that of a balancer's
 * service, for instance, or of a router. */
static bool has_address_for_guest(const struct network_facts *f, int link)
{
	for (size_t i = 0; i < f->n_addresses; i++)
		if (f->addresses[i].link == link && !network_is_localhost(&f->addresses[i]))
			return true;
	return false;
}

static bool is_one_of(const struct network_link *link, const char *const *kinds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(link->kind, kinds[i]) == 0)
			return true;
	return false;
}

/* Whether the frames of @link arrive at another interface of the namespace, where they are the
 * guest's. Its kind is asked, because one end of a pair names the other as if it were on it. */
static bool is_on_top(const struct network_facts *f, const struct network_link *link)
{
	static const char *const kinds[] = {"macvlan", "macvtap", "ipvlan", "vlan"};
	const struct network_link *lower = link->lower ? link_of(f, link->lower) : NULL;

	return lower && is_one_of(link, kinds, ARRAY_LEN(kinds)) && lower->type == ARPHRD_ETHER &&
	       !lower->master;
}

/* Kinds for which the packet is the whole of what arrives. Before that of others (vti, xfrm) is
 * still the head of the frame that it came in. */
static bool is_plain(const struct network_link *link)
{
	static const char *const kinds[] = {"tun", "wireguard", "ipip", "sit", "ip6tnl"};

	return link->has_blank_heads || is_one_of(link, kinds, ARRAY_LEN(kinds));
}

/* Whether it wraps what it carries and sends that from the namespace that it was made in. WireGuard
 * does, too, but its driver does not say where it was made. */
static bool is_tunnel(const struct network_link *link)
{
	static const char *const kinds[] = {"vxlan",     "geneve", "gretap", "ip6gretap", "erspan",
					    "ip6erspan", "ipip",   "sit",    "ip6tnl"};

	return is_one_of(link, kinds, ARRAY_LEN(kinds));
}

static const char *no_card(const struct network_facts *f, const struct network_link *link)
{
	if (link->carries_packets ? !is_plain(link) : link->type != ARPHRD_ETHER || !link->has_mac)
		return "it carries neither Ethernet's frames nor plain packets of IP";
	if (link->master && !network_vrf_of(f, link))
		return "it belongs to another interface";
	if (is_on_top(f, link))
		return "what arrives at the interface that it is on is the guest's";
	if (is_tunnel(link) && !link->is_apart)
		return "the answers to what it sends arrive at interfaces that are the guest's";
	return NULL;
}

bool network_wants(const struct network_facts *f, const struct network_link *link,
		   const char **ret_why)
{
	bool used = (link->flags & IFF_UP) || has_address(f, link->index) ||
		    (link->vrf_table && has_members(f, link->index));

	*ret_why = NULL;
	if (link->flags & IFF_LOOPBACK)
		return has_address_for_guest(f, link->index);
	/* Some kernel modules put interfaces that nobody uses into every namespace (gretap0). */
	if (!used || tap_is_ours(link))
		return false;
	*ret_why = no_card(f, link);
	return !*ret_why;
}

bool network_route_leads_nowhere(const struct network_route *r)
{
	return r->type == RTN_BLACKHOLE || r->type == RTN_UNREACHABLE || r->type == RTN_PROHIBIT ||
	       r->type == RTN_THROW;
}

/* What cannot be said at all, or not by upstream's words only. */
static const char *no_words(const struct network_route *r, bool whole)
{
	bool nowhere = network_route_leads_nowhere(r);

	if (r->is_wrapped)
		return "it wraps what it carries";
	if (r->by_source)
		return "it is for certain sources only";
	if (r->n_hops > NETWORK_ROUTE_HOPS_MAX)
		return "it has too many next hops";
	if (!whole && r->table != RT_TABLE_MAIN)
		return "it is not in the main table";
	if (!whole && r->type != RTN_UNICAST)
		return "it leads nowhere";
	if (!whole && r->via.family && r->via.family != r->to.family)
		return "its next hop is of the other family";
	if (!nowhere && !r->link && (!whole || r->n_hops == 0))
		return "it has several next hops";
	return NULL;
}

/* Where the kernel puts the routes that it makes for the addresses of a link, beside the local
 * table. */
static uint32_t own_table(const struct network_facts *f, int index)
{
	const struct network_link *link = link_of(f, index);
	const struct network_link *vrf = link ? network_vrf_of(f, link) : NULL;

	if (vrf || (link && link->vrf_table))
		return vrf ? vrf->vrf_table : link->vrf_table;
	return RT_TABLE_MAIN;
}

/* The guest's kernel makes these by itself, from addresses and routers' advertisements. In other
 * tables they are copies that a plugin has made (sbr). */
static bool is_made_by_guest(const struct network_facts *f, const struct network_route *r)
{
	if (r->protocol == RTPROT_KERNEL)
		return r->table == RT_TABLE_LOCAL || r->table == own_table(f, r->link);
	return r->protocol == RTPROT_RA || r->protocol == RTPROT_REDIRECT;
}

bool network_wants_route(const struct network_facts *f, const struct network_route *r, bool whole,
			 const char **ret_why)
{
	*ret_why = NULL;
	if (is_made_by_guest(f, r) || (!whole && r->table == RT_TABLE_LOCAL))
		return false;
	*ret_why = no_words(r, whole);
	return !*ret_why;
}

static bool is_in(const struct network_ip *ip, const struct network_ip *net)
{
	size_t whole = net->bits / 8U, rest = net->bits % 8U;
	unsigned mask = 0xff00U >> rest & 0xffU;

	return ip->family == net->family && memcmp(ip->bytes, net->bytes, whole) == 0 &&
	       (rest == 0 || ((ip->bytes[whole] ^ net->bytes[whole]) & mask) == 0);
}

bool network_has_prefix_route(const struct network_facts *f, const struct network_address *a)
{
	const struct network_ip *to = a->peer.family ? &a->peer : &a->ip;
	uint32_t table = own_table(f, a->link);

	const struct network_link *link = link_of(f, a->link);

	/* The kernel makes none, or one that makes all of the network local. */
	if ((!a->peer.family && to->family == AF_INET && to->bits == 32) ||
	    (link && (link->flags & IFF_LOOPBACK)))
		return true;

	for (size_t i = 0; i < f->n_routes; i++) {
		const struct network_route *r = &f->routes[i];

		if (r->link == a->link && r->protocol == RTPROT_KERNEL && r->table == table &&
		    r->type == RTN_UNICAST && r->to.bits == to->bits && is_in(to, &r->to))
			return true;
	}
	return false;
}

/* The guest makes by itself what the kernel makes from routers' advertisements: those have a
 * lifetime, and are what temporary addresses are made for, or are temporary ones. */
bool network_wants_address(const struct network_address *a)
{
	return a->ip.family == AF_INET || (a->flags & IFA_F_PERMANENT) ||
	       !(a->flags & (IFA_F_MANAGETEMPADDR | IFA_F_TEMPORARY));
}

bool network_wants_neighbour(const struct network_neighbour *n)
{
	return (n->state & NUD_PERMANENT) && n->has_mac;
}
