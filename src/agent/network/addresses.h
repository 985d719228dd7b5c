#pragma once

/* The addresses of an interface. Private to agent/network. */

#include "agent/network/address.h"
#include "types.pb-c.h"

struct address {
	struct ip ip;   /* with its prefix */
	struct ip peer; /* the other end of a point-to-point link; family 0: none */

	/* As the host has it; else the agent decides. */
	bool is_detailed;
	uint8_t scope;
	uint32_t flags;      /* IFA_F_* */
	struct ip broadcast; /* family 0: none */
	uint32_t metric;     /* of the route to its network; 0: the kernel's */
	const char *label;   /* "": the interface's name */
};

/* Makes @want, with their prefixes, the interface's addresses; see network_set_interface(). @name
 * is the one it has by now. */
int addresses_replace(int fd, int index, const char *name, const struct address *want, size_t n,
		      struct err *e);

/* All of them, in memory that types__interface__free_unpacked() frees. */
int addresses_list(int fd, int index, Types__IPAddress ***ret, size_t *ret_n, struct err *e);
