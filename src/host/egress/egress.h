#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/err.h"

/*
 * The egress policy of a pod: a list of the only places that its guest may reach, enforced in the
 * network namespace, on the host's side of the tap, where neither the guest nor the VMM reaches.
 *
 *	guest ═══ tap0_kata ── nf_tables: ingress ─┬─ allowed ──► out of eth0
 *	             ▲                             └─ refused: counted, logged, answered
 *	             └──────── nf_tables: ingress ◄── eth0: all that arrives; who began to speak is
 *	                                                    remembered, and may be answered
 *
 * The redirection that is used without a policy (tc's mirred) is not used with one, because the
 * kernel asks tc before nf_tables and does not ask nf_tables about what tc has redirected. The
 * rules are stateful without the kernel's connection tracking, which comes after this hook.
 *
 * Whatever is no plain packet of IPv4 or IPv6 to an allowed place stays: other protocols of
 * Ethernet, VLANs, IP options, extension headers, pieces of fragmented packets. Of what a link
 * needs only ARP and neighbour discovery pass.
 *
 * The rules are not tied to the life of the server: if that is killed, they hold until whoever
 * cleans up removes them, so that there is no moment without them.
 *
 * Threads: any, one at a time for each struct egress. Distrusts: the words of a policy, which may
 * be an annotation of a pod's; whatever passes.
 */

/* Most lines of a policy. */
#define EGRESS_RULES_MAX 256

/* Ports of DHCP, RFC 2131, 4.1. */
#define DHCP_SERVER_PORT 67
#define DHCP_CLIENT_PORT 68

struct egress_policy;

/**
 * egress_policy_read() - understand the words of a policy
 * @lines:	@n of "WHERE [PROTOCOL [PORT[-PORT]]]": WHERE is an address or a prefix of IPv4 or
 *		IPv6, a name, or "*.NAME" for all names below one; PROTOCOL is tcp, udp, sctp or
 *		icmp; or "none" as the only line
 * @ret:	NULL if there are no lines, which is no policy: everything may leave
 *
 * Returns 0, -EINVAL (the sentence has the line), -E2BIG or -ENOMEM.
 */
int egress_policy_read(const char *const *lines, size_t n, struct egress_policy **ret,
		       struct err *e);

/* Whether there are names in it, which need a name server. */
bool egress_policy_has_names(const struct egress_policy *p);

/* Adds a name server, whose answers tell the addresses of the policy's names. It may be asked.
 * Returns 0, -EINVAL or -E2BIG. */
int egress_policy_resolver(struct egress_policy *p, const char *address, struct err *e);

/* Accepts NULL. */
void egress_policy_free(struct egress_policy *p);
AUTO_PTR(struct egress_policy, egress_policy_free)

/* The rules in a namespace. */
struct egress;

/**
 * egress_open() - put a policy into force
 * @take_sock:	of NETLINK_NETFILTER, opened in the namespace; swallowed in any case
 * @policy:	borrowed until this returns
 *
 * Returns 0, -EEXIST (the namespace has a policy of another machine), or -errno.
 */
int egress_open(int take_sock, const struct egress_policy *policy, struct egress **ret,
		struct err *e);

/* Removes the rules. Accepts NULL. */
void egress_close(struct egress *g);
AUTO_PTR(struct egress, egress_close)

/* One that is connected. */
struct egress_link {
	int tap, link; /* their indexes */
	const char *tap_name, *link_name;
};

/* Sends what the policy allows from a tap out of an interface, and all that arrives there to the
 * tap. Nothing passes between both before. Returns 0 or -errno; nothing is left then. */
int egress_connect(struct egress *g, const struct egress_link *l, struct err *e);

/* Nothing passes between both any more. Whether or not they are there still. */
void egress_disconnect(struct egress *g, int tap, int link);

/* How many packets were refused. @sock as above, borrowed. */
int egress_refused(int sock, uint64_t *ret, struct err *e);

/* Hears what the rules tell: logs what is refused, each place once and with its name if that is
 * known, and lets the guest have the answers of name servers once their addresses are allowed. Must
 * be called by one thread, the loop's; may be beside egress_connect() and egress_disconnect(). */
struct egress_watch;

/* @g, @policy: must outlive it, and be borrowed until this returns. @take_socks: two of
 * NETLINK_NETFILTER and one of AF_PACKET (SOCK_RAW, no protocol) opened in the namespace; swallowed
 * in any case. */
int egress_watch_open(struct egress *g, const struct egress_policy *policy, const int take_socks[3],
		      struct egress_watch **ret, struct err *e);

/* Accepts NULL. */
void egress_watch_close(struct egress_watch *w);

/* Becomes readable when egress_watch_ready() has something to do. */
int egress_watch_fd(const struct egress_watch *w);
void egress_watch_ready(struct egress_watch *w);

/* Forgets addresses whose time is over. Returns when that is to be called again; 0: nothing is to
 * be forgotten. */
msec_t egress_watch_expire(struct egress_watch *w);

int egress_watch_refused(struct egress_watch *w, uint64_t *ret, struct err *e);

/* Removes what a process that is gone has left, if anything. @sock as above, borrowed. */
void egress_clean(int sock);
