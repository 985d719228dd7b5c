#pragma once

/* Frames that a guest could send, written to a real tap under a policy, and what comes out of the
 * interface of them. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/array.h"
#include "host/egress/egress.h"
#include "host/network/facts.h"
#include "tests/test.h"

#define FRAME_MAX  2048
#define TIMEOUT_MS 60000

static const struct network_rates no_limits;

struct frame {
	uint8_t bytes[FRAME_MAX];
	size_t n;
};

/* A namespace with "eth0" and the world behind it, "veth0"; a tap instead of eth0. */
struct place {
	int ns_fd, world; /* a packet socket */
	struct network *n;
	struct network_facts f;
	struct network_tap tap;
	int link;
	struct egress_watch *watch; /* NULL */
};

#define SERVER "10.77.0.53"

static inline int change_link(int index, const char *name)
{
	const struct ifinfomsg up = {.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	int sock = nl_open(NETLINK_ROUTE, NULL);
	struct nl_request q;

	nl_begin(&q, RTM_NEWLINK, name ? NLM_F_CREATE | NLM_F_EXCL : 0, &up, sizeof up);
	if (name) {
		nl_put_string(&q, IFLA_IFNAME, name);

		size_t info = nl_nest(&q, IFLA_LINKINFO);

		nl_put_string(&q, IFLA_INFO_KIND, "veth");
		nl_nest_end(&q, info);
	}

	int r = nl_ask(sock, &q, NULL);

	fd_close(sock);
	return r;
}

static inline int make_world(void *arg, struct err *e)
{
	struct place *p = arg;
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};

	(void) e;
	CHECK_EQ(change_link(0, "eth0"), 0);
	at.sll_ifindex = (int) if_nametoindex("veth0");
	CHECK_EQ(change_link(at.sll_ifindex, NULL), 0);
	p->world = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	CHECK_EQ(bind(p->world, (struct sockaddr *) &at, sizeof at), 0);
	return 0;
}

static inline uint64_t refused(struct place *p)
{
	int sock = network_socket(p->ns_fd, NETLINK_NETFILTER, NULL);
	uint64_t n = 0;

	CHECK_EQ(egress_refused(sock, &n, NULL), 0);
	fd_close(sock);
	return n;
}

static inline void restrict_to(struct place *p, const char *const *allow, size_t n)
{
	struct egress_policy *policy = NULL;
	struct err e = {0};
	int r = 0;

	CHECK_EQ(egress_policy_read(allow, n, &policy, NULL), 0);
	if (egress_policy_has_names(policy))
		CHECK_EQ(egress_policy_resolver(policy, SERVER, NULL), 0);
	r = network_restrict(p->n, policy, &e);
	if (r == 0)
		CHECK_EQ(network_watch_egress(p->n, policy, &p->watch, NULL), 0);
	egress_policy_free(policy);
	if (r == -EOPNOTSUPP || r == -EPROTONOSUPPORT)
		_exit(TEST_SKIP);
	if (r < 0)
		test_fail(__FILE__, __LINE__, "%s", e.text);
}

static inline void open_tap(struct place *p)
{
	struct err e = {0};

	CHECK_EQ(network_scan(p->n, &p->f, NULL), 0);
	for (size_t i = 0; i < p->f.n_links; i++)
		if (strcmp(p->f.links[i].name, "eth0") == 0) {
			p->link = p->f.links[i].index;
			if (network_tap_open(p->n, &p->f.links[i], &no_limits, 1, &p->tap, &e) < 0)
				test_fail(__FILE__, __LINE__, "%s", e.text);
		}
	CHECK_EQ(p->tap.n_queues, 1);
}

static inline void enter_with(struct place *p, const char *const *allow, size_t n)
{
	*p = (struct place){.ns_fd = -1, .world = -1};
	if (geteuid() != 0 || access("/dev/net/tun", R_OK | W_OK) < 0)
		_exit(TEST_SKIP);
	CHECK_EQ(network_namespace_new(&p->ns_fd, NULL), 0);
	CHECK_EQ(network_open(p->ns_fd, &p->n, NULL), 0);
	CHECK_EQ(namespace_visit(p->ns_fd, make_world, p, NULL), 0);
	restrict_to(p, allow, n);
	open_tap(p);
}

static inline void leave(struct place *p)
{
	network_tap_close(p->n, p->link, &p->tap);
	network_facts_fini(&p->f);
	egress_watch_close(p->watch);
	network_close(p->n);
	fd_close(p->world);
	fd_close(p->ns_fd);
}

/* ---- Frames ---- */

#define GUEST_MAC 2, 0, 0, 0, 0, 0x77
#define WORLD_MAC 2, 0, 0, 0, 0, 0x88

static const uint8_t guest4[] = {10, 77, 0, 2}, guest6[] = {0xfd, 0x77, [15] = 2};

static inline void add(struct frame *f, const void *data, size_t bytes)
{
	CHECK(f->n + bytes <= FRAME_MAX);
	memcpy(f->bytes + f->n, data, bytes);
	f->n += bytes;
}

static inline struct frame ethernet(bool from_guest, uint16_t type)
{
	const uint8_t guest[] = {GUEST_MAC}, world[] = {WORLD_MAC};
	const uint16_t big = htons(type);
	struct frame f = {0};

	add(&f, from_guest ? world : guest, ETH_ALEN);
	add(&f, from_guest ? guest : world, ETH_ALEN);
	add(&f, &big, sizeof big);
	return f;
}

/* TCP's header, of which UDP, SCTP and the rest need the begin. */
static inline void add_transport(struct frame *f, uint16_t from, uint16_t to, uint8_t flags)
{
	const uint16_t ports[] = {htons(from), htons(to)};
	uint8_t rest[16] = {[8] = 0x50, [9] = flags, [10] = 0xff};

	add(f, ports, sizeof ports);
	add(f, rest, sizeof rest);
}

#define SYN 0x02
#define ACK 0x10
#define RST 0x04
#define FIN 0x01

struct way {
	const char *peer;
	uint8_t protocol;
	uint16_t guest_port, peer_port;
	uint8_t flags;
	bool arrives;
};

static inline struct frame ipv4(const struct way *w)
{
	struct frame f = ethernet(!w->arrives, ETH_P_IP);
	uint8_t head[20] = {0x45, [3] = 40, [8] = 64, [9] = w->protocol};
	uint8_t peer[4];

	CHECK_EQ(inet_pton(AF_INET, w->peer, peer), 1);
	memcpy(head + (w->arrives ? 12 : 16), peer, 4);
	memcpy(head + (w->arrives ? 16 : 12), guest4, 4);
	add(&f, head, sizeof head);
	add_transport(&f, w->arrives ? w->peer_port : w->guest_port,
		      w->arrives ? w->guest_port : w->peer_port, w->flags);
	return f;
}

static inline struct frame ipv6(const struct way *w)
{
	struct frame f = ethernet(!w->arrives, ETH_P_IPV6);
	uint8_t head[40] = {0x60, [5] = 20, [6] = w->protocol, [7] = 64};
	uint8_t peer[16];

	CHECK_EQ(inet_pton(AF_INET6, w->peer, peer), 1);
	memcpy(head + (w->arrives ? 8 : 24), peer, 16);
	memcpy(head + (w->arrives ? 24 : 8), guest6, 16);
	add(&f, head, sizeof head);
	add_transport(&f, w->arrives ? w->peer_port : w->guest_port,
		      w->arrives ? w->guest_port : w->peer_port, w->flags);
	return f;
}

static inline struct frame packet(const struct way *w)
{
	return strchr(w->peer, ':') ? ipv6(w) : ipv4(w);
}

/* Offsets in a frame. */
#define IP        ETH_HLEN
#define TRANSPORT (ETH_HLEN + 20)
#define IP6_NEXT  (ETH_HLEN + 40)

/* Of ARP: passes always, and so marks the end of what came before it. */
static inline struct frame marker(bool from_guest)
{
	static const uint8_t arp[28] = {0, 1, 8, 0, 6, 4, 0, 1};
	struct frame f = ethernet(from_guest, ETH_P_ARP);

	add(&f, arp, sizeof arp);
	return f;
}

static inline void send_frame(struct place *p, const struct frame *f, bool from_guest)
{
	struct {
		struct virtio_net_hdr head;
		uint8_t bytes[FRAME_MAX];
	} __attribute__((packed)) with_head = {0};

	memcpy(with_head.bytes, f->bytes, f->n);
	if (from_guest)
		CHECK_EQ(write(p->tap.fds[0], &with_head, sizeof with_head.head + f->n),
			 sizeof with_head.head + f->n);
	else
		CHECK_EQ(send(p->world, f->bytes, f->n, 0), f->n);
}

/* The next frame at an end, whoever sent it. */
static inline struct frame next_frame(struct place *p, bool at_guest)
{
	struct pollfd wait = {.fd = at_guest ? p->tap.fds[0] : p->world, .events = POLLIN};
	size_t skip = at_guest ? sizeof(struct virtio_net_hdr) : 0;
	uint8_t bytes[FRAME_MAX];
	struct frame f = {0};

	if (poll(&wait, 1, TIMEOUT_MS) != 1)
		test_fail(__FILE__, __LINE__, "%s", "no frame arrives");

	ssize_t n = read(wait.fd, bytes, sizeof bytes);

	CHECK(n >= (ssize_t) (skip + ETH_HLEN));
	add(&f, bytes + skip, (size_t) n - skip);
	return f;
}

static inline bool is_same(const struct frame *a, const struct frame *b)
{
	return a->n == b->n && memcmp(a->bytes, b->bytes, a->n) == 0;
}

/* Whether @f comes out at the other end: before the marker that follows it. Whatever the host's
 * kernel sends by itself is not looked at. */
static inline bool passes(struct place *p, const struct frame *f, bool from_guest)
{
	struct frame end = marker(from_guest), got;
	bool seen = false;

	send_frame(p, f, from_guest);
	send_frame(p, &end, from_guest);
	for (;;) {
		got = next_frame(p, !from_guest);
		if (is_same(&got, &end))
			return seen;
		seen = seen || is_same(&got, f);
	}
}

static inline bool leaves(struct place *p, const struct way *w)
{
	struct frame f = packet(w);

	return passes(p, &f, !w->arrives);
}

/* The next frame that the guest gets, while the watch does its work. */
static inline struct frame next_for_guest(struct place *p)
{
	struct pollfd wait[] = {
		{.fd = egress_watch_fd(p->watch), .events = POLLIN},
		{.fd = p->tap.fds[0], .events = POLLIN},
	};

	for (;;) {
		if (poll(wait, 2, TIMEOUT_MS) < 1)
			test_fail(__FILE__, __LINE__, "%s", "no frame arrives");
		if (wait[0].revents)
			egress_watch_ready(p->watch);
		if (wait[1].revents)
			return next_frame(p, true);
	}
}
