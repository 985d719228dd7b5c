/* The pod's network as the host describes it. */

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "agent/device/device.h"
#include "agent/network/network.h"
#include "agent/rpc/agent.h"

/* As the kernel writes it: 17 letters. */
#define MAC_BYTES 18

/* An UpdateInterface whose device is waited for. */
struct nic_wait {
	struct rpc *rpc;
	struct ttrpc_call *call;
	const Types__Interface *want; /* of the call's request */
	struct device_wait wait;
	char mac[MAC_BYTES];
};

/* @at: the name that it was found by, or NULL. */
static void set_interface(struct rpc *rpc, struct ttrpc_call *call, const Types__Interface *want,
			  const char *at)
{
	Types__Interface *now = NULL;
	struct err e = {0};
	int r = network_set_interface(rpc->network, want, at, &now, &e);

	if (r < 0) {
		ttrpc_answer(call, r, &e);
		return;
	}
	ttrpc_reply(call, &now->base);
	types__interface__free_unpacked(now, NULL);
}

static void on_nic(struct device_wait *wait, int r, const char *path, const struct err *e)
{
	struct nic_wait *w = container_of(wait, struct nic_wait, wait);
	struct err why = e ? *e : (struct err){0};

	if (r < 0)
		ttrpc_answer(w->call, err_wrap(&why, r, "set up interface '%.32s'", w->want->name),
			     &why);
	else
		set_interface(w->rpc, w->call, w->want, path);
	free(w);
}

static void nic_gone(void *arg)
{
	struct nic_wait *w = arg;

	device_wait_cancel(&w->wait);
	ttrpc_drop(w->call);
	free(w);
}

static void wait_for_nic(struct rpc *rpc, struct ttrpc_call *call, const Types__Interface *want)
{
	struct nic_wait *w = calloc(1, sizeof *w);
	struct err e = {0};

	if (!w) {
		ttrpc_answer(call, err_sys(&e, ENOMEM, "set up an interface"), &e);
		return;
	}
	w->rpc = rpc;
	w->call = call;
	w->want = want;
	if (*want->devicepath) {
		w->wait.kind = DEVICE_NIC;
		w->wait.key = want->devicepath;
	} else {
		w->wait.kind = DEVICE_MAC;
		w->wait.key = w->mac;
		for (size_t i = 0; i + 1 < sizeof w->mac && want->hwaddr[i]; i++)
			w->mac[i] = (char) tolower((unsigned char) want->hwaddr[i]);
	}
	w->wait.finish = on_nic;
	ttrpc_call_on_gone(call, nic_gone, w);
	device_wait(rpc->config.devices, &w->wait, clock_deadline(rpc->config.hotplug_timeout_ms));
}

/* What the interface is driven by: a device of the machine, or the kernel alone. */
static int load_driver(struct rpc *rpc, const Types__Interface *want, struct err *e)
{
	if (want->vrf_table)
		return module_load_if_any(rpc->config.devices, "vrf", e);

	int r = module_load_virtio(rpc->config.devices, e);

	return r < 0 ? r : module_load_if_any(rpc->config.devices, "virtio_net", e);
}

/* Whether its device is found by its hardware address, and may come later. */
static bool is_awaited(const Types__Interface *want)
{
	return !want->vrf_table && !*want->devicepath && *want->hwaddr;
}

void network_rpc_update_interface(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	const Grpc__UpdateInterfaceRequest *req = request;
	struct err e = {0};
	int r = 0;

	devices_see_plugs(rpc->config.devices);
	if (!req->interface)
		r = err_say(&e, EINVAL, "the interface is missing");
	if (r == 0)
		r = load_driver(rpc, req->interface, &e);
	/* Without a path or an address there is nothing to wait for, and the next step says so. */
	if (r == 0 && is_awaited(req->interface))
		r = network_has_interface(rpc->network, req->interface, &e);
	if (r == -ENODEV || (r == 0 && *req->interface->devicepath))
		wait_for_nic(rpc, call, req->interface);
	else if (r < 0)
		ttrpc_answer(call, r, &e);
	else
		set_interface(rpc, call, req->interface, NULL);
}

static void reply_routes(struct rpc *rpc, struct ttrpc_call *call)
{
	Grpc__Routes reply = GRPC__ROUTES__INIT;
	struct err e = {0};
	int r = network_list_routes(rpc->network, &reply.routes, &reply.n_routes, &e);

	if (r < 0) {
		ttrpc_answer(call, r, &e);
		return;
	}
	ttrpc_reply(call, &reply.base);
	network_free_routes(reply.routes, reply.n_routes);
}

void network_rpc_update_routes(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	const Grpc__UpdateRoutesRequest *req = request;
	struct err e = {0};
	int r = 0;

	if (!req->routes)
		r = err_say(&e, EINVAL, "the routes are missing");
	else if (req->routes->complete)
		r = network_keep_vrfs(rpc->network, req->routes->vrfs, req->routes->n_vrfs, &e);
	/* First, because by them the kernel finds out whether a route's gateway can be reached. */
	if (r == 0 && req->routes->complete)
		r = network_set_rules(rpc->network, req->routes->rules, req->routes->n_rules, &e);
	if (r == 0)
		r = network_set_routes(rpc->network, req->routes->routes, req->routes->n_routes,
				       req->routes->complete, &e);
	/* Who sends a complete list does not read the answer, and a list takes as long to make as
	 * to set. */
	if (r < 0 || req->routes->complete)
		ttrpc_answer(call, r, &e);
	else
		reply_routes(rpc, call);
}

void network_rpc_list_interfaces(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	Grpc__Interfaces reply = GRPC__INTERFACES__INIT;
	struct err e = {0};
	int r = network_list_interfaces(rpc->network, &reply.interfaces, &reply.n_interfaces, &e);

	(void) request;
	if (r < 0) {
		ttrpc_answer(call, r, &e);
		return;
	}
	ttrpc_reply(call, &reply.base);
	network_free_interfaces(reply.interfaces, reply.n_interfaces);
}

void network_rpc_list_routes(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	(void) request;
	reply_routes(rpc, call);
}

void network_rpc_add_neighbours(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	const Grpc__AddARPNeighborsRequest *req = request;
	struct err e = {0};
	int r;

	if (!req->neighbors)
		r = err_say(&e, EINVAL, "the neighbours are missing");
	else
		r = network_set_neighbours(rpc->network, req->neighbors->arpneighbors,
					   req->neighbors->n_arpneighbors, req->neighbors->complete,
					   &e);
	ttrpc_answer(call, r, &e);
}
