#pragma once

/* The addresses of an interface. Private to agent/network. */

#include "agent/network/links.h"
#include "agent/network/state.h"
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

/* The addresses of an interface; @name is the one it has by now. */
struct addresses_wish {
	int device;
	const char *name;
	const struct address *list;
	size_t n;
};

/* Makes them, with their prefixes, those of the interface that the host has set; see
 * network_set_interface(). @links: all that there are, others are forgotten. */
int addresses_replace(int fd, struct network *n, const struct links *links,
		      const struct addresses_wish *wish, struct err *e);

/* To be called when the interface has come up, because the kernel then has no routes to the other
 * ends of its IPv6 addresses. */
int addresses_reach_peers(int fd, const struct addresses_wish *wish, struct err *e);

/* All of them, in memory that types__interface__free_unpacked() frees. */
int addresses_list(int fd, int index, Types__IPAddress ***ret, size_t *ret_n, struct err *e);
