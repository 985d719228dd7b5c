#pragma once

#include "base/netlink.h"
#include "host/network/network.h"

/* An open namespace. Private to host/network. */
struct network {
	int sock; /* of rtnetlink(7), opened in the namespace */
	int ns_fd;
};

/* Adds what one message of a dump says; what is not known is skipped. Returns 0, -E2BIG, -EPROTO,
 * or -ENOMEM. */
int network_parse(const struct nl_message *m, struct network_facts *f);

/* ---- namespace.c ---- */

/* Calls @fn on a thread that is in the namespace; -1: in a new one. */
int namespace_visit(int ns_fd, int (*fn)(void *arg, struct err *e), void *arg, struct err *e);
