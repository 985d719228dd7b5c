#pragma once

#include "host/network/facts.h"

/* Whether @link is a tap that network_tap_open() has made. Private to host/network. */
bool tap_is_ours(const struct network_link *link);

/* Closes the queues; the tap ends with them. */
void tap_release(struct network_tap *tap);

/* ---- queue.c ---- */

/* A queue of an interface (tc(8)): where it is attached, and its name there. */
struct queue {
	int link;
	uint32_t parent, handle; /* TC_H_* */
};

/* Begins a request to make one of this kind, to which options may be added. It fails with -EEXIST
 * if there is one at this place. */
void queue_begin(struct nl_request *q, const struct queue *at, const char *kind);

/* Removes it, if it and the interface are still there. */
void queue_remove(struct network *n, const struct queue *at);

/* The queue of what arrives at interface @link, to which filters are attached. Returns 0, -EEXIST
 * (@link has one already), or -errno. */
#define INGRESS_HANDLE TC_H_MAKE(0xffffU << 16, 0)
int ingress_make(struct network *n, int link, struct err *e);
void ingress_remove(struct network *n, int link);

/* ---- limit.c ---- */

/* Lets no more than that leave interface @link, and keeps what comes too fast in a queue of some
 * length. Returns 0, -EEXIST (@link has such a queue already), or -errno. */
int limit_make(struct network *n, int link, uint64_t bits_per_second, struct err *e);

/* Removes it, if it and the interface are still there. Leaves what others have made. */
void limit_remove(struct network *n, int link);

/* ---- mirror.c ---- */

/* Tells what redirects frames from filters of others. */
#define MIRROR_PRIORITY 0xca7aU

/* Sends all that arrives at interface @from out of interface @to. Returns 0, -EEXIST (@from has an
 * ingress queue already), or -errno. */
int mirror_make(struct network *n, int from, int to, struct err *e);

/* What a DHCP server says to a client (RFC 2131, 4.1; IPv4 only) goes on to @from's own namespace
 * as well, because a plugin renews the lease of its address from there. After mirror_make(), which
 * mirror_remove() undoes together with this. */
int mirror_keep_leases(struct network *n, int from, int to, struct err *e);

/* Removes it, if it and the interface are still there. Leaves what others have made. */
void mirror_remove(struct network *n, int from);

/* Has the ingress queue of @from without redirecting anything, so that nobody else does: what
 * arrives there goes on to nf_tables. As mirror_make(). */
int mirror_claim(struct network *n, int from, struct err *e);

/* Gives it back. Returns whether it was claimed. */
bool mirror_release(struct network *n, int from);

/* ---- packets.c ---- */

/* Sends what arrives at @link, which carries packets without Ethernet, out of the tap, in frames
 * from and to @link's hardware address, and what the guest sends out of @link: IPv4 and IPv6 only.
 * mirror_remove() undoes either end.
 * Returns 0, or -errno: as program_load() and program_attach(); one of the ends may be there
 * then. */
int packets_connect(struct network *n, const struct network_link *link, int tap, struct err *e);
