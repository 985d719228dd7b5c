#include "agent/network/route_plan.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What IPv6 takes for no metric: IP6_RT_PRIO_USER of include/uapi/linux/ipv6_route.h. */
#define IPV6_METRIC 1024

static uint32_t metric_of(const struct route *r)
{
	return r->dest.family == AF_INET6 && r->metric == 0 ? IPV6_METRIC : r->metric;
}

int route_compare(const void *a, const void *b)
{
	const struct route *x = a, *y = b;
	uint32_t mx = metric_of(x), my = metric_of(y);
	int r = memcmp(&x->dest, &y->dest, sizeof x->dest);

	if (r == 0)
		r = (mx > my) - (mx < my);
	if (r == 0)
		r = (x->table > y->table) - (x->table < y->table);
	return r ? r : x->tos - y->tos;
}

const char *route_print(const Types__Route *from, char to[ROUTE_TEXT_MAX])
{
	(void) snprintf(to, ROUTE_TEXT_MAX, "route to %.64s%s%.64s on '%.32s'",
			*from->dest ? from->dest : "everywhere", *from->gateway ? " by " : "",
			from->gateway, from->device);
	return to;
}

/* Without a destination it is the default route. Upstream hosts send the family's number for it. */
static int read_dest(const Types__Route *from, struct ip *ret, struct err *e)
{
	uint8_t family = from->family == TYPES__IPFAMILY__v6 ? AF_INET6 : AF_INET;

	if (!*from->dest) {
		*ret = (struct ip){.family = family};
		return 0;
	}

	int r = ip_parse_network(from->dest, ret, e);

	if (r == 0 && ret->family != family)
		return err_say(e, EINVAL, "dest is not of the family that it says");
	return r;
}

/* The address that the guest is to send from. */
static int read_source(const Types__Route *from, const struct route *route, struct ip *ret,
		       struct err *e)
{
	if (!*from->source)
		return 0;

	int r = ip_parse_network(from->source, ret, e);

	if (r < 0)
		return r;
	if (ret->family != route->dest.family)
		return err_say(e, EINVAL, "source is not of the family that it says");
	/* Upstream's hosts write an address with no bits, or all. */
	if (ret->prefix != 0 && ret->prefix != ip_bits(ret->family))
		return err_say(e, EINVAL,
			       "source is a network, and routes by source are not supported");
	return 0;
}

static bool leads_nowhere(uint8_t type)
{
	return type == RTN_BLACKHOLE || type == RTN_UNREACHABLE || type == RTN_PROHIBIT ||
	       type == RTN_THROW;
}

static int read_device(const Types__Route *from, const struct links *links, struct route *ret,
		       struct err *e)
{
	const struct link *l = *from->device ? links_by_name(links, from->device) : NULL;

	if (l) {
		ret->device = l->index;
		return 0;
	}
	if (*from->device)
		return err_say(e, ENODEV, "there is no such interface");
	if (*from->gateway || from->n_next_hops > 0 || leads_nowhere(ret->type))
		return 0;
	return err_say(e, EINVAL, "neither gateway nor device are given");
}

static int read_numbers(const Types__Route *from, struct route *ret, struct err *e)
{
	if (from->scope > UINT8_MAX)
		return err_say(e, EINVAL, "scope %u is none", from->scope);
	ret->scope = (uint8_t) from->scope;
	if (from->type > RTN_MAX || from->protocol > UINT8_MAX || from->tos > UINT8_MAX)
		return err_say(e, EINVAL, "type %u, protocol %u or tos %u is none", from->type,
			       from->protocol, from->tos);
	if (from->n_metrics > RTAX_MAX + 1)
		return err_say(e, EINVAL, "%zu metrics are more than there are", from->n_metrics);
	ret->type = from->type ? (uint8_t) from->type : RTN_UNICAST;
	ret->protocol = from->protocol ? (uint8_t) from->protocol : RTPROT_BOOT;
	ret->tos = (uint8_t) from->tos;
	ret->table = from->table ? from->table : RT_TABLE_MAIN;
	/* The others say how the host's kernel found the route (dead, offloaded), not how it is to
	 * be. */
	ret->flags = from->flags & RTNH_F_ONLINK;
	ret->mtu = from->mtu;
	ret->metric = from->metric;
	return 0;
}

int route_read_hop(const Types__Route *from, size_t i, const struct links *links, struct route *ret,
		   struct err *e)
{
	const Types__NextHop *hop = from->next_hops[i];
	const struct link *l = links_by_name(links, hop->device);
	int r = 0;

	*ret = (struct route){.flags = hop->flags & RTNH_F_ONLINK};
	if (*hop->gateway)
		r = ip_parse(hop->gateway, &ret->gateway, e);
	if (r == 0 && !l)
		r = err_say(e, ENODEV, "there is no such interface");
	if (r == 0 && hop->weight > UINT8_MAX)
		r = err_say(e, EINVAL, "weight %u is none", hop->weight);
	if (r == 0)
		ret->device = l->index;
	return err_wrap(e, r, "next hop '%.64s' on '%.32s'", hop->gateway, hop->device);
}

static int check_hops(const Types__Route *from, const struct links *links, struct err *e)
{
	struct route hop;
	int r = 0;

	if (from->n_next_hops > NETWORK_HOPS_MAX)
		return err_say(e, EINVAL, "%zu next hops are more than %d", from->n_next_hops,
			       NETWORK_HOPS_MAX);
	for (size_t i = 0; r == 0 && i < from->n_next_hops; i++)
		r = route_read_hop(from, i, links, &hop, e);
	return r;
}

int route_read(const Types__Route *from, const struct links *links, struct route *ret,
	       struct err *e)
{
	char text[ROUTE_TEXT_MAX];
	int r;

	*ret = (struct route){0};
	r = read_dest(from, &ret->dest, e);
	if (r == 0 && *from->gateway)
		r = ip_parse(from->gateway, &ret->gateway, e);
	if (r == 0)
		r = read_source(from, ret, &ret->source, e);
	if (r == 0)
		r = read_numbers(from, ret, e);
	if (r == 0)
		r = read_device(from, links, ret, e);
	if (r == 0)
		r = check_hops(from, links, e);
	return err_wrap(e, r, "%s", route_print(from, text));
}

static int has_gateway(const Types__Route *from)
{
	return *from->gateway || from->n_next_hops > 0;
}

int route_plan(Types__Route *const *list, size_t n, const struct links *links, struct route **ret,
	       size_t **ret_from, struct err *e)
{
	auto_free struct route *routes = calloc(n + 1, sizeof *routes);
	auto_free size_t *from = calloc(n + 1, sizeof *from);
	size_t next = 0;

	if (!routes || !from)
		return err_sys(e, ENOMEM, "read routes");
	for (int gateways = 0; gateways < 2; gateways++) {
		for (size_t i = 0; i < n; i++) {
			if (has_gateway(list[i]) != gateways)
				continue;

			int r = route_read(list[i], links, &routes[next], e);

			if (r < 0)
				return r;
			from[next++] = i;
		}
	}
	*ret = take_ptr(routes);
	*ret_from = take_ptr(from);
	return 0;
}
