#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/err.h"

/*
 * The network namespace that an engine has made for a container or a pod, as the machine needs it:
 * what is in it, and a tap beside each interface through which the guest sends and receives in the
 * interface's place.
 *
 *	engine's namespace				VMM, in a namespace of its own
 *	  eth0 (veth, macvlan, a tap, ...)
 *	    │ ingress ── mirred ──► tap0_kata ═══ descriptor ═══ virtio-net ─── eth0 of the guest
 *	    └ egress ◄── mirred ── ingress
 *
 * All frames that arrive at the interface go to the guest, and all that the guest sends leave
 * through the interface. Its addresses, which the host's kernel does not use any more, and its
 * hardware address are the guest's. The VMM gets the descriptor of the tap and nothing else: it is
 * never in this namespace.
 *
 * Threads: any, one at a time for each struct network. What is to be opened in the namespace is
 * opened by a thread of its own, because a thread that fails to come back would stay there.
 *
 * Distrusts: whoever fills the namespace: numbers and names come from the kernel but are chosen by
 * the engine and its plugins, and interfaces vanish at any moment. parse.c reads all messages, and
 * has bounds for how many there are.
 */

/* Sizes with the NUL. */
#define NETWORK_NAME_BYTES 16 /* IFNAMSIZ */
#define NETWORK_KIND_BYTES 32
#define NETWORK_MAC_BYTES  6
#define NETWORK_TEXT_BYTES 46 /* INET6_ADDRSTRLEN */
/* RTAX_MAX + 1 of Linux 6.1. */
#define NETWORK_METRICS 18
/* FRA_MAX + 1 of Linux 6.1. */
#define NETWORK_RULE_NUMBERS 25

/* Most of each in a namespace; what is beyond is refused. */
#define NETWORK_LINKS_MAX      256
#define NETWORK_ADDRESSES_MAX  1024
#define NETWORK_ROUTES_MAX     4096
#define NETWORK_NEIGHBOURS_MAX 4096
#define NETWORK_RULES_MAX      1024
/* Of all routes together, and of one. */
#define NETWORK_HOPS_MAX       4096
#define NETWORK_ROUTE_HOPS_MAX 32
/* Of a tap. */
#define NETWORK_QUEUES_MAX 16

/* An address of IPv4 (4 bytes) or IPv6 (16), in network order. */
struct network_ip {
	uint8_t family; /* AF_INET, AF_INET6; 0: none */
	uint8_t bits;   /* of the prefix */
	uint8_t bytes[16];
};

/* IFLA_*, see rtnetlink(7). */
struct network_link {
	int index;
	int master;     /* the index of the bridge, bond or VRF that it belongs to; 0: none */
	int lower;      /* that of the interface in the same namespace that it is on; 0: none */
	uint16_t type;  /* ARPHRD_ETHER, ... */
	uint32_t flags; /* IFF_* */
	uint32_t mtu;
	uint32_t vrf_table; /* of a VRF: its routing table; 0: it is none */
	bool no_ipv6;       /* it is switched off */
	bool no_routers;    /* advertisements of routers are not heard */
	bool no_autoconf;   /* and if they are, no addresses are made by them */
	/* It carries packets of IP, without Ethernet, or with heads in which no addresses are (a
	 * netkit of mode l3). mac is one that was chosen for it. */
	bool carries_packets, has_blank_heads;
	bool is_apart; /* it was made in another namespace, and sends from there */
	bool has_mac;
	uint8_t mac[NETWORK_MAC_BYTES];
	char name[NETWORK_NAME_BYTES];
	char kind[NETWORK_KIND_BYTES]; /* "veth"; "" for a device without one */
};

struct network_address {
	int link;
	struct network_ip ip;
	struct network_ip peer; /* of a point-to-point link */
	struct network_ip broadcast;
	uint8_t scope;   /* RT_SCOPE_* */
	uint32_t flags;  /* IFA_F_* */
	uint32_t metric; /* of the route to its network; 0: the kernel's */
	char label[NETWORK_NAME_BYTES];
};

/* One of several next hops of a route. */
struct network_hop {
	int link;
	struct network_ip via; /* of either family */
	uint8_t flags;         /* RTNH_F_* */
	uint8_t weight;        /* less one, as in struct rtnexthop */
};

struct network_route {
	int link;              /* 0: none, or several next hops */
	size_t hop, n_hops;    /* those are hops[hop] and the next ones; 0: none */
	struct network_ip to;  /* bits 0: everything */
	struct network_ip via; /* of either family */
	struct network_ip source;
	uint8_t type, scope, protocol; /* RTN_*, RT_SCOPE_*, RTPROT_* */
	uint8_t tos, preference;       /* the latter of IPv6, RFC 4191 */
	uint32_t table;
	uint32_t flags;  /* RTNH_F_* of its next hop, and RTM_F_* */
	uint32_t metric; /* RTA_PRIORITY */
	/* At RTAX_MTU and so on; 0: the kernel's. Numbers only, RTAX_CC_ALGO is a text. */
	uint32_t metrics[NETWORK_METRICS];
	bool by_source;  /* it is for packets of certain sources only, or */
	bool is_wrapped; /* wraps them into something */
};

/* See ip-rule(8); FRA_* of linux/fib_rules.h. */
struct network_rule {
	struct network_ip from, to; /* their family is the rule's; bits 0: any */
	uint8_t tos, action;        /* FR_ACT_* */
	bool inverted;
	bool is_odd; /* it has a selector that this struct has no field for */
	bool has_users;
	uint32_t users[2]; /* first and last */
	/* As Rule.numbers of types.proto. */
	uint32_t numbers[NETWORK_RULE_NUMBERS];
	char iif[NETWORK_NAME_BYTES], oif[NETWORK_NAME_BYTES];
};

struct network_neighbour {
	int link;
	struct network_ip ip;
	bool has_mac;
	uint8_t mac[NETWORK_MAC_BYTES];
	uint16_t state; /* NUD_* */
	uint8_t flags;  /* NTF_* */
};

struct network_facts {
	struct network_link *links;
	size_t n_links;
	struct network_address *addresses;
	size_t n_addresses;
	struct network_route *routes;
	size_t n_routes;
	struct network_hop *hops;
	size_t n_hops;
	struct network_rule *rules;
	size_t n_rules;
	struct network_neighbour *neighbours;
	size_t n_neighbours;
};

/* Accepts a zeroed struct, which it is afterwards. */
void network_facts_fini(struct network_facts *f);

/* ---- namespace.c ---- */

/* Makes an empty namespace, which exists while the descriptor is open. */
int network_namespace_new(int *ret_fd, struct err *e);

/* ---- network.c ---- */

/* An open namespace. */
struct network;

/* @ns_fd: the namespace, borrowed until this returns. */
int network_open(int ns_fd, struct network **ret, struct err *e);

/* Accepts NULL. */
void network_close(struct network *n);
AUTO_PTR(struct network, network_close)

struct egress_policy;

/* From now on only what @policy (borrowed until this returns) allows leaves the taps that are
 * opened. Once, before the first one. Returns 0, -EEXIST (the namespace has a policy of another
 * machine), -EOPNOTSUPP or -ENOENT (the kernel has no nf_tables), or -errno. */
int network_restrict(struct network *n, const struct egress_policy *policy, struct err *e);

struct egress_watch;

/* What is refused is heard, see egress_watch_open(). After network_restrict(); *@ret is to be
 * closed before @n. */
int network_watch_egress(struct network *n, const struct egress_policy *policy,
			 struct egress_watch **ret, struct err *e);

/* Reads what is in the namespace; @ret is freed with network_facts_fini() when this returns 0.
 * Returns 0, -E2BIG (more than the maxima above), -EPROTO, or -errno. */
int network_scan(struct network *n, struct network_facts *ret, struct err *e);

/* A socket that becomes readable when interfaces, addresses, routes, rules or neighbours of the
 * namespace change; the caller's. Returns a descriptor, which does not block, or -errno. */
int network_watch(struct network *n, struct err *e);

/* Takes what the socket has to tell; it is only that something changed. */
void network_watch_drain(int fd);

/* ---- plan.c ---- */

/* Whether a machine gets @link. If not, *@ret_why is a reason that the user should know, or NULL
 * for one that nobody needs to know. */
bool network_wants(const struct network_facts *f, const struct network_link *link,
		   const char **ret_why);

/* The VRF that @link belongs to; NULL: none. */
const struct network_link *network_vrf_of(const struct network_facts *f,
					  const struct network_link *link);

/* Whether the guest has to be told: not made by the kernel for an address. *@ret_why as above.
 * @whole: whether the agent knows more than the unicast routes of the main table with one hop. */
bool network_wants_route(const struct network_facts *f, const struct network_route *r, bool whole,
			 const char **ret_why);

/* Whether the kernel has made the route to the address's network, or makes none for it (a single
 * address of IPv4). A plugin may have taken it away (ptp does). */
bool network_has_prefix_route(const struct network_facts *f, const struct network_address *a);

/* Whether a route leads to no interface, or to one that the kernel chooses: RTN_BLACKHOLE, ... */
bool network_route_leads_nowhere(const struct network_route *r);
bool network_wants_address(const struct network_address *a);
/* 127.0.0.1 and ::1, which every loopback has. */
bool network_is_localhost(const struct network_address *a);
bool network_wants_neighbour(const struct network_neighbour *n);

/* ---- attached.c ---- */

/* A tap of the host's, and how many queues are asked of it. */
struct network_attached_tap {
	char name[NETWORK_NAME_BYTES];
	uint32_t n_queues; /* at most NETWORK_QUEUES_MAX; 0: as many as usual */
};

/* Interfaces of a machine that are described by a file and not by a namespace. */
struct network_attached {
	struct network_facts facts;        /* its links have the indexes 1, 2, ... */
	struct network_attached_tap *taps; /* of each link, in the same order; never NULL */
	char *netns;                       /* where the taps are; NULL: the caller's namespace */
};

/* Reads the JSON of such a file; @ret is freed with network_attached_fini() when this returns 0.
 * Returns 0, -EINVAL, -ENOTSUP (it asks for what there is not), -E2BIG, or -ENOMEM; the sentence
 * names the place in the file. */
int network_attached_read(const char *text, size_t bytes, struct network_attached *ret,
			  struct err *e);

/* Accepts a zeroed struct, which it is afterwards. */
void network_attached_fini(struct network_attached *a);

/* ---- tap.c ---- */

struct network_tap {
	/* A queue each, attached to the tap, which exists while one or a duplicate is open. */
	int fds[NETWORK_QUEUES_MAX];
	size_t n_queues; /* that are open */
	int index;       /* of the tap; 0: there is none */
	uint32_t mtu;
};

/* Bits per second that the guest receives and sends at most by one interface; 0: no limit. */
struct network_rates {
	uint64_t rx, tx;
};

/* Makes a tap with @n_queues beside @link, of the same size of frames as far as a tap can, and
 * connects both. @ret is zeroed.
 * Returns 0, -ENODEV (@link is gone), -EEXIST (something else redirects what arrives at it, or
 * limits what leaves it), -EOPNOTSUPP (no Ethernet, and an egress policy or a kernel before 5.14),
 * or -errno; nothing is left then. */
int network_tap_open(struct network *n, const struct network_link *link,
		     const struct network_rates *rates, size_t n_queues, struct network_tap *ret,
		     struct err *e);

/* The VMM has duplicates of the queues: closes all but one. That one stays, because whoever closes
 * the last waits until the kernel has taken the tap down, 10 to 30 ms, which would be the VMM at
 * its end. */
void network_tap_share(struct network_tap *tap);

/* Opens the tap @name, which somebody else has made and keeps, with @n_queues, and takes it up.
 * @ret is zeroed, and has index 0 afterwards. Returns 0, -ENODEV (there is none), -EINVAL (it is
 * another kind of interface, or has one queue only), or -errno. */
int network_tap_borrow(struct network *n, const char *name, size_t n_queues,
		       struct network_tap *ret, struct err *e);

/* Removes what network_tap_open() has made, whether or not the interface or the tap are there
 * still; of what was borrowed closes the queues. */
void network_tap_close(struct network *n, int link, struct network_tap *tap);

/* ---- loopback.c ---- */

/* From now on connections to the namespace's loopback addresses (TCP to 127.0.0.0/8 and ::1) that
 * nobody there listens for can be accepted from the socket that is returned, which does not block
 * and is the caller's. It may get others, which came to its own port.
 *
 * Where the kernel takes no program from this process (it is not root of the host, or the kernel is
 * older than 5.8) a rule of nf_tables does it, to which all of the namespace's addresses are
 * alike; who listens in the namespace is not reached then.
 *
 * Returns a descriptor, or -errno, and then nothing is left: -EPERM (the namespace is the host's
 * own, or this process may do neither), -EEXIST (somebody else has the ingress queue of the
 * loopback device, or a table of nf_tables called as ours), -ENOENT or -EOPNOTSUPP (a kernel
 * without programs and without nf_tables). */
int network_catch_loopback(struct network *n, struct err *e);

/* Whom a connection was meant for. */
struct network_target {
	uint16_t port;
	bool ipv6;
	char address[NETWORK_TEXT_BYTES]; /* "": a loopback address of that family */
};

/* Finds out who was meant by @fd, a connection that was accepted from such a socket. Returns
 * whether it is to be handed on. */
bool network_dialled(int listener, int fd, struct network_target *ret);

/* Removes from the namespace what that has made, if it is there. */
void network_release_loopback(struct network *n);

/* Removes from a namespace all that was made there by a process that is gone. */
int network_clean(struct network *n, struct err *e);
