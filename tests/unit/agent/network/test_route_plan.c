#include "agent/network/route_plan.h"

#include <errno.h>
#include <linux/rtnetlink.h>

#include "base/array.h"

#include "tests/test.h"

static struct link two[] = {{.index = 2, .name = "eth0"}, {.index = 3, .name = "eth1"}};
static const struct links links = {.list = two, .n = ARRAY_LEN(two)};

static Types__Route route(const char *dest, const char *gateway, const char *device)
{
	Types__Route r = TYPES__ROUTE__INIT;

	r.dest = (char *) dest;
	r.gateway = (char *) gateway;
	r.device = (char *) device;
	return r;
}

TEST(those_without_a_gateway_come_first_and_else_the_order_stays)
{
	Types__Route r[] = {
		route("", "10.0.0.1", "eth0"),
		route("10.0.0.0/8", "", "eth0"),
		route("11.0.0.0/8", "10.0.0.1", "eth1"),
		route("12.0.0.0/8", "", "eth1"),
	};
	Types__Route *list[] = {&r[0], &r[1], &r[2], &r[3]};
	static const size_t order[] = {1, 3, 0, 2};
	auto_free struct route *plan = NULL;
	auto_free size_t *from = NULL;

	CHECK_EQ(route_plan(list, ARRAY_LEN(list), &links, &plan, &from, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		CHECK_EQ(from[i], order[i]);
	CHECK_EQ(plan[0].device, 2);
	CHECK_EQ(plan[1].device, 3);
	CHECK_EQ(plan[2].dest.family, AF_INET);
	CHECK_EQ(plan[2].dest.prefix, 0);
	CHECK_EQ(plan[2].gateway.family, AF_INET);
}

TEST(all_fields_are_read)
{
	Types__Route from = route("fd00::/16", "fe80::1", "eth1");
	struct route r;

	from.family = TYPES__IPFAMILY__v6;
	from.source = (char *) "fd00::2";
	from.scope = 253;
	from.flags = UINT32_MAX;
	from.mtu = 1280;
	from.metric = 77;
	CHECK_EQ(route_read(&from, &links, &r, NULL), 0);
	CHECK_EQ(r.source.family, AF_INET6);
	CHECK_EQ(r.scope, 253);
	CHECK_EQ(r.flags, RTNH_F_ONLINK);
	CHECK_EQ(r.mtu, 1280);
	CHECK_EQ(r.metric, 77);
	/* A gateway of the other family, and of no interface in particular. */
	from = route("10.0.0.0/8", "fe80::1", "");
	CHECK_EQ(route_read(&from, &links, &r, NULL), 0);
	CHECK_EQ(r.gateway.family, AF_INET6);
	CHECK_EQ(r.device, 0);
	/* As upstream's hosts write the address to send from. */
	from.source = (char *) "10.0.0.7/0";
	CHECK_EQ(route_read(&from, &links, &r, NULL), 0);
	from.source = (char *) "10.0.0.7/32";
	CHECK_EQ(route_read(&from, &links, &r, NULL), 0);
}

TEST(a_route_that_makes_no_sense_is_named)
{
	struct {
		Types__Route route;
		const char *source;
		uint32_t scope;
		int code;
		const char *says;
	} bad[] = {
		{route("10.0.0.0/40", "", "eth0"), "", 0, EINVAL,
		 "route to 10.0.0.0/40 on 'eth0': "},
		{route("10.0.0.0/8", "", ""), "", 0, EINVAL, "neither gateway nor device"},
		{route("10.0.0.0/8", "", "eth9"), "", 0, ENODEV, "on 'eth9': there is no such"},
		{route("10.0.0.0/8", "x", "eth0"), "", 0, EINVAL, "by x on 'eth0': 'x' is no IP"},
		{route("10.0.0.0/8", "1.1.1.1/24", "eth0"), "", 0, EINVAL, "is no IP address"},
		{route("fd00::/8", "", "eth0"), "", 0, EINVAL, "dest is not of the family"},
		{route("", "", "eth0"), "fd00::1", 0, EINVAL, "source is not of the family"},
		{route("", "", "eth0"), "10.0.0.0/8", 0, EINVAL, "source is a network"},
		{route("", "", "eth0"), "", 256, EINVAL, "scope 256"},
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct route r;
		struct err e = {0};

		bad[i].route.source = (char *) bad[i].source;
		bad[i].route.scope = bad[i].scope;
		CHECK_EQ(route_read(&bad[i].route, &links, &r, &e), -bad[i].code);
		if (!strstr(e.text, bad[i].says))
			CHECK_STR(e.text, bad[i].says);
	}
}

TEST(routes_are_the_same_when_destination_and_metric_are)
{
	Types__Route from[] = {
		route("10.0.0.0/8", "", "eth0"),
		route("10.0.0.0/8", "10.0.0.1", "eth1"),
		route("10.0.0.0/9", "", "eth0"),
	};
	struct route r[ARRAY_LEN(from)], six[2];

	for (size_t i = 0; i < ARRAY_LEN(from); i++)
		CHECK_EQ(route_read(&from[i], &links, &r[i], NULL), 0);
	CHECK_EQ(route_compare(&r[0], &r[1]), 0);
	CHECK(route_compare(&r[0], &r[2]) != 0);
	r[1].metric = 5;
	CHECK(route_compare(&r[0], &r[1]) < 0);
	CHECK(route_compare(&r[1], &r[0]) > 0);
	/* IPv6 has a metric always. */
	from[0] = route("fd00::/8", "", "eth0");
	from[0].family = TYPES__IPFAMILY__v6;
	CHECK_EQ(route_read(&from[0], &links, &six[0], NULL), 0);
	six[1] = six[0];
	six[1].metric = 1024;
	CHECK_EQ(route_compare(&six[0], &six[1]), 0);
}
