#include "host/sandbox/interface_words.h"

#include <arpa/inet.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "ttrpc/ttrpc.h"

/* Address and prefix, as long as they get. */
#define IP_TEXT_BYTES (INET6_ADDRSTRLEN + 4)

/* Of an address's flags those that are given; the others are found out. */
#define ADDRESS_FLAGS (IFA_F_NOPREFIXROUTE | IFA_F_DEPRECATED | IFA_F_HOMEADDRESS)

/* Makes room for one more in a list of pointers. */
static bool reserve(void *list, size_t n)
{
	void *now, *longer;

	memcpy(&now, list, sizeof now);
	longer = reallocarray(now, n + 1, sizeof longer);
	if (!longer)
		return false;
	memcpy(list, &longer, sizeof longer);
	return true;
}

/* A copy for a field, which is not NULL but protobuf's own "" when there is no memory. */
static bool put(char **field, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return false;
	*field = copy;
	return true;
}

static bool put_ip(char **field, const struct network_ip *ip, bool with_prefix)
{
	char text[IP_TEXT_BYTES];

	if (!ip->family || !inet_ntop(ip->family, ip->bytes, text, sizeof text))
		return true;
	if (with_prefix) {
		size_t n = strlen(text);

		(void) snprintf(text + n, sizeof text - n, "/%u", ip->bits);
	}
	return put(field, text);
}

static bool put_mac(char **field, const uint8_t m[NETWORK_MAC_BYTES])
{
	char text[NETWORK_MAC_BYTES * 3];

	(void) snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3],
			m[4], m[5]);
	return put(field, text);
}

static Types__IPFamily family_of(const struct network_ip *ip)
{
	return ip->family == AF_INET6 ? TYPES__IPFAMILY__v6 : TYPES__IPFAMILY__v4;
}

/* What upstream's agent decides by itself. */
static Types__AddressDetails *details_of(const struct network_facts *f,
					 const struct network_link *link,
					 const struct network_address *a)
{
	Types__AddressDetails *d = calloc(1, sizeof *d);

	if (!d)
		return NULL;
	types__address_details__init(d);
	d->scope = a->scope;
	d->flags = a->flags & ADDRESS_FLAGS;
	d->metric = a->metric;
	/* An interface that is down has no routes at all. */
	if ((link->flags & IFF_UP) && !network_has_prefix_route(f, a))
		d->flags |= IFA_F_NOPREFIXROUTE;
	if (put_ip(&d->peer, &a->peer, false) && put_ip(&d->broadcast, &a->broadcast, false) &&
	    put(&d->label, a->label))
		return d;
	types__address_details__free_unpacked(d, NULL);
	return NULL;
}

static bool put_address(Types__Interface *i, const struct network_ip *ip)
{
	Types__IPAddress *a;
	char bits[8];

	if (!reserve(&i->ipaddresses, i->n_ipaddresses))
		return false;
	a = calloc(1, sizeof *a);
	if (!a)
		return false;
	types__ipaddress__init(a);
	i->ipaddresses[i->n_ipaddresses++] = a;
	a->family = family_of(ip);
	(void) snprintf(bits, sizeof bits, "%u", ip->bits);
	return put_ip(&a->address, ip, false) && put(&a->mask, bits);
}

static bool is_told(const Types__Interface *i, const struct network_address *a)
{
	return network_wants_address(a) && !(i->loopback && network_is_localhost(a));
}

/* What upstream's words cannot say of an interface itself. */
static void put_switches(Types__Interface *i, const struct network_link *link)
{
	i->vrf_table = link->vrf_table;
	i->loopback = link->flags & IFF_LOOPBACK;
	i->down = !(link->flags & IFF_UP);
	/* The guest's loopback keeps ::1 as long as the guest has IPv6. */
	if (i->loopback)
		return;
	i->no_ipv6 = link->no_ipv6;
	i->no_router_advertisements = link->no_routers;
	i->no_autoconf = link->no_autoconf;
}

static bool fill_interface(Types__Interface *i, const struct network_facts *f,
			   const struct network_link *link, const char *device_path, bool whole)
{
	const struct network_link *vrf = whole ? network_vrf_of(f, link) : NULL;
	bool ok = put(&i->device, link->name) && put(&i->name, link->name) &&
		  put(&i->type, link->kind) && put(&i->devicepath, device_path) &&
		  (i->loopback || put_mac(&i->hwaddr, link->mac)) &&
		  (!vrf || put(&i->master, vrf->name));

	for (size_t a = 0; ok && a < f->n_addresses; a++)
		if (f->addresses[a].link == link->index && is_told(i, &f->addresses[a]))
			ok = put_address(i, &f->addresses[a].ip) &&
			     (!whole || (i->ipaddresses[i->n_ipaddresses - 1]->details =
						 details_of(f, link, &f->addresses[a])));
	return ok;
}

Grpc__UpdateInterfaceRequest *interface_words(const struct network_facts *f,
					      const struct network_link *link, uint32_t mtu,
					      const char *device_path, bool whole)
{
	Grpc__UpdateInterfaceRequest *q = calloc(1, sizeof *q);

	if (!q)
		return NULL;
	grpc__update_interface_request__init(q);
	q->interface = calloc(1, sizeof *q->interface);
	if (q->interface) {
		types__interface__init(q->interface);
		q->interface->mtu = mtu;
		/* Of all flags this is the one that an interface is given, and not in. */
		q->interface->raw_flags =
			link->carries_packets ? IFF_NOARP : link->flags & IFF_NOARP;
		if (whole)
			put_switches(q->interface, link);
		if (fill_interface(q->interface, f, link, device_path, whole))
			return q;
	}
	ttrpc_message_free(&q->base);
	return NULL;
}

/* The interface with that index, if it is one of the @n of the machine, or the loopback, which the
 * guest has as well. */
static const struct network_link *find(const struct network_facts *f,
				       const struct network_link *const *links, size_t n, int index)
{
	for (size_t i = 0; i < n; i++)
		if (links[i]->index == index)
			return links[i];
	for (size_t i = 0; i < f->n_links; i++)
		if (f->links[i].index == index && (f->links[i].flags & IFF_LOOPBACK))
			return &f->links[i];
	return NULL;
}

/* What route_words() puts together. */
struct wording {
	const struct network_facts *f;
	const struct network_link *const *links;
	size_t n;
	bool whole, warn;
	Grpc__Routes *to;
};

static bool put_hop(Types__Route *w, const struct network_hop *hop, const struct network_link *link)
{
	Types__NextHop *h;

	if (!reserve(&w->next_hops, w->n_next_hops))
		return false;
	h = calloc(1, sizeof *h);
	if (!h)
		return false;
	types__next_hop__init(h);
	w->next_hops[w->n_next_hops++] = h;
	h->flags = hop->flags & RTNH_F_ONLINK;
	h->weight = hop->weight;
	return put_ip(&h->gateway, &hop->via, false) && put(&h->device, link->name);
}

static bool put_numbers(uint32_t **to, size_t *ret_n, const uint32_t *from, size_t n)
{
	*to = calloc(n, sizeof **to);
	if (!*to)
		return false;
	*ret_n = n;
	memcpy(*to, from, n * sizeof **to);
	return true;
}

static bool put_metrics(Types__Route *w, const struct network_route *r)
{
	if (!put_numbers(&w->metrics, &w->n_metrics, r->metrics, NETWORK_METRICS))
		return false;
	/* Which of them are locked is no number of its own to tell. */
	w->locked = r->metrics[RTAX_LOCK];
	w->metrics[RTAX_LOCK] = 0;
	return true;
}

/* What upstream's words cannot say. */
static bool put_more(Types__Route *w, const struct network_route *r, const struct wording *a)
{
	const struct network_hop *hops = a->f->hops;

	for (size_t i = r->hop; i < r->hop + r->n_hops; i++)
		if (!put_hop(w, &hops[i], find(a->f, a->links, a->n, hops[i].link)))
			return false;
	w->type = r->type;
	w->table = r->table;
	w->protocol = r->protocol;
	w->tos = r->tos;
	w->preference = r->preference;
	return put_metrics(w, r);
}

/* @link: NULL for a route that has none. */
static bool put_route(const struct wording *a, const struct network_route *r,
		      const struct network_link *link)
{
	Grpc__Routes *all = a->to;
	Types__Route *w;

	if (!reserve(&all->routes, all->n_routes))
		return false;
	w = calloc(1, sizeof *w);
	if (!w)
		return false;
	types__route__init(w);
	all->routes[all->n_routes++] = w;
	w->family = family_of(&r->to);
	w->scope = r->scope;
	w->flags = r->flags & RTNH_F_ONLINK;
	w->mtu = r->metrics[RTAX_MTU];
	w->metric = r->metric;
	/* An empty destination is the default route's. */
	return (r->to.bits == 0 || put_ip(&w->dest, &r->to, true)) &&
	       put_ip(&w->gateway, &r->via, false) && put_ip(&w->source, &r->source, false) &&
	       put(&w->device, link ? link->name : "") && (!a->whole || put_more(w, r, a));
}

static void warn_of_route(const struct network_route *r, const char *why)
{
	char text[INET6_ADDRSTRLEN];

	if (inet_ntop(r->to.family, r->to.bytes, text, sizeof text))
		log_warn("ignoring the route to '%s/%u' of the network namespace: %s", text,
			 r->to.bits, why);
}

/* Whether all interfaces of a route are the guest's. */
static bool is_within(const struct wording *a, const struct network_route *r)
{
	if (network_route_leads_nowhere(r))
		return true;
	for (size_t i = r->hop; i < r->hop + r->n_hops; i++)
		if (!find(a->f, a->links, a->n, a->f->hops[i].link))
			return false;
	return r->n_hops > 0 || find(a->f, a->links, a->n, r->link);
}

/* By what a kernel tells routes apart. It usually goes by the first of several that are alike,
 * which come one after the other when it lists them; the guest would go by the last. */
static bool is_alike(const struct network_route *a, const struct network_route *b)
{
	return a->table == b->table && a->metric == b->metric && a->tos == b->tos &&
	       a->to.family == b->to.family && a->to.bits == b->to.bits &&
	       memcmp(a->to.bytes, b->to.bytes, sizeof a->to.bytes) == 0;
}

static bool put_routes(const struct wording *a)
{
	const struct network_route *last = NULL; /* that the guest has */

	for (size_t i = 0; i < a->f->n_routes; i++) {
		const struct network_route *r = &a->f->routes[i];
		const char *why;
		/* For one that leads nowhere IPv6 names the loopback. */
		const struct network_link *link =
			network_route_leads_nowhere(r) ? NULL : find(a->f, a->links, a->n, r->link);
		bool wanted = network_wants_route(a->f, r, a->whole, &why);
		bool has = !why && is_within(a, r); /* it is told, or the guest's kernel makes it */

		if (wanted && has && last && is_alike(r, last)) {
			why = "the one before it has the same metric";
			has = false;
		}
		if (wanted && has && !put_route(a, r, link))
			return false;
		if (has)
			last = r;
		if (why && a->warn)
			warn_of_route(r, why);
	}
	return true;
}

static bool put_rule(Grpc__Routes *all, const struct network_rule *r)
{
	Types__Rule *w;

	if (!reserve(&all->rules, all->n_rules))
		return false;
	w = calloc(1, sizeof *w);
	if (!w)
		return false;
	types__rule__init(w);
	all->rules[all->n_rules++] = w;
	w->family = family_of(&r->from);
	w->tos = r->tos;
	w->action = r->action;
	w->inverted = r->inverted;
	return (r->from.bits == 0 || put_ip(&w->source, &r->from, true)) &&
	       (r->to.bits == 0 || put_ip(&w->dest, &r->to, true)) && put(&w->iif, r->iif) &&
	       put(&w->oif, r->oif) &&
	       put_numbers(&w->numbers, &w->n_numbers, r->numbers, NETWORK_RULE_NUMBERS) &&
	       (!r->has_users || put_numbers(&w->users, &w->n_users, r->users, 2));
}

static bool put_rules(const struct wording *a)
{
	for (size_t i = 0; i < a->f->n_rules; i++) {
		const struct network_rule *r = &a->f->rules[i];

		if (!r->is_odd && !put_rule(a->to, r))
			return false;
		if (r->is_odd && a->warn)
			log_warn("ignoring the rule %u of the network namespace: it selects by "
				 "what the guest is not told",
				 r->numbers[FRA_PRIORITY]);
	}
	return true;
}

/* Those that the guest is to keep. */
static bool put_vrfs(const struct wording *a)
{
	for (size_t i = 0; i < a->n; i++) {
		if (!a->links[i]->vrf_table)
			continue;
		if (!reserve(&a->to->vrfs, a->to->n_vrfs))
			return false;
		a->to->vrfs[a->to->n_vrfs] = strdup(a->links[i]->name);
		if (!a->to->vrfs[a->to->n_vrfs])
			return false;
		a->to->n_vrfs++;
	}
	return true;
}

Grpc__UpdateRoutesRequest *route_words(const struct network_facts *f,
				       const struct network_link *const *links, size_t n,
				       bool whole, bool warn)
{
	struct wording a = {.f = f, .links = links, .n = n, .whole = whole, .warn = warn};
	Grpc__UpdateRoutesRequest *q = calloc(1, sizeof *q);

	if (!q)
		return NULL;
	grpc__update_routes_request__init(q);
	q->routes = calloc(1, sizeof *q->routes);
	if (q->routes) {
		grpc__routes__init(q->routes);
		q->routes->complete = whole;
		a.to = q->routes;
		if (put_routes(&a) && (!whole || (put_rules(&a) && put_vrfs(&a))))
			return q;
	}
	ttrpc_message_free(&q->base);
	return NULL;
}

static bool put_neighbour(Grpc__ARPNeighbors *all, const struct network_neighbour *n,
			  const struct network_link *link)
{
	Types__ARPNeighbor *w;

	if (!reserve(&all->arpneighbors, all->n_arpneighbors))
		return false;
	w = calloc(1, sizeof *w);
	if (!w)
		return false;
	types__arpneighbor__init(w);
	all->arpneighbors[all->n_arpneighbors++] = w;
	w->state = n->state;
	w->flags = n->flags;
	w->toipaddress = calloc(1, sizeof *w->toipaddress);
	if (!w->toipaddress)
		return false;
	types__ipaddress__init(w->toipaddress);
	w->toipaddress->family = family_of(&n->ip);
	return put_ip(&w->toipaddress->address, &n->ip, false) && put(&w->device, link->name) &&
	       put_mac(&w->lladdr, n->mac);
}

Grpc__AddARPNeighborsRequest *neighbour_words(const struct network_facts *f,
					      const struct network_link *const *links, size_t n,
					      bool whole)
{
	Grpc__AddARPNeighborsRequest *q = calloc(1, sizeof *q);
	bool ok = q && (grpc__add_arpneighbors_request__init(q), true) &&
		  (q->neighbors = calloc(1, sizeof *q->neighbors));

	if (ok) {
		grpc__arpneighbors__init(q->neighbors);
		q->neighbors->complete = whole;
	}
	for (size_t i = 0; ok && i < f->n_neighbours; i++) {
		const struct network_link *link = find(f, links, n, f->neighbours[i].link);

		if (link && network_wants_neighbour(&f->neighbours[i]))
			ok = put_neighbour(q->neighbors, &f->neighbours[i], link);
	}
	if (ok)
		return q;
	ttrpc_message_free(q ? &q->base : NULL);
	return NULL;
}
