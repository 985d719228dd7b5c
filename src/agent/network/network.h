#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/auto.h"
#include "base/err.h"
#include "types.pb-c.h"

/**
 * DOC: agent/network - interfaces, routes and neighbours of the guest
 *
 * The host describes the network of a pod as it is on its side, and the guest's becomes the same.
 * The machine has one network namespace, which is all its containers'. Messages are those of the
 * guest protocol (types.proto).
 *
 * A request is judged as a whole before anything is done, so one that makes no sense changes
 * nothing. Where the kernel refuses a step, the steps before it stay, and the sentence says so.
 *
 * Threads: none; calls wait for nothing but the kernel. Distrusts: the host's numbers and texts,
 * which are checked; the kernel's answers are read within their bounds.
 */
struct network;

/* Addresses of one interface, routes and neighbours in one request. */
#define NETWORK_ADDRESSES_MAX  1024
#define NETWORK_ROUTES_MAX     16384
#define NETWORK_NEIGHBOURS_MAX 16384
#define NETWORK_RULES_MAX      1024
#define NETWORK_VRFS_MAX       256
/* Next hops of one route. */
#define NETWORK_HOPS_MAX 32

int network_new(struct network **ret, struct err *e);
void network_free(struct network *n);
AUTO_PTR(struct network, network_free)

/* Whether network_set_interface() would find the interface that @want describes, whose devicePath
 * is not looked at: by its hardware address or else by its name. Returns 0, -ENODEV, or -errno. */
int network_has_interface(struct network *n, const Types__Interface *want, struct err *e);

/**
 * network_set_interface() - make an interface what the host says
 * @want:	hwAddr and name are needed, or the name and @at
 * @at:		the interface's present name if it was found by its place on the bus, else NULL:
 *		it is the one with hwAddr, or else the one with that name
 * @ret:	the interface as it is then; freed with types__interface__free_unpacked()
 *
 * A VRF, which has vrf_table, is made if there is none with that table and hwAddr.
 *
 * Gives it its name (an interface that has the name gets the other's old one), hardware address,
 * MTU (0: as it is), those addresses, and takes it up unless it is to be down. Of the addresses
 * that an earlier call has set those go that @want does not have; others are a container's, the
 * kernel's or a router's. It is only taken down for a moment, which ends its routes, when its name,
 * hardware address or VRF change. Of raw_flags IFF_NOARP counts. IPv6 addresses are left out where
 * the guest has no IPv6. Of the loopback only the addresses count.
 *
 * Returns 0, -EINVAL, -ENODEV, -EOPNOTSUPP (the kernel has no VRFs), or -errno.
 */
int network_set_interface(struct network *n, const Types__Interface *want, const char *at,
			  Types__Interface **ret, struct err *e);

/* All interfaces; freed with network_free_interfaces(). */
int network_list_interfaces(struct network *n, Types__Interface ***ret, size_t *ret_n,
			    struct err *e);
void network_free_interfaces(Types__Interface **list, size_t n);

/**
 * network_set_routes() - replace routes
 *
 * Routes without a gateway are set first, whatever their order in @list, because the gateways of
 * the others are reached by them. A gateway that cannot be reached is taken to be on its
 * interface's link, because the host sends by such a route as well. One that has the table,
 * destination and metric of a present one takes its place. Afterwards those routes are removed that
 * an earlier call has set and that @list does not have: all of them if @list is @complete, else
 * those of an interface that it names. All others stay: the kernel's, for addresses, and those that
 * containers have set.
 *
 * Returns 0, -EINVAL, -ENODEV, or -errno.
 */
int network_set_routes(struct network *n, Types__Route *const *list, size_t count, bool complete,
		       struct err *e);

/* Makes @list the routing rules: adds what is new to it, and removes what is not in it of those
 * that an earlier call had, or that the kernel has by itself. Rules that containers have made
 * stay. */
int network_set_rules(struct network *n, Types__Rule *const *list, size_t count, struct err *e);

/* Removes those VRFs that network_set_interface() has made and @keep does not name. */
int network_keep_vrfs(struct network *n, char *const *keep, size_t n_keep, struct err *e);

/* The unicast routes of the main table; freed with network_free_routes(). */
int network_list_routes(struct network *n, Types__Route ***ret, size_t *ret_n, struct err *e);
void network_free_routes(Types__Route **list, size_t n);

/* Adds neighbours, or replaces those with the same address. If @list is @complete, those go that an
 * earlier complete one had and it does not have; those that containers have set stay. Returns 0,
 * -EINVAL, -ENODEV, or -errno. */
int network_set_neighbours(struct network *n, Types__ARPNeighbor *const *list, size_t count,
			   bool complete, struct err *e);

/* More processors have come: interfaces with several queues use as many. The kernel does that by
 * itself for an interface that comes later. What fails is logged. */
void network_use_queues(struct network *n);
