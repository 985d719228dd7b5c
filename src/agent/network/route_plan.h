#pragma once

/* Routes as the host wants them. Private to agent/network. */

#include "agent/network/links.h"
#include "agent/network/state.h"

/* Longest text of route_print(). */
#define ROUTE_TEXT_MAX 192

/* By what the kernel tells routes apart: table, destination, metric, kind of traffic. For qsort()
 * and bsearch(). */
int route_compare(const void *a, const void *b);

/* "route to 10.0.0.0/8 by 10.1.0.1 on 'eth0'", as the host has written it; returns @to. */
const char *route_print(const Types__Route *from, char to[ROUTE_TEXT_MAX]);

/* Reads the next hop @i of a route into what is used of it: gateway, device and flags. */
int route_read_hop(const Types__Route *from, size_t i, const struct links *links, struct route *ret,
		   struct err *e);

/* Reads one route. Returns 0, -EINVAL, or -ENODEV when there is no such interface. */
int route_read(const Types__Route *from, const struct links *links, struct route *ret,
	       struct err *e);

/**
 * route_plan() - read all, in the order in which to set them
 * @ret:	as many as @list has, freed by the caller; those without a gateway first, else in
 *		their order
 * @ret_from:	for each of them, its place in @list; freed by the caller
 */
int route_plan(Types__Route *const *list, size_t n, const struct links *links, struct route **ret,
	       size_t **ret_from, struct err *e);
