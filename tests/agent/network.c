/* The guest's network as the host wants it, looked at from a container. */

#include <errno.h>

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

/* What a container sees; the caller frees it. */
static char *see(struct vm *vm, const char *command)
{
	struct run r;
	int code;

	box_prepare(vm);
	code = box_run(vm, "look", command, NULL, &r);
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
