#pragma once

#include "base/netlink.h"
#include "host/egress/egress.h"
#include "host/network/network.h"

/* An open namespace. Private to host/network. */
struct network {
	int sock; /* of rtnetlink(7), opened in the namespace */
	int ns_fd;
	struct egress *egress; /* NULL: everything may leave */
};

/* Adds what one message of a dump says; what is not known is skipped. Returns 0, -E2BIG, -EPROTO,
 * or -ENOMEM. */
int network_parse(const struct nl_message *m, struct network_facts *f);

/* ---- namespace.c ---- */

/* Calls @fn on a thread that is in the namespace; -1: in a new one. */
int namespace_visit(int ns_fd, int (*fn)(void *arg, struct err *e), void *arg, struct err *e);

/* ---- network.c ---- */

/* A netlink socket of @protocol in the namespace; a descriptor or -errno. */
int network_socket(int ns_fd, int protocol, struct err *e);
