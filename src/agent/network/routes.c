/* Setting and listing routes. Formats: rtnetlink(7), and include/uapi/linux/rtnetlink.h. */

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "agent/network/links.h"
#include "agent/network/network.h"
#include "agent/network/route_plan.h"
#include "agent/network/state.h"
#include "base/grow.h"
#include "base/log.h"
#include "base/netlink.h"

static void begin(struct nl_request *q, uint16_t type, uint16_t flags, const struct route *r)
{
	struct rtmsg info = {
		.rtm_family = r->dest.family,
		.rtm_dst_len = r->dest.prefix,
		.rtm_tos = r->tos,
		.rtm_table = r->table <= UINT8_MAX ? (uint8_t) r->table : RT_TABLE_UNSPEC,
		.rtm_protocol = r->protocol,
		.rtm_scope = r->scope,
		.rtm_type = r->type,
		.rtm_flags = r->flags,
	};

	nl_begin(q, type, flags, &info, sizeof info);
	nl_put_u32(q, RTA_TABLE, r->table);
	if (r->dest.prefix > 0)
		nl_put(q, RTA_DST, r->dest.bytes, ip_bytes(r->dest.family));
	if (r->device > 0)
		nl_put_u32(q, RTA_OIF, (uint32_t) r->device);
	if (r->metric > 0)
		nl_put_u32(q, RTA_PRIORITY, r->metric);
}

/* @family: of the route, which its gateway need not have. */
static void put_gateway(struct nl_request *q, const struct route *r, uint8_t family)
{
	size_t bytes = ip_bytes(r->gateway.family);
	uint8_t via[sizeof(struct rtvia) + IP_BYTES_MAX];

	if (r->gateway.family == family) {
		nl_put(q, RTA_GATEWAY, r->gateway.bytes, bytes);
		return;
	}
	memcpy(via, &(struct rtvia){.rtvia_family = r->gateway.family}, sizeof(struct rtvia));
	memcpy(via + sizeof(struct rtvia), r->gateway.bytes, bytes);
	nl_put(q, RTA_VIA, via, sizeof(struct rtvia) + bytes);
}

/* The hops have been read once, when the request was judged. @flags: as of ask(). */
static int put_hops(struct nl_request *q, const struct route *r, const Types__Route *from,
		    const struct links *links, unsigned flags, struct err *e)
{
	size_t all = nl_nest(q, RTA_MULTIPATH);

	for (size_t i = 0; i < from->n_next_hops; i++) {
		struct route hop;
		int found = route_read_hop(from, i, links, &hop, e);

		if (found < 0)
			return found;

		if (hop.gateway.family)
			hop.flags |= flags;

		const struct rtnexthop head = {
			.rtnh_flags = (unsigned char) hop.flags,
			.rtnh_hops = (unsigned char) from->next_hops[i]->weight,
			.rtnh_ifindex = hop.device,
		};
		size_t start = nl_record(q, &head, sizeof head);

		if (hop.gateway.family)
			put_gateway(q, &hop, r->dest.family);
		/* A hop begins with its length, as an attribute does. */
		nl_nest_end(q, start);
	}
	nl_nest_end(q, all);
	return 0;
}

static bool has_metrics(const struct route *r, const Types__Route *from)
{
	for (size_t i = 1; i < from->n_metrics; i++)
		if (from->metrics[i] > 0)
			return true;
	return from->n_metrics == 0 && r->mtu > 0;
}

static void put_metrics(struct nl_request *q, const struct route *r, const Types__Route *from)
{
	if (!has_metrics(r, from))
		return;

	size_t nest = nl_nest(q, RTA_METRICS);

	if (from->n_metrics == 0 && r->mtu > 0)
		nl_put_u32(q, RTAX_MTU, r->mtu);
	for (size_t i = 1; i < from->n_metrics; i++)
		if (from->metrics[i] > 0 && i != RTAX_CC_ALGO)
			nl_put_u32(q, (uint16_t) i, from->metrics[i]);
	if (from->locked)
		nl_put_u32(q, RTAX_LOCK, from->locked);
	nl_nest_end(q, nest);
}

/* @flags: RTNH_F_* for the gateways, beside those that the route says. */
static int ask(int fd, const struct route *r, const Types__Route *from, const struct links *links,
	       unsigned flags, struct err *e)
{
	const uint8_t preference = (uint8_t) from->preference;
	struct route flagged = *r;
	struct nl_request q;

	if (r->gateway.family)
		flagged.flags |= flags;
	begin(&q, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &flagged);
	if (r->gateway.family)
		put_gateway(&q, r, r->dest.family);
	if (r->source.family)
		nl_put(&q, RTA_PREFSRC, r->source.bytes, ip_bytes(r->source.family));
	if (preference && r->dest.family == AF_INET6)
		nl_put(&q, RTA_PREF, &preference, sizeof preference);
	put_metrics(&q, r, from);

	int found = from->n_next_hops > 0 ? put_hops(&q, r, from, links, flags, e) : 0;

	return found < 0 ? found : nl_ask(fd, &q, e);
}

/* Whether the kernel refuses a route because no address that is there leads to its gateway. The
 * host can have such a route: its kernel asks that only once, when a route is set, and goes on to
 * send by it when the address has gone. */
static bool gateway_is_lost(int r, const struct route *route, const Types__Route *from)
{
	return (r == -EINVAL || r == -ENETUNREACH || r == -EHOSTUNREACH) &&
	       ((route->gateway.family && route->device > 0) || from->n_next_hops > 0);
}

static int set_one(int fd, const struct route *r, const Types__Route *from,
		   const struct links *links, struct err *e)
{
	struct err cause = {0};
	int found = ask(fd, r, from, links, 0, &cause);

	if (gateway_is_lost(found, r, from) && ask(fd, r, from, links, RTNH_F_ONLINK, NULL) == 0)
		return 0;
	if (found < 0 && e)
		*e = cause;
	return found;
}

static int remove_one(int fd, const struct route *r, struct err *e)
{
	struct nl_request q;
	struct err cause = {0};
	char text[IP_TEXT_MAX];

	begin(&q, RTM_DELROUTE, 0, r);
	/* "nowhere" stands for any scope. */
	((struct rtmsg *) (q.bytes + NLMSG_HDRLEN))->rtm_scope = RT_SCOPE_NOWHERE;

	int found = nl_ask(fd, &q, &cause);

	/* It went with its interface or was taken away in the guest. */
	if (found == 0 || found == -ESRCH || found == -ENODEV)
		return 0;
	if (e)
		*e = cause;
	return err_wrap(e, found, "remove the route to %s", ip_print_network(&r->dest, text));
}

/* A request that has been carried out, as far as it went. */
struct outcome {
	struct route *set; /* those that are set, and room for those of before */
	size_t n_set;
	const struct links *links;
	bool whole;    /* it did not fail */
	bool complete; /* it has all that the host wants */
};

static bool names_device(const struct outcome *o, int device)
{
	for (size_t i = 0; i < o->n_set; i++)
		if (o->set[i].device == device)
			return true;
	return false;
}

static bool *devices_named(const struct outcome *o)
{
	bool *named = calloc(o->links->n + 1, sizeof *named);

	for (size_t i = 0; named && i < o->links->n; i++)
		named[i] = names_device(o, o->links->list[i].index);
	return named;
}

/* Whether a route of an earlier request, which @o does not have, is not wanted any more. @l: its
 * interface. */
static bool is_obsolete(const struct outcome *o, const struct link *l, const bool *named)
{
	return o->whole && (o->complete || (l && named[l - o->links->list]));
}

/* Goes through the routes of earlier requests: removes from the kernel those that are not wanted
 * any more; puts those that stay behind the new ones, and their number into @ret_n. */
static int merge(int fd, const struct network *n, const struct outcome *o,
		 const struct route *sorted, const bool *named, size_t *ret_n, struct err *e)
{
	int r = 0;

	*ret_n = o->n_set;
	for (size_t i = 0; i < n->n_routes; i++) {
		const struct route *old = &n->routes[i];
		const struct link *l = links_by_index(o->links, old->device);

		/* It has been replaced, or went with its interface. */
		if (bsearch(old, sorted, o->n_set, sizeof *old, route_compare) ||
		    (old->device > 0 && !l))
			continue;
		if (r == 0 && is_obsolete(o, l, named)) {
			r = remove_one(fd, old, e);
			if (r == 0)
				continue;
		}
		o->set[(*ret_n)++] = *old;
	}
	return r;
}

/* Gives back the room in @set that @n routes do not need, because a request for few may follow one
 * for ten thousand. */
static struct route *without_spare_room(struct route *set, size_t n)
{
	struct route *less = realloc(set, (n + 1) * sizeof *set);

	return less ? less : set;
}

/* Takes o->set. */
static int remember(int fd, struct network *n, const struct outcome *o, struct err *e)
{
	auto_free struct route *sorted = calloc(o->n_set + 1, sizeof *sorted);
	auto_free bool *named = devices_named(o);
	size_t count = 0;

	if (!sorted || !named) {
		free(o->set);
		return err_sys(e, ENOMEM, "remember routes");
	}
	memcpy(sorted, o->set, o->n_set * sizeof *sorted);
	qsort(sorted, o->n_set, sizeof *sorted, route_compare);

	int r = merge(fd, n, o, sorted, named, &count, e);

	free(n->routes);
	n->routes = without_spare_room(o->set, count);
	n->n_routes = count;
	return r;
}

/* Whether the guest cannot have the route because its interface has no IPv6. Asked after a failure
 * only: it is in a file of the kernel's. */
static bool lacks_ipv6(const struct route *r, const struct links *links)
{
	const struct link *l = links_by_index(links, r->device);

	return r->dest.family == AF_INET6 && l && link_without_ipv6(l->name);
}

/* Sets those of @plan, and says in *@ret_n how many came to be, which are then the first ones. */
static int set_all(int fd, struct route *plan, const size_t *from, Types__Route *const *list,
		   size_t count, const struct links *links, size_t *ret_n, struct err *e)
{
	char text[ROUTE_TEXT_MAX];

	*ret_n = 0;
	for (size_t i = 0; i < count; i++) {
		struct err cause = {0};
		int r = set_one(fd, &plan[i], list[from[i]], links, &cause);

		if (r < 0 && lacks_ipv6(&plan[i], links)) {
			log_info("ignoring the %s: there is no IPv6",
				 route_print(list[from[i]], text));
			continue;
		}
		if (r < 0 && e)
			*e = cause;
		if (r < 0)
			return err_wrap(e, r, "set the %s, after %zu of %zu",
					route_print(list[from[i]], text), *ret_n, count);
		plan[(*ret_n)++] = plan[i];
	}
	return 0;
}

/* @ret has room for those of @list and all that are remembered. */
static int plan_all(struct network *n, Types__Route *const *list, size_t count,
		    const struct links *links, struct route **ret, size_t **ret_from, struct err *e)
{
	auto_free struct route *plan = NULL;
	int r = route_plan(list, count, links, &plan, ret_from, e);
	struct route *room = r < 0 ? NULL : realloc(plan, (count + n->n_routes + 1) * sizeof *plan);

	if (r < 0)
		return r;
	if (!room)
		return err_sys(e, ENOMEM, "read routes");
	(void) take_ptr(plan);
	*ret = room;
	return 0;
}

int network_set_routes(struct network *n, Types__Route *const *list, size_t count, bool complete,
		       struct err *e)
{
	if (count > NETWORK_ROUTES_MAX)
		return err_say(e, EINVAL, "%zu routes are more than %d", count, NETWORK_ROUTES_MAX);

	auto_close int fd = nl_open(NETLINK_ROUTE, e);
	auto_free size_t *from = NULL;
	struct links links = {0};
	struct outcome o = {.links = &links, .complete = complete};
	int r = fd < 0 ? fd : links_read(fd, &links, e);

	if (r == 0)
		r = plan_all(n, list, count, &links, &o.set, &from, e);
	if (r == 0) {
		r = set_all(fd, o.set, from, list, count, &links, &o.n_set, e);
		o.whole = r == 0;

		int also = remember(fd, n, &o, o.whole ? e : NULL);

		r = r < 0 ? r : also;
	}
	links_fini(&links);
	return r;
}

struct listing {
	struct links links;
	Types__Route **list;
	size_t n;
	size_t n_before; /* of the family that is complete */
};

static void listing_drop(void *arg)
{
	struct listing *l = arg;

	while (l->n > l->n_before)
		types__route__free_unpacked(l->list[--l->n], NULL);
}

static char *address_text(uint8_t family, const struct nl_value *v)
{
	char text[IP_TEXT_MAX];
	struct ip ip;

	if (!v->data || ip_set(&ip, family, v->data, v->bytes) < 0)
		return (char *) protobuf_c_empty_string;
	return strdup(ip_print(&ip, text));
}

static char *gateway_text(const struct rtmsg *info, const struct nl_value *a)
{
	struct rtvia via;

	if (!a[RTA_VIA].data || a[RTA_VIA].bytes < sizeof via)
		return address_text(info->rtm_family, &a[RTA_GATEWAY]);
	memcpy(&via, a[RTA_VIA].data, sizeof via);

	struct nl_value address = {
		.data = a[RTA_VIA].data + sizeof via,
		.bytes = a[RTA_VIA].bytes - sizeof via,
	};

	return address_text((uint8_t) via.rtvia_family, &address);
}

static char *dest_text(const struct rtmsg *info, const struct nl_value *v)
{
	struct ip ip = {.family = info->rtm_family};
	char text[IP_TEXT_MAX];

	/* The default route has none. */
	if (v->data && ip_set(&ip, info->rtm_family, v->data, v->bytes) < 0)
		return (char *) protobuf_c_empty_string;
	ip.prefix = info->rtm_dst_len;
	return strdup(ip_print_network(&ip, text));
}

static uint32_t mtu_of(const struct nl_value *metrics)
{
	struct nl_value a[RTAX_MTU + 1];

	if (!metrics->data || nl_parse(metrics->data, metrics->bytes, a, RTAX_MTU + 1) < 0)
		return 0;
	return nl_u32(&a[RTAX_MTU]);
}

static Types__Route *message_of(const struct listing *l, const struct rtmsg *info,
				const struct nl_value *a)
{
	const struct link *link = links_by_index(&l->links, (int) nl_u32(&a[RTA_OIF]));
	Types__Route *m = calloc(1, sizeof *m);

	if (!m)
		return NULL;
	types__route__init(m);
	m->dest = dest_text(info, &a[RTA_DST]);
	m->gateway = gateway_text(info, a);
	m->source = address_text(info->rtm_family, &a[RTA_PREFSRC]);
	if (link)
		m->device = strdup(link->name);
	m->scope = info->rtm_scope;
	m->family = info->rtm_family == AF_INET6 ? TYPES__IPFAMILY__v6 : TYPES__IPFAMILY__v4;
	m->flags = info->rtm_flags;
	m->mtu = mtu_of(&a[RTA_METRICS]);
	m->metric = nl_u32(&a[RTA_PRIORITY]);
	if (m->dest && m->gateway && m->source && m->device)
		return m;
	types__route__free_unpacked(m, NULL);
	return NULL;
}

static int listing_add(void *arg, const struct nl_message *m, struct err *e)
{
	const struct rtmsg *info = m->fixed;
	struct listing *l = arg;
	struct nl_value a[RTA_VIA + 1];

	if (m->type != RTM_NEWROUTE || info->rtm_table != RT_TABLE_MAIN ||
	    info->rtm_type != RTN_UNICAST || (info->rtm_flags & RTM_F_CLONED))
		return 0;
	if (info->rtm_family != AF_INET && info->rtm_family != AF_INET6)
		return 0;
	if (nl_parse(m->attributes, m->attributes_bytes, a, RTA_VIA + 1) < 0)
		return err_say(e, EBADMSG, "the kernel's list of routes makes no sense");
	if (!array_grow(&l->list, l->n, sizeof *l->list) ||
	    !(l->list[l->n] = message_of(l, info, a)))
		return err_sys(e, ENOMEM, "list routes");
	l->n++;
	return 0;
}

static int list_family(int fd, uint8_t family, struct listing *l, struct err *e)
{
	struct rtmsg main_table = {.rtm_family = family, .rtm_table = RT_TABLE_MAIN};
	struct nl_request q;

	l->n_before = l->n;
	nl_begin(&q, RTM_GETROUTE, 0, &main_table, sizeof main_table);
	return nl_dump(fd, &q, sizeof main_table, listing_add, listing_drop, l, e);
}

void network_free_routes(Types__Route **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		types__route__free_unpacked(list[i], NULL);
	free(list);
}

int network_list_routes(struct network *n, Types__Route ***ret, size_t *ret_n, struct err *e)
{
	auto_close int fd = nl_open(NETLINK_ROUTE, e);
	struct listing l = {0};
	int r = fd < 0 ? fd : links_read(fd, &l.links, e);

	(void) n;
	if (r == 0)
		r = list_family(fd, AF_INET, &l, e);
	if (r == 0)
		r = list_family(fd, AF_INET6, &l, e);
	links_fini(&l.links);
	if (r < 0) {
		network_free_routes(l.list, l.n);
		return err_wrap(e, r, "list routes");
	}
	*ret = l.list;
	*ret_n = l.n;
	return 0;
}
