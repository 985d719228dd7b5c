#include "host/sandbox/interface_words.h"

#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "ttrpc/ttrpc.h"

/* Address and prefix, as long as they get. */
#define IP_TEXT_BYTES (INET6_ADDRSTRLEN + 4)

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

static bool fill_interface(Types__Interface *i, const struct network_facts *f,
			   const struct network_link *link, const char *device_path)
{
	bool ok = put(&i->device, link->name) && put(&i->name, link->name) &&
		  put(&i->type, link->kind) && put(&i->devicepath, device_path) &&
		  put_mac(&i->hwaddr, link->mac);

	for (size_t a = 0; ok && a < f->n_addresses; a++)
		if (f->addresses[a].link == link->index && network_wants_address(&f->addresses[a]))
			ok = put_address(i, &f->addresses[a].ip);
	return ok;
}

Grpc__UpdateInterfaceRequest *interface_words(const struct network_facts *f,
					      const struct network_link *link, uint32_t mtu,
					      const char *device_path)
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
		q->interface->raw_flags = link->flags & IFF_NOARP;
		if (fill_interface(q->interface, f, link, device_path))
			return q;
	}
	ttrpc_message_free(&q->base);
	return NULL;
}

static const struct network_link *find(const struct network_link *const *links, size_t n, int index)
{
	for (size_t i = 0; i < n; i++)
		if (links[i]->index == index)
			return links[i];
	return NULL;
}

static bool put_route(Grpc__Routes *all, const struct network_route *r,
		      const struct network_link *link)
{
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
	w->mtu = r->mtu;
	w->metric = r->metric;
	/* An empty destination is the default route's. */
	return (r->to.bits == 0 || put_ip(&w->dest, &r->to, true)) &&
	       put_ip(&w->gateway, &r->via, false) && put_ip(&w->source, &r->source, false) &&
	       put(&w->device, link->name);
}

static void warn_of_route(const struct network_route *r, const char *why)
{
	char text[INET6_ADDRSTRLEN];

	if (inet_ntop(r->to.family, r->to.bytes, text, sizeof text))
		log_warn("ignoring the route to '%s/%u' of the network namespace: %s", text,
			 r->to.bits, why);
}

Grpc__UpdateRoutesRequest *route_words(const struct network_facts *f,
				       const struct network_link *const *links, size_t n, bool warn)
{
	Grpc__UpdateRoutesRequest *q = calloc(1, sizeof *q);
	bool ok = q && (grpc__update_routes_request__init(q), true) &&
		  (q->routes = calloc(1, sizeof *q->routes));

	if (ok)
		grpc__routes__init(q->routes);
	for (size_t i = 0; ok && i < f->n_routes; i++) {
		const struct network_route *r = &f->routes[i];
		const struct network_link *link = find(links, n, r->link);
		const char *why;

		if (network_wants_route(r, &why) && link)
			ok = put_route(q->routes, r, link);
		else if (why && warn)
			warn_of_route(r, why);
	}
	if (ok)
		return q;
	ttrpc_message_free(q ? &q->base : NULL);
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
					      const struct network_link *const *links, size_t n)
{
	Grpc__AddARPNeighborsRequest *q = calloc(1, sizeof *q);
	bool ok = q && (grpc__add_arpneighbors_request__init(q), true) &&
		  (q->neighbors = calloc(1, sizeof *q->neighbors));

	if (ok)
		grpc__arpneighbors__init(q->neighbors);
	for (size_t i = 0; ok && i < f->n_neighbours; i++) {
		const struct network_link *link = find(links, n, f->neighbours[i].link);

		if (link && network_wants_neighbour(&f->neighbours[i]))
			ok = put_neighbour(q->neighbors, &f->neighbours[i], link);
	}
	if (ok)
		return q;
	ttrpc_message_free(q ? &q->base : NULL);
	return NULL;
}
