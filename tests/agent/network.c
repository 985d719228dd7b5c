/* The guest's network as the host wants it, looked at from a container. */

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "base/array.h"
#include "tests/agent/box.h"

/* An UpdateInterface, with room for its addresses. */
struct wish {
	Grpc__UpdateInterfaceRequest req;
	Types__Interface interface;
	Types__IPAddress addresses[8];
	Types__IPAddress *list[8];
};

static void wish_init(struct wish *w, const char *name, const char *mac)
{
	grpc__update_interface_request__init(&w->req);
	types__interface__init(&w->interface);
	w->interface.name = w->interface.device = (char *) name;
	w->interface.hwaddr = (char *) mac;
	w->interface.mtu = 1500;
	w->interface.ipaddresses = w->list;
	w->req.interface = &w->interface;
}

static void wish_address(struct wish *w, const char *address, const char *mask)
{
	size_t n = w->interface.n_ipaddresses++;

	types__ipaddress__init(&w->addresses[n]);
	w->addresses[n].address = (char *) address;
	w->addresses[n].mask = (char *) mask;
	w->addresses[n].family = strchr(address, ':') ? TYPES__IPFAMILY__v6 : TYPES__IPFAMILY__v4;
	w->list[n] = &w->addresses[n];
}

static int ask(struct vm *vm, struct wish *w, Types__Interface **ret, struct err *e)
{
	return vm_call(vm, "UpdateInterface", &w->req, ret, e);
}

/* The cold-plugged one, as most cases want it. */
static void make_pod0(struct vm *vm)
{
	struct wish w = {0};

	wish_init(&w, "pod0", VM_NIC_MAC);
	wish_address(&w, "10.7.0.2", "24");
	wish_address(&w, "fd00:7::2", "64");
	MUST(ask(vm, &w, NULL, &why));
}

/* What a container says that may change the network and has the guest's resolv.conf; the caller
 * frees it. */
static char *see(struct vm *vm, const char *command)
{
	static const char may[] = ", \"capabilities\": {\"bounding\": [\"CAP_NET_ADMIN\"],"
				  "\"permitted\": [\"CAP_NET_ADMIN\"],"
				  "\"effective\": [\"CAP_NET_ADMIN\"]}";
	static const char mounts[] =
		", {\"destination\": \"/dev/names\", \"type\": \"bind\","
		" \"source\": \"/etc/resolv.conf\", \"options\": [\"bind\", \"ro\"]}";
	struct box_options o = {.process_extra = may, .mounts_extra = mounts};
	struct run r;
	int code;

	box_prepare(vm);
	code = box_run(vm, "look", command, &o, &r);
	if (code != 0)
		FAIL("'%s' ended with %d: %s", command, code, run_err(&r));

	char *out = strdup(run_out(&r));

	run_fini(&r);
	CHECK(out);
	return out;
}

static void check_seen(struct vm *vm, const char *command, const char *want)
{
	char *out = see(vm, command);
	bool same = strcmp(out, want) == 0;

	if (!same)
		fprintf(stderr, "# '%s' says:\n%s", command, out);
	free(out);
	CHECK(same);
}

static Types__Route route(const char *dest, const char *gateway, const char *device)
{
	Types__Route r = TYPES__ROUTE__INIT;

	r.dest = (char *) dest;
	r.gateway = (char *) gateway;
	r.device = (char *) device;
	if (strchr(dest, ':') || strchr(gateway, ':'))
		r.family = TYPES__IPFAMILY__v6;
	return r;
}

static int set_routes(struct vm *vm, Types__Route *list, size_t n, Grpc__Routes **ret,
		      struct err *e)
{
	Grpc__UpdateRoutesRequest req = GRPC__UPDATE_ROUTES_REQUEST__INIT;
	Grpc__Routes routes = GRPC__ROUTES__INIT;
	Types__Route **all = calloc(n + 1, sizeof *all);

	for (size_t i = 0; i < n; i++)
		all[i] = &list[i];
	routes.routes = all;
	routes.n_routes = n;
	req.routes = &routes;

	int r = vm_call(vm, "UpdateRoutes", &req, ret, e);

	free(all);
	return r;
}

/* The addresses without what differs from run to run. */
#define ADDRESSES(name) \
	"ip -o addr show dev " name " | sed -e 's/ *\\\\.*//' -e 's/^[0-9]*: //' | grep -v fe80"

CASE(an_interface_becomes_what_the_host_says)
{
	struct wish w = {0};
	Types__Interface *now = NULL;

	wish_init(&w, "pod0", VM_NIC_MAC);
	w.interface.mtu = 1400;
	wish_address(&w, "10.7.0.2", "24");
	wish_address(&w, "fd00:7::2", "64");
	MUST(ask(vm, &w, &now, &why));
	CHECK_STR(now->name, "pod0");
	CHECK_STR(now->hwaddr, VM_NIC_MAC);
	CHECK_EQ(now->mtu, 1400);
	CHECK(now->n_ipaddresses >= 2);
	CHECK_STR(now->ipaddresses[0]->address, "10.7.0.2");
	CHECK_STR(now->ipaddresses[0]->mask, "24");
	ttrpc_message_free(&now->base);
	check_seen(vm, ADDRESSES("pod0"),
		   "pod0    inet 10.7.0.2/24 brd 10.7.0.255 scope global pod0\n"
		   "pod0    inet6 fd00:7::2/64 scope global flags 02\n");
	check_seen(vm, "ip -o link show dev pod0 | grep -o 'mtu [0-9]*\\|,UP\\|NOARP'",
		   ",UP\nmtu 1400\n");
}

CASE(routes_are_set_whatever_their_order)
{
	Types__Route list[] = {
		route("", "10.9.0.1", "pod0"),
		route("10.8.0.0/16", "10.7.0.1", "pod0"),
		route("10.9.0.1/32", "", "pod0"),
	};
	Grpc__Routes *now = NULL;

	make_pod0(vm);
	list[2].scope = 253;
	list[1].mtu = 1300;
	list[1].source = (char *) "10.7.0.2";
	MUST(set_routes(vm, list, ARRAY_LEN(list), &now, &why));
	CHECK(now->n_routes >= 4);
	CHECK_STR(now->routes[0]->dest, "0.0.0.0/0");
	CHECK_STR(now->routes[0]->gateway, "10.9.0.1");
	CHECK_STR(now->routes[0]->device, "pod0");
	CHECK_STR(now->routes[2]->dest, "10.8.0.0/16");
	CHECK_STR(now->routes[2]->source, "10.7.0.2");
	CHECK_EQ(now->routes[2]->mtu, 1300);
	CHECK_EQ(now->routes[3]->scope, 253);
	ttrpc_message_free(&now->base);
	check_seen(vm, "ip route",
		   "default via 10.9.0.1 dev pod0 \n"
		   "10.7.0.0/24 dev pod0 scope link  src 10.7.0.2 \n"
		   "10.8.0.0/16 via 10.7.0.1 dev pod0  src 10.7.0.2 \n"
		   "10.9.0.1 dev pod0 scope link \n");
}

/* Which of the routes with that destination, or NULL. */
static Types__Route *find_route(Grpc__Routes *all, const char *dest)
{
	for (size_t i = 0; i < all->n_routes; i++)
		if (strcmp(all->routes[i]->dest, dest) == 0)
			return all->routes[i];
	return NULL;
}

static Grpc__Routes *list_routes(struct vm *vm)
{
	Grpc__ListRoutesRequest req = GRPC__LIST_ROUTES_REQUEST__INIT;
	Grpc__Routes *all = NULL;

	MUST(vm_call(vm, "ListRoutes", &req, &all, &why));
	return all;
}

static bool has_route(struct vm *vm, const char *dest)
{
	Grpc__Routes *all = list_routes(vm);
	bool found = find_route(all, dest);

	ttrpc_message_free(&all->base);
	return found;
}

#define VRF_MAC "02:00:5e:00:54:0a"

static int make_vrf(struct vm *vm, const char *name, const char *mac, uint32_t table, struct err *e)
{
	struct wish w = {0};

	wish_init(&w, name, mac);
	w.interface.vrf_table = table;
	w.interface.mtu = 65575;
	return ask(vm, &w, NULL, e);
}

/* The pod's interface as a member of that VRF, or of none for "". */
static void put_pod0_into(struct vm *vm, const char *vrf)
{
	struct wish w = {0};
	Types__Interface *now = NULL;

	wish_init(&w, "pod0", VM_NIC_MAC);
	w.interface.master = (char *) vrf;
	wish_address(&w, "10.7.0.2", "24");
	wish_address(&w, "fd00:7::2", "64");
	MUST(ask(vm, &w, &now, &why));
	CHECK_STR(now->master, vrf);
	ttrpc_message_free(&now->base);
}

/* As rules_of_kernel() of agent/network/rules.c has them, and that of a VRF. */
static const struct {
	Types__IPFamily family;
	uint32_t priority, table, of_vrf;
} usual_rules[] = {
	{TYPES__IPFAMILY__v4, 0, 255, 0},     {TYPES__IPFAMILY__v4, 32766, 254, 0},
	{TYPES__IPFAMILY__v4, 32767, 253, 0}, {TYPES__IPFAMILY__v6, 0, 255, 0},
	{TYPES__IPFAMILY__v6, 32766, 254, 0}, {TYPES__IPFAMILY__v4, 1000, 0, 1},
};

#define N_RULES ARRAY_LEN(usual_rules)

struct rule_list {
	Types__Rule rules[N_RULES], *list[N_RULES];
	uint32_t numbers[N_RULES][FRA_MAX + 1];
};

static void rule_list_init(struct rule_list *l)
{
	*l = (struct rule_list){0};
	for (size_t i = 0; i < N_RULES; i++) {
		types__rule__init(&l->rules[i]);
		l->list[i] = &l->rules[i];
		l->rules[i].family = usual_rules[i].family;
		l->rules[i].action = FR_ACT_TO_TBL;
		l->rules[i].numbers = l->numbers[i];
		l->rules[i].n_numbers = FRA_MAX + 1;
		l->numbers[i][FRA_PRIORITY] = usual_rules[i].priority;
		l->numbers[i][FRA_TABLE] = usual_rules[i].table;
		l->numbers[i][FRA_L3MDEV] = usual_rules[i].of_vrf;
		l->numbers[i][FRA_PROTOCOL] = RTPROT_KERNEL;
	}
}

/* @route and @vrf: all that there are, or NULL. Without a VRF there is no rule of one. */
static void keep_vrfs(struct vm *vm, Types__Route *route, const char *vrf)
{
	Grpc__UpdateRoutesRequest req = GRPC__UPDATE_ROUTES_REQUEST__INIT;
	Grpc__Routes routes = GRPC__ROUTES__INIT;
	struct rule_list rules;

	rule_list_init(&rules);
	routes.complete = true;
	routes.routes = &route;
	routes.n_routes = route != NULL;
	routes.rules = rules.list;
	routes.n_rules = vrf ? N_RULES : N_RULES - 1;
	routes.vrfs = (char **) &vrf;
	routes.n_vrfs = vrf != NULL;
	req.routes = &routes;
	MUST(vm_call(vm, "UpdateRoutes", &req, NULL, &why));
}

/* Without broadcast, multicast and link-local addresses. */
#define TABLE(n)                                                                     \
	"ip route show table " n " | grep -v broadcast; ip -6 route show table all " \
	"| sed -n '/fd00.*table " n " /s/ *table.*//p'"

#define IN_TABLE                                              \
	"10.7.0.0/24 dev pod0 scope link  src 10.7.0.2 \n"    \
	"local 10.7.0.2 dev pod0 scope host  src 10.7.0.2 \n" \
	"10.8.0.0/16 via 10.7.0.1 dev pod0 \n"                \
	"local fd00:7::2 dev pod0\n"                          \
	"fd00:7::/64 dev pod0\n"

CASE(an_interface_is_a_member_of_a_vrf_with_its_routes_and_leaves_it_with_its_addresses)
{
	Types__Route more = route("10.8.0.0/16", "10.7.0.1", "pod0");
	struct err e = {0};

	make_pod0(vm);
	/* Its name is that of an interface that is there, and which gets another one. */
	MUST(make_vrf(vm, "red", VRF_MAC, 10, &why));
	put_pod0_into(vm, "red");
	put_pod0_into(vm, "red");
	more.table = 10;
	keep_vrfs(vm, &more, "red");
	check_seen(vm, ADDRESSES("pod0"),
		   "pod0    inet 10.7.0.2/24 brd 10.7.0.255 scope global pod0\n"
		   "pod0    inet6 fd00:7::2/64 scope global flags 02\n");
	check_seen(vm, TABLE("10"), IN_TABLE);
	check_seen(vm, "ip rule | sed -n '/^1000:/p' | wc -l", "1\n");

	/* Another one in its place: its member leaves the old one. */
	MUST(make_vrf(vm, "red", "02:00:5e:00:54:0b", 11, &why));
	put_pod0_into(vm, "red");
	more.table = 11;
	keep_vrfs(vm, &more, "red");
	check_seen(vm, TABLE("10"), "");
	check_seen(vm, TABLE("11"), IN_TABLE);

	put_pod0_into(vm, "");
	keep_vrfs(vm, NULL, NULL);
	check_seen(vm, "ip -o link | grep -c -e red -e vrf || true", "0\n");
	check_seen(vm, "ip rule | sed -n '/^1000:/p' | wc -l", "0\n");
	CHECK(has_route(vm, "10.7.0.0/24"));
	CHECK(has_route(vm, "fd00:7::/64"));

	struct wish w = {0};

	wish_init(&w, "pod0", VM_NIC_MAC);
	w.interface.master = (char *) "red";
	CHECK_EQ(ask(vm, &w, NULL, &e), -EINVAL);
	CHECK(strstr(e.text, "there is no VRF 'red'"));
}

CASE(the_same_interface_again_changes_nothing_and_other_addresses_replace_its_own)
{
	Types__Route more = route("10.8.0.0/16", "10.7.0.1", "pod0");
	struct wish w = {0};

	make_pod0(vm);
	MUST(set_routes(vm, &more, 1, NULL, &why));
	make_pod0(vm);
	/* It was not taken down: its route is still there. */
	CHECK(has_route(vm, "10.8.0.0/16"));

	wish_init(&w, "pod0", VM_NIC_MAC);
	wish_address(&w, "10.7.0.3", "24");
	wish_address(&w, "10.7.0.4", "24");
	wish_address(&w, "fd00:7::3", "64");
	MUST(ask(vm, &w, NULL, &why));
	check_seen(vm, ADDRESSES("pod0"),
		   "pod0    inet 10.7.0.3/24 brd 10.7.0.255 scope global pod0\n"
		   "pod0    inet 10.7.0.4/24 brd 10.7.0.255 scope global secondary pod0\n"
		   "pod0    inet6 fd00:7::3/64 scope global flags 02\n");
	/* The second without the first, which the kernel would remove together. */
	wish_init(&w, "pod0", VM_NIC_MAC);
	wish_address(&w, "10.7.0.4", "24");
	MUST(ask(vm, &w, NULL, &why));
	check_seen(vm, ADDRESSES("pod0"),
		   "pod0    inet 10.7.0.4/24 brd 10.7.0.255 scope global pod0\n");
}

/* Addresses and routes of both families, of which those of IPv6 are left out. */
static void make_pod0_without_ipv6(struct vm *vm, uint64_t mtu)
{
	Types__Route list[] = {
		route("fd00:8::/64", "", "pod0"),
		route("10.8.0.0/16", "10.7.0.1", "pod0"),
	};
	struct wish w = {0};

	wish_init(&w, "pod0", VM_NIC_MAC);
	w.interface.mtu = mtu;
	wish_address(&w, "fd00:7::2", "64");
	wish_address(&w, "10.7.0.2", "24");
	MUST(ask(vm, &w, NULL, &why));
	MUST(set_routes(vm, list, ARRAY_LEN(list), NULL, &why));
	check_seen(vm, ADDRESSES("pod0"),
		   "pod0    inet 10.7.0.2/24 brd 10.7.0.255 scope global pod0\n");
	CHECK(has_route(vm, "10.8.0.0/16"));
	CHECK(!has_route(vm, "fd00:8::/64"));
}

CASE(where_an_interface_has_no_ipv6_the_rest_is_set)
{
	/* Less than RFC 8200, section 5 wants. */
	make_pod0_without_ipv6(vm, 1000);
	make_pod0(vm);
	check_seen(vm, "echo 1 >/proc/sys/net/ipv6/conf/pod0/disable_ipv6", "");
	make_pod0_without_ipv6(vm, 1500);
	check_seen(vm, "echo 0 >/proc/sys/net/ipv6/conf/pod0/disable_ipv6", "");
}

CASE(an_interface_without_arp_and_its_address_on_one_host_only)
{
	struct wish w = {0};
	Types__Interface *now = NULL;

	wish_init(&w, "pod0", VM_NIC_MAC);
	w.interface.raw_flags = 0x80; /* IFF_NOARP */
	wish_address(&w, "10.7.0.2", "32");
	MUST(ask(vm, &w, &now, &why));
	CHECK_EQ(now->raw_flags, 0x80);
	ttrpc_message_free(&now->base);
	check_seen(vm, ADDRESSES("pod0"), "pod0    inet 10.7.0.2/32 scope global pod0\n");
	check_seen(vm, "ip -o link show dev pod0 | grep -o 'NOARP\\|,UP'", "NOARP\n,UP\n");
	make_pod0(vm);
	check_seen(vm, "ip -o link show dev pod0 | grep -o 'NOARP\\|,UP'", ",UP\n");
}

CASE(routes_that_an_earlier_call_has_set_go_and_all_others_stay)
{
	Types__Route list[] = {
		route("10.8.0.0/16", "10.7.0.1", "pod0"),
		route("10.9.0.0/16", "10.7.0.1", "pod0"),
		route("fd00:8::/64", "fd00:7::1", "pod0"),
		route("fd00:9::/64", "fd00:7::1", "pod0"),
	};
	Types__Route other = route("127.5.0.0/16", "", "lo");

	make_pod0(vm);
	MUST(set_routes(vm, list, ARRAY_LEN(list), NULL, &why));
	/* One that a container has set, and two calls that say the same. */
	check_seen(vm, "ip route add 10.10.0.0/16 via 10.7.0.1", "");

	MUST(set_routes(vm, &list[1], 2, NULL, &why));
	MUST(set_routes(vm, &list[1], 2, NULL, &why));
	/* It names another interface only. */
	MUST(set_routes(vm, &other, 1, NULL, &why));
	CHECK(!has_route(vm, "10.8.0.0/16"));
	CHECK(!has_route(vm, "fd00:9::/64"));
	CHECK(has_route(vm, "10.9.0.0/16"));
	CHECK(has_route(vm, "10.10.0.0/16"));
	CHECK(has_route(vm, "10.7.0.0/24"));
	CHECK(has_route(vm, "fd00:8::/64"));
	CHECK(has_route(vm, "fd00:7::/64"));
	CHECK(has_route(vm, "127.5.0.0/16"));
}

CASE(a_default_route_onlink_and_one_with_a_metric_stand_beside_each_other)
{
	Types__Route list[] = {
		route("", "169.254.1.1", "pod0"),
		route("", "10.7.0.1", "pod0"),
	};
	Grpc__Routes *now = NULL;
	unsigned defaults = 0;

	make_pod0(vm);
	list[0].flags = 4 | 16; /* RTNH_F_ONLINK, and RTNH_F_LINKDOWN of the host's */
	list[1].metric = 100;
	MUST(set_routes(vm, list, ARRAY_LEN(list), &now, &why));
	for (size_t i = 0; i < now->n_routes; i++) {
		Types__Route *r = now->routes[i];

		if (strcmp(r->dest, "0.0.0.0/0") != 0)
			continue;
		defaults++;
		CHECK_STR(r->gateway, r->metric == 0 ? "169.254.1.1" : "10.7.0.1");
		CHECK_EQ(r->flags & 4, r->metric == 0 ? 4 : 0);
	}
	CHECK_EQ(defaults, 2);
	ttrpc_message_free(&now->base);
}

CASE(a_route_that_the_kernel_refuses_is_named_and_those_before_it_stay)
{
	Types__Route list[] = {
		route("10.11.0.0/16", "10.7.0.1", "pod0"),
		route("10.12.0.0/16", "10.7.0.1", "pod0"),
	};
	struct err e = {0};

	make_pod0(vm);
	list[1].source = (char *) "10.99.0.9"; /* which is no address of the guest's */
	CHECK(set_routes(vm, list, ARRAY_LEN(list), NULL, &e) < 0);
	if (!strstr(e.text, "10.12.0.0/16 by 10.7.0.1 on 'pod0', after 1 of 2"))
		FAIL("it says '%s'", e.text);
	CHECK(has_route(vm, "10.11.0.0/16"));
	/* It is still known, so that it goes when it is not wanted. */
	list[1] = route("10.12.0.0/16", "10.7.0.1", "pod0");
	MUST(set_routes(vm, &list[1], 1, NULL, &why));
	CHECK(!has_route(vm, "10.11.0.0/16"));
}

CASE(a_gateway_that_no_address_leads_to_is_on_the_link)
{
	Types__Route list[] = {
		route("10.12.0.0/16", "10.99.0.1", "pod0"),
		route("10.13.0.0/16", "10.99.0.1", ""),
	};
	Grpc__Routes *now = NULL;

	make_pod0(vm);
	MUST(set_routes(vm, list, 1, &now, &why));

	const Types__Route *r = find_route(now, "10.12.0.0/16");

	CHECK(r && r->flags & 4);
	ttrpc_message_free(&now->base);
	/* Of which link, if none is named? */
	CHECK(set_routes(vm, &list[1], 1, NULL, NULL) < 0);
}

CASE(ten_thousand_routes_are_set_and_removed)
{
	enum { N = 10000 };
	Types__Route *list = calloc(N, sizeof *list),
		     one = route("10.8.0.0/16", "10.7.0.1", "pod0");
	char(*dests)[32] = calloc(N, sizeof *dests);
	Grpc__Routes *now = NULL;

	CHECK(list && dests);
	make_pod0(vm);
	for (int i = 0; i < N; i++) {
		(void) snprintf(dests[i], sizeof dests[i], "100.%d.%d.0/24", i / 256, i % 256);
		list[i] = route(dests[i], "10.7.0.1", "pod0");
	}
	MUST(set_routes(vm, list, N, &now, &why));
	CHECK(now->n_routes >= N);
	CHECK(find_route(now, "100.39.15.0/24"));
	ttrpc_message_free(&now->base);
	MUST(set_routes(vm, &one, 1, &now, &why));
	CHECK(now->n_routes < 50);
	ttrpc_message_free(&now->base);
	free(list);
	free(dests);
}

static bool has_interface(struct vm *vm, const char *name, const char *mac)
{
	Grpc__ListInterfacesRequest req = GRPC__LIST_INTERFACES_REQUEST__INIT;
	Grpc__Interfaces *all = NULL;
	bool found = false;

	MUST(vm_call(vm, "ListInterfaces", &req, &all, &why));
	for (size_t i = 0; i < all->n_interfaces; i++)
		if (strcmp(all->interfaces[i]->name, name) == 0 &&
		    strcmp(all->interfaces[i]->hwaddr, mac) == 0)
			found = true;
	ttrpc_message_free(&all->base);
	return found;
}

CASE(the_loopback_is_listed_and_up)
{
	CHECK(has_interface(vm, "lo", "00:00:00:00:00:00"));
	check_seen(vm, "ip -o addr show dev lo | grep -o 'inet [0-9./]*'", "inet 127.0.0.1/8\n");
}

CASE(an_interface_that_is_plugged_in_is_found_by_its_place_and_names_are_swapped)
{
	struct wish w = {0};
	Types__Interface *now = NULL;

	make_pod0(vm);
	for (int i = 0; i < 3; i++) {
		MUST(vm_plug_nic(vm, &why));
		/* The name is the other one's; the address is set, too. */
		wish_init(&w, "pod0", "52:54:00:00:00:0a");
		w.interface.devicepath = (char *) VM_PLUG_NIC_PCI_PATH;
		w.interface.device = (char *) "veth1";
		wish_address(&w, "10.20.0.2", "24");
		MUST(ask(vm, &w, &now, &why));
		CHECK_STR(now->hwaddr, "52:54:00:00:00:0a");
		CHECK_STR(now->device, "veth1");
		CHECK_STR(now->devicepath, VM_PLUG_NIC_PCI_PATH);
		ttrpc_message_free(&now->base);
		CHECK(has_interface(vm, "pod0", "52:54:00:00:00:0a"));
		CHECK(!has_interface(vm, "pod0", VM_NIC_MAC));
		MUST(vm_unplug_nic(vm, &why));
		CHECK(!has_interface(vm, "pod0", "52:54:00:00:00:0a"));
		make_pod0(vm);
	}
	CHECK(has_interface(vm, "pod0", VM_NIC_MAC));
}

/* The two requests meet the interface before it is there, or half of it. */
CASE(an_interface_is_waited_for_by_its_address_or_its_place)
{
	struct wish w = {0};
	Types__Interface *now = NULL;

	MUST(vm_plug_nic(vm, &why));
	wish_init(&w, "pod1", VM_PLUG_NIC_MAC);
	wish_address(&w, "fe80::77", "64");
	MUST(ask(vm, &w, &now, &why));
	CHECK_STR(now->name, "pod1");
	ttrpc_message_free(&now->base);
	MUST(vm_unplug_nic(vm, &why));
	MUST(vm_plug_nic(vm, &why));
	w.interface.hwaddr = (char *) "";
	w.interface.devicepath = (char *) VM_PLUG_NIC_PCI_PATH;
	MUST(ask(vm, &w, &now, &why));
	CHECK_STR(now->hwaddr, VM_PLUG_NIC_MAC);
	ttrpc_message_free(&now->base);
	MUST(vm_unplug_nic(vm, &why));
}

/* Without what changes by itself: a carrier and its queue, and that link-local addresses of IPv6
 * become valid. */
#define STATE                                                                             \
	"ip -o link | grep -o '^[0-9]*: [^ ]*\\|mtu [0-9]*\\|,UP\\|NOARP\\|ether [^ ]*';" \
	"ip -o addr | grep -v fe80; ip route"

CASE(what_makes_no_sense_is_refused_and_changes_nothing)
{
	static const struct {
		const char *name, *mac, *path, *address, *mask;
		uint64_t mtu;
		const char *says;
	} bad[] = {
		{"", VM_NIC_MAC, "", "10.0.0.1", "8", 1500, "the name of an interface is missing"},
		{"sixteen-letters.", VM_NIC_MAC, "", "10.0.0.1", "8", 1500, "longer than 15 bytes"},
		{"a/b", VM_NIC_MAC, "", "10.0.0.1", "8", 1500, "no name of an interface"},
		{"eth%d", VM_NIC_MAC, "", "10.0.0.1", "8", 1500, "no name of an interface"},
		{"lo", VM_NIC_MAC, "", "10.0.0.1", "8", 1500, "the loopback's name"},
		{"pod0", "", "", "10.0.0.1", "8", 1500, "neither hwAddr nor devicePath"},
		{"pod0", "00:00:00:00:00:00", "", "10.0.0.1", "8", 1500, "of one interface"},
		{"pod0", "ff:ff:ff:ff:ff:ff", "", "10.0.0.1", "8", 1500, "of one interface"},
		{"pod0", "52:54", "", "10.0.0.1", "8", 1500, "no hardware address"},
		{"pod0", VM_NIC_MAC, "zz", "10.0.0.1", "8", 1500, "not the place of a device"},
		{"pod0", VM_NIC_MAC, "", "10.0.0.256", "8", 1500, "no IP address"},
		{"pod0", VM_NIC_MAC, "", "10.0.0.1", "33", 1500, "from 0 to 32"},
		{"pod0", VM_NIC_MAC, "", "fd00::1", "129", 1500, "from 0 to 128"},
		{"pod0", VM_NIC_MAC, "", "10.0.0.1", "", 1500, "no number of bits"},
		{"pod0", VM_NIC_MAC, "", "10.0.0.1", "8", 5000000000, "is too large"},
		{"pod0", VM_NIC_MAC, "", "10.0.0.1", "8", 70000, "set the MTU 70000"},
	};

	make_pod0(vm);
	auto_free char *before = see(vm, STATE);

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct wish w = {0};
		struct err e = {0};

		wish_init(&w, bad[i].name, bad[i].mac);
		w.interface.devicepath = (char *) bad[i].path;
		w.interface.mtu = bad[i].mtu;
		wish_address(&w, bad[i].address, bad[i].mask);
		CHECK(ask(vm, &w, NULL, &e) < 0);
		if (!strstr(e.text, bad[i].says))
			FAIL("case %zu says '%s'", i, e.text);
	}
	auto_free char *after = see(vm, STATE);

	CHECK_STR(after, before);
}

CASE(a_neighbour_is_known_for_good)
{
	Grpc__AddARPNeighborsRequest req = GRPC__ADD_ARPNEIGHBORS_REQUEST__INIT;
	Grpc__ARPNeighbors neighbours = GRPC__ARPNEIGHBORS__INIT;
	Types__ARPNeighbor n[2] = {TYPES__ARPNEIGHBOR__INIT, TYPES__ARPNEIGHBOR__INIT};
	Types__ARPNeighbor *list[] = {&n[0], &n[1]};
	Types__IPAddress a[2] = {TYPES__IPADDRESS__INIT, TYPES__IPADDRESS__INIT};
	struct err e = {0};

	make_pod0(vm);
	a[0].address = (char *) "10.7.0.1";
	a[1].address = (char *) "fd00:7::1";
	for (size_t i = 0; i < ARRAY_LEN(n); i++) {
		n[i].toipaddress = &a[i];
		n[i].device = (char *) "pod0";
		n[i].lladdr = (char *) "52:54:00:AA:bb:cc";
	}
	n[1].state = 0x80; /* NUD_PERMANENT, which 0 means, too */
	n[1].flags = 0x80; /* NTF_ROUTER */
	neighbours.arpneighbors = list;
	neighbours.n_arpneighbors = ARRAY_LEN(n);
	req.neighbors = &neighbours;
	MUST(vm_call(vm, "AddARPNeighbors", &req, NULL, &why));
	MUST(vm_call(vm, "AddARPNeighbors", &req, NULL, &why));
	check_seen(vm, "ip neigh show dev pod0 | grep PERMANENT | sed 's/ used.*//' | sort",
		   "10.7.0.1 lladdr 52:54:00:aa:bb:cc\n"
		   "fd00:7::1 lladdr 52:54:00:aa:bb:cc router\n");
	n[1].device = (char *) "pod9";
	CHECK(vm_call(vm, "AddARPNeighbors", &req, NULL, &e) < 0);
	if (!strstr(e.text, "'fd00:7::1'") || !strstr(e.text, "'pod9'"))
		FAIL("it says '%s'", e.text);
}

/* Sets the neighbours of pod0 with the addresses 10.7.0.@first and so on; the last one of an
 * interface that is not there if @impossible. */
static int set_neighbours(struct vm *vm, unsigned first, size_t count, bool complete,
			  bool impossible, struct err *e)
{
	Grpc__AddARPNeighborsRequest req = GRPC__ADD_ARPNEIGHBORS_REQUEST__INIT;
	Grpc__ARPNeighbors all = GRPC__ARPNEIGHBORS__INIT;
	Types__ARPNeighbor n[4], *list[ARRAY_LEN(n)];
	Types__IPAddress a[ARRAY_LEN(n)];
	char text[ARRAY_LEN(n)][16];

	CHECK(count <= ARRAY_LEN(n));
	for (size_t i = 0; i < count; i++) {
		types__arpneighbor__init(&n[i]);
		types__ipaddress__init(&a[i]);
		(void) snprintf(text[i], sizeof text[i], "10.7.0.%u", first + (unsigned) i);
		a[i].address = text[i];
		n[i].toipaddress = &a[i];
		n[i].device = (char *) "pod0";
		n[i].lladdr = (char *) "52:54:00:aa:bb:cc";
		list[i] = &n[i];
	}
	if (impossible)
		n[count - 1].device = (char *) "pod9";
	all.arpneighbors = list;
	all.n_arpneighbors = count;
	all.complete = complete;
	req.neighbors = &all;
	return vm_call(vm, "AddARPNeighbors", &req, NULL, e);
}

#define NEIGHBOURS "ip neigh show dev pod0 nud permanent | sed 's/ lladdr.*//' | sort"

#define FLUSH "ip neigh flush dev pod0 nud permanent >/dev/null"

CASE(neighbours_that_a_complete_list_has_no_more_go_and_others_stay)
{
	struct err e = {0};

	make_pod0(vm);
	check_seen(vm, FLUSH, "");
	MUST(set_neighbours(vm, 99, 1, false, false, &why));
	MUST(set_neighbours(vm, 11, 2, true, false, &why));
	check_seen(vm, NEIGHBOURS, "10.7.0.11\n10.7.0.12\n10.7.0.99\n");
	MUST(set_neighbours(vm, 12, 2, true, false, &why));
	check_seen(vm, NEIGHBOURS, "10.7.0.12\n10.7.0.13\n10.7.0.99\n");
	/* A request that makes no sense changes nothing. */
	CHECK(set_neighbours(vm, 21, 2, true, true, &e) < 0);
	if (!strstr(e.text, "'10.7.0.22'") || !strstr(e.text, "'pod9'"))
		FAIL("it says '%s'", e.text);
	check_seen(vm, NEIGHBOURS, "10.7.0.12\n10.7.0.13\n10.7.0.99\n");
	MUST(set_neighbours(vm, 0, 0, true, false, &why));
	check_seen(vm, NEIGHBOURS, "10.7.0.99\n");
	/* Those that are gone already are no failure. */
	MUST(set_neighbours(vm, 11, 2, true, false, &why));
	check_seen(vm, FLUSH, "");
	MUST(set_neighbours(vm, 0, 0, true, false, &why));
}

CASE(names_are_resolved_as_the_sandbox_says_and_its_sysctls_are_the_network_s)
{
	box_prepare(vm);
	check_seen(vm, "cat /dev/names", "nameserver 192.0.2.1\nsearch pod.example\n");
	check_seen(vm, "cd /proc/sys/net/ipv4; cat ping_group_range ip_unprivileged_port_start",
		   "0\t2147483647\n0\n");
}
