#pragma once

/* The addresses of an interface. Private to agent/network. */

#include "agent/network/address.h"
#include "types.pb-c.h"

/* Makes @want, with their prefixes, the interface's addresses; see network_set_interface(). @name
 * is the one it has by now. */
int addresses_replace(int fd, int index, const char *name, const struct ip *want, size_t n,
		      struct err *e);

/* All of them, in memory that types__interface__free_unpacked() frees. */
int addresses_list(int fd, int index, Types__IPAddress ***ret, size_t *ret_n, struct err *e);
