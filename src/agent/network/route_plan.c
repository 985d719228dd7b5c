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

	return r ? r : (mx > my) - (mx < my);
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
	return *from->gateway ? 0 : err_say(e, EINVAL, "neither gateway nor device are given");
}

static int read_numbers(const Types__Route *from, struct route *ret, struct err *e)
{
	if (from->scope > UINT8_MAX)
		return err_say(e, EINVAL, "scope %u is none", from->scope);
	ret->scope = (uint8_t) from->scope;
	/* The others say how the host's kernel found the route (dead, offloaded), not how it is to
	 * be. */
	ret->flags = from->flags & RTNH_F_ONLINK;
	ret->mtu = from->mtu;
	ret->metric = from->metric;
	return 0;
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
		r = read_device(from, links, ret, e);
	if (r == 0)
		r = read_numbers(from, ret, e);
	return err_wrap(e, r, "%s", route_print(from, text));
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
			if ((*list[i]->gateway != '\0') != gateways)
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
