/*
 * Frames that a guest could send, written to a real tap under a policy, and what comes out of the
 * interface of them: the rules by which the kernel goes, without a guest whose kernel would not
 * send most of these frames.
 */
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

static const char *const lines[] = {
	"10.1.2.0/24 tcp 443",       "10.1.3.0/24 udp", "10.9.0.0/16",
	"2001:db8::/32 tcp 443-444", "2001:db8:9::/48",
};

static int change_link(int index, const char *name)
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

static int make_world(void *arg, struct err *e)
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

static uint64_t refused(struct place *p)
{
	int sock = network_socket(p->ns_fd, NETLINK_NETFILTER, NULL);
	uint64_t n = 0;

	CHECK_EQ(egress_refused(sock, &n, NULL), 0);
	fd_close(sock);
	return n;
}

static void restrict_to(struct place *p, const char *const *allow, size_t n)
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

static void open_tap(struct place *p)
{
	struct err e = {0};

	CHECK_EQ(network_scan(p->n, &p->f, NULL), 0);
	for (size_t i = 0; i < p->f.n_links; i++)
		if (strcmp(p->f.links[i].name, "eth0") == 0) {
			p->link = p->f.links[i].index;
			if (network_tap_open(p->n, &p->f.links[i], &no_limits, &p->tap, &e) < 0)
				test_fail(__FILE__, __LINE__, "%s", e.text);
		}
	CHECK(p->tap.fd >= 0);
}

static void enter_with(struct place *p, const char *const *allow, size_t n)
{
	*p = (struct place){.ns_fd = -1, .world = -1, .tap = NETWORK_TAP_NONE};
	if (geteuid() != 0 || access("/dev/net/tun", R_OK | W_OK) < 0)
		_exit(TEST_SKIP);
	CHECK_EQ(network_namespace_new(&p->ns_fd, NULL), 0);
	CHECK_EQ(network_open(p->ns_fd, &p->n, NULL), 0);
	CHECK_EQ(namespace_visit(p->ns_fd, make_world, p, NULL), 0);
	restrict_to(p, allow, n);
	open_tap(p);
}

static void enter(struct place *p)
{
	enter_with(p, lines, ARRAY_LEN(lines));
}

static void leave(struct place *p)
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

static void add(struct frame *f, const void *data, size_t bytes)
{
	CHECK(f->n + bytes <= FRAME_MAX);
	memcpy(f->bytes + f->n, data, bytes);
	f->n += bytes;
}

static struct frame ethernet(bool from_guest, uint16_t type)
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
static void add_transport(struct frame *f, uint16_t from, uint16_t to, uint8_t flags)
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

static struct frame ipv4(const struct way *w)
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

static struct frame ipv6(const struct way *w)
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

static struct frame packet(const struct way *w)
{
	return strchr(w->peer, ':') ? ipv6(w) : ipv4(w);
}

/* Offsets in a frame. */
#define IP        ETH_HLEN
#define TRANSPORT (ETH_HLEN + 20)
#define IP6_NEXT  (ETH_HLEN + 40)

/* Of ARP: passes always, and so marks the end of what came before it. */
static struct frame marker(bool from_guest)
{
	static const uint8_t arp[28] = {0, 1, 8, 0, 6, 4, 0, 1};
	struct frame f = ethernet(from_guest, ETH_P_ARP);

	add(&f, arp, sizeof arp);
	return f;
}

static void send_frame(struct place *p, const struct frame *f, bool from_guest)
{
	struct {
		struct virtio_net_hdr head;
		uint8_t bytes[FRAME_MAX];
	} __attribute__((packed)) with_head = {0};

	memcpy(with_head.bytes, f->bytes, f->n);
	if (from_guest)
		CHECK_EQ(write(p->tap.fd, &with_head, sizeof with_head.head + f->n),
			 sizeof with_head.head + f->n);
	else
		CHECK_EQ(send(p->world, f->bytes, f->n, 0), f->n);
}

/* The next frame at an end, whoever sent it. */
static struct frame next_frame(struct place *p, bool at_guest)
{
	struct pollfd wait = {.fd = at_guest ? p->tap.fd : p->world, .events = POLLIN};
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

static bool is_same(const struct frame *a, const struct frame *b)
{
	return a->n == b->n && memcmp(a->bytes, b->bytes, a->n) == 0;
}

/* Whether @f comes out at the other end: before the marker that follows it. Whatever the host's
 * kernel sends by itself is not looked at. */
static bool passes(struct place *p, const struct frame *f, bool from_guest)
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

static bool leaves(struct place *p, const struct way *w)
{
	struct frame f = packet(w);

	return passes(p, &f, !w->arrives);
}

/* ---- Tests ---- */

TEST(only_what_the_list_has_leaves)
{
	static const struct {
		struct way way;
		bool leaves;
	} cases[] = {
		{{"10.1.2.3", IPPROTO_TCP, 4000, 443, SYN, false}, true},
		{{"10.1.2.255", IPPROTO_TCP, 4000, 443, ACK, false}, true},
		{{"10.1.2.3", IPPROTO_TCP, 4000, 442, SYN, false}, false},
		{{"10.1.2.3", IPPROTO_TCP, 443, 444, SYN, false}, false},
		{{"10.1.2.3", IPPROTO_TCP, 443, 444, ACK, false}, false},
		{{"10.1.2.3", IPPROTO_UDP, 4000, 443, 0, false}, false},
		{{"10.1.4.3", IPPROTO_TCP, 4000, 443, SYN, false}, false},
		{{"10.1.3.3", IPPROTO_UDP, 4000, 9, 0, false}, true},
		{{"10.1.3.3", IPPROTO_TCP, 4000, 9, SYN, false}, false},
		{{"10.9.8.7", IPPROTO_TCP, 4000, 1, SYN, false}, true},
		{{"10.9.8.7", IPPROTO_GRE, 0, 0, 0, false}, true},
		{{"10.1.2.3", IPPROTO_GRE, 0, 443, 0, false}, false},
		{{"8.8.8.8", IPPROTO_ICMP, 0x800, 0, 0, false}, false},
		{{"255.255.255.255", IPPROTO_UDP, 68, 67, 0, false}, false},
		{{"224.0.0.251", IPPROTO_UDP, 5353, 5353, 0, false}, false},
		{{"2001:db8::1", IPPROTO_TCP, 4000, 443, SYN, false}, true},
		{{"2001:db8::1", IPPROTO_TCP, 4000, 444, SYN, false}, true},
		{{"2001:db8::1", IPPROTO_TCP, 4000, 445, SYN, false}, false},
		{{"2001:db9::1", IPPROTO_TCP, 4000, 443, SYN, false}, false},
		{{"2001:db8:9::1", IPPROTO_UDP, 4000, 1, 0, false}, true},
		{{"::ffff:10.9.8.7", IPPROTO_TCP, 4000, 1, SYN, false}, false},
		{{"ff02::fb", IPPROTO_UDP, 5353, 5353, 0, false}, false},
	};
	struct place p;

	enter(&p);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (leaves(&p, &cases[i].way) != cases[i].leaves)
			test_fail(__FILE__, __LINE__, "case %zu", i);
	leave(&p);
}

/* A packet that would leave, changed. */
struct change {
	const char *what;
	size_t at;
	uint8_t to;
};

static void none_leaves(struct place *p, const struct way *w, const struct change *changes,
			size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct frame f = packet(w);

		f.bytes[changes[i].at] = changes[i].to;
		if (passes(p, &f, true))
			test_fail(__FILE__, __LINE__, "%s", changes[i].what);
	}
}

TEST(what_is_no_plain_packet_stays)
{
	static const struct way four = {"10.1.2.3", IPPROTO_TCP, 4000, 443, SYN, false};
	static const struct way six = {"2001:db8:9::1", IPPROTO_TCP, 4000, 443, SYN, false};
	static const struct change changes4[] = {
		{"options", IP, 0x46},
		{"a short header", IP, 0x44},
		{"another version", IP, 0x65},
		{"a piece without a header", IP + 7, 1},
		{"a late piece", IP + 6, 0x10},
		{"802.1Q", ETH_HLEN - 2, 0x81},
		{"IPv6 by name", ETH_HLEN - 1, 0x86},
	};
	static const struct change changes6[] = {
		{"hop-by-hop options", IP + 6, IPPROTO_HOPOPTS},
		{"a routing header", IP + 6, IPPROTO_ROUTING},
		{"options for the destination", IP + 6, IPPROTO_DSTOPTS},
		{"mobility", IP + 6, IPPROTO_MH},
	};
	struct place p;

	enter(&p);
	CHECK(leaves(&p, &four) && leaves(&p, &six));
	none_leaves(&p, &four, changes4, ARRAY_LEN(changes4));
	none_leaves(&p, &six, changes6, ARRAY_LEN(changes6));
	leave(&p);
}

TEST(a_piece_leaves_for_a_place_without_ports)
{
	static const struct way whole = {"10.9.8.7", IPPROTO_UDP, 1, 2, 0, false};
	static const struct way ports = {"2001:db8::1", IPPROTO_FRAGMENT, 4000, 443, 0, false};
	struct frame f = packet(&whole);
	struct place p;

	enter(&p);
	f.bytes[IP + 7] = 8;
	CHECK(passes(&p, &f, true));
	CHECK(!leaves(&p, &ports));
	leave(&p);
}

/* Each after an Ethernet header of its own type. */
TEST(what_is_not_of_ip_stays)
{
	static const uint16_t types[] = {ETH_P_8021Q, ETH_P_8021AD, ETH_P_MPLS_UC, ETH_P_PPP_SES,
					 ETH_P_LLDP,  ETH_P_802_2,  ETH_P_TEB,     60};
	static const struct way way = {"10.9.8.7", IPPROTO_TCP, 4000, 443, SYN, false};
	struct place p;

	enter(&p);
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		struct frame inner = packet(&way), f = ethernet(true, types[i]);
		const uint8_t tag[] = {0, 5, ETH_P_IP >> 8, ETH_P_IP & 0xff};

		/* As behind a VLAN's tag. */
		add(&f, tag, sizeof tag);
		add(&f, inner.bytes + ETH_HLEN, inner.n - ETH_HLEN);
		if (passes(&p, &f, true))
			test_fail(__FILE__, __LINE__, "type %#x", types[i]);
	}
	leave(&p);
}

TEST(arp_carries_nothing)
{
	struct frame f = marker(true);
	const uint8_t more[32] = {0};
	struct place p;

	enter(&p);
	f.bytes[ETH_HLEN + 27] = 9;
	CHECK(passes(&p, &f, true));
	add(&f, more, ETH_ZLEN - f.n);
	CHECK(passes(&p, &f, true));
	add(&f, more, 1);
	CHECK(!passes(&p, &f, true));
	f = marker(true);
	f.bytes[ETH_HLEN + 3] = 6;
	CHECK(!passes(&p, &f, true));
	leave(&p);
}

static struct frame discovery(const char *peer, uint8_t type, uint8_t hops, bool arrives)
{
	const struct way w = {peer, IPPROTO_ICMPV6, 0, 0, 0, arrives};
	struct frame f = packet(&w);

	memset(f.bytes + IP6_NEXT, 0, 20);
	f.bytes[IP6_NEXT] = type;
	f.bytes[IP + 7] = hops;
	return f;
}

TEST(neighbour_discovery_stays_on_the_link)
{
	struct frame f;
	struct place p;

	enter(&p);
	f = discovery("ff02::1:ff00:1", 135, 255, false);
	CHECK(passes(&p, &f, true));
	f = discovery("ff02::1:ff00:1", 135, 64, false);
	CHECK(!passes(&p, &f, true));
	f = discovery("fe80::1", 136, 255, false);
	CHECK(passes(&p, &f, true));
	f = discovery("ff02::1", 134, 255, false); /* an advertisement of a router */
	CHECK(!passes(&p, &f, true));
	f = discovery("fe80::1", 137, 255, false); /* a redirection */
	CHECK(!passes(&p, &f, true));
	f = discovery("2001:dead::1", 136, 255, false);
	CHECK(!passes(&p, &f, true));
	/* Who is far away cannot look as if he were near. */
	f = discovery("2001:dead::1", 135, 254, true);
	CHECK(passes(&p, &f, false));
	f = discovery("2001:dead::1", 136, 255, false);
	CHECK(!passes(&p, &f, true));
	f = discovery("2001:dead::1", 135, 255, true);
	CHECK(passes(&p, &f, false));
	f = discovery("2001:dead::1", 136, 255, false);
	CHECK(passes(&p, &f, true));
	f.bytes[IP + 5] = 48;
	CHECK(!passes(&p, &f, true));
	leave(&p);
}

static void answers_only_who_spoke(struct place *p, const char *peer, uint8_t protocol)
{
	struct way in = {peer, protocol, 80, 5000, SYN, true};
	struct way out = {peer, protocol, 80, 5000, SYN | ACK, false};

	CHECK(!leaves(p, &out));
	CHECK(leaves(p, &in));
	CHECK(leaves(p, &out));
	out.peer_port++;
	CHECK(!leaves(p, &out));
	out.peer_port--;
	out.guest_port++;
	CHECK(!leaves(p, &out));
	out.guest_port--;
	out.protocol = protocol == IPPROTO_TCP ? IPPROTO_UDP : IPPROTO_TCP;
	CHECK(!leaves(p, &out));
}

TEST(who_spoke_to_the_guest_is_answered)
{
	struct place p;

	enter(&p);
	answers_only_who_spoke(&p, "10.5.5.5", IPPROTO_TCP);
	answers_only_who_spoke(&p, "10.5.5.6", IPPROTO_UDP);
	answers_only_who_spoke(&p, "2001:dead::1", IPPROTO_TCP);
	answers_only_who_spoke(&p, "2001:dead::2", IPPROTO_UDP);
	leave(&p);
}

/* Only the begin of a connection opens the way: the answer to what was refused does not. */
TEST(what_begins_no_connection_is_not_remembered)
{
	static const uint8_t flags[] = {ACK, SYN | ACK, RST, FIN | ACK, 0};
	struct place p;

	enter(&p);
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		struct way in = {"10.5.5.5", IPPROTO_TCP, 80, 5000, flags[i], true};
		struct way out = {"10.5.5.5", IPPROTO_TCP, 80, 5000, ACK, false};

		CHECK(leaves(&p, &in));
		CHECK(!leaves(&p, &out));
	}
	leave(&p);
}

TEST(a_connection_that_was_begun_goes_on_until_it_is_closed_and_its_last_words_are_said)
{
	struct way in = {"10.5.5.5", IPPROTO_TCP, 80, 5000, SYN, true};
	struct way out = {"10.5.5.5", IPPROTO_TCP, 80, 5000, ACK, false};
	struct place p;

	enter(&p);
	CHECK(leaves(&p, &in));
	in.flags = ACK;
	CHECK(leaves(&p, &in) && leaves(&p, &out));
	in.flags = FIN | ACK;
	CHECK(leaves(&p, &in) && leaves(&p, &out));
	in.flags = ACK;
	CHECK(leaves(&p, &in) && leaves(&p, &out));
	leave(&p);
}

TEST(an_echo_is_answered)
{
	struct way request = {"10.5.5.5", IPPROTO_ICMP, 0x0800, 0, 0, true};
	struct way reply = {"10.5.5.5", IPPROTO_ICMP, 0, 0, 0, false};
	struct frame asked, answered;
	struct place p;

	enter(&p);
	asked = packet(&request);
	answered = packet(&reply);
	memset(asked.bytes + TRANSPORT, 0, 20);
	memset(answered.bytes + TRANSPORT, 0, 20);
	asked.bytes[TRANSPORT] = 8;
	asked.bytes[TRANSPORT + 5] = answered.bytes[TRANSPORT + 5] = 7;
	CHECK(!passes(&p, &answered, true));
	CHECK(passes(&p, &asked, false));
	CHECK(passes(&p, &answered, true));
	answered.bytes[TRANSPORT + 5] = 8;
	CHECK(!passes(&p, &answered, true));
	leave(&p);
}

/* The next frame that the guest gets, while the watch does its work. */
static struct frame next_for_guest(struct place *p)
{
	struct pollfd wait[] = {
		{.fd = egress_watch_fd(p->watch), .events = POLLIN},
		{.fd = p->tap.fd, .events = POLLIN},
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

/* The answer to the guest's next refused packet. */
static struct frame told(struct place *p, const struct way *w)
{
	struct frame f = packet(w), got;
	const uint8_t guest[] = {GUEST_MAC};

	send_frame(p, &f, true);
	do
		got = next_for_guest(p);
	while (memcmp(got.bytes, guest, sizeof guest) != 0);
	return got;
}

TEST(the_guest_is_told_at_once)
{
	static const struct way tcp = {"8.8.8.8", IPPROTO_TCP, 4000, 443, SYN, false};
	static const struct way tcp6 = {"2001:dead::1", IPPROTO_TCP, 4000, 443, SYN, false};
	static const struct way ping = {"8.8.8.8", IPPROTO_GRE, 0, 0, 0, false};
	struct frame got;
	struct place p;

	enter(&p);
	got = told(&p, &tcp);
	CHECK_EQ(got.bytes[IP + 9], IPPROTO_TCP);
	CHECK(got.bytes[TRANSPORT + 13] & RST);
	got = told(&p, &tcp6);
	CHECK_EQ(got.bytes[IP + 6], IPPROTO_TCP);
	CHECK(got.bytes[IP6_NEXT + 13] & RST);
	got = told(&p, &ping);
	CHECK_EQ(got.bytes[IP + 9], IPPROTO_ICMP);
	CHECK_EQ(got.bytes[TRANSPORT], 3);
	CHECK_EQ(got.bytes[TRANSPORT + 1], 13);
	CHECK_EQ(refused(&p), 3);
	leave(&p);
}

TEST(what_the_guests_kernel_says_by_itself_is_neither_counted_nor_passed)
{
	struct way igmp = {"224.0.0.22", IPPROTO_IGMP, 0, 0, 0, false};
	struct way mld = {"ff02::16", IPPROTO_HOPOPTS, 0, 0, 0, false};
	struct place p;

	enter(&p);
	CHECK(!leaves(&p, &igmp));
	CHECK(!leaves(&p, &mld));
	CHECK_EQ(refused(&p), 0);
	leave(&p);
}

TEST(a_policy_of_as_many_lines_as_there_may_be_is_put_into_force)
{
	static const char *many[EGRESS_RULES_MAX];
	struct place p;

	enter(&p);
	network_tap_close(p.n, p.link, &p.tap);
	egress_watch_close(take_ptr(p.watch));
	egress_close(take_ptr(p.n->egress));
	network_facts_fini(&p.f);
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = i % 2 ? "2001:db8::/32 tcp 443-444" : "10.1.2.0/24 udp 5-6";
	restrict_to(&p, many, ARRAY_LEN(many));
	open_tap(&p);
	leave(&p);
}

TEST(a_namespace_has_one_policy_and_an_interface_one_machine)
{
	struct network_tap second = NETWORK_TAP_NONE;
	struct egress_policy *policy = NULL;
	struct network *other = NULL;
	const char *line = "none";
	struct place p;

	enter(&p);
	CHECK_EQ(egress_policy_read(&line, 1, &policy, NULL), 0);
	CHECK_EQ(network_open(p.ns_fd, &other, NULL), 0);
	CHECK_EQ(network_restrict(other, policy, NULL), -EEXIST);
	for (size_t i = 0; i < p.f.n_links; i++)
		if (p.f.links[i].index == p.link)
			CHECK_EQ(network_tap_open(other, &p.f.links[i], &no_limits, &second, NULL),
				 -EEXIST);
	/* What was refused has changed nothing. */
	CHECK(leaves(&p, &(struct way){"10.1.2.3", IPPROTO_TCP, 4000, 443, SYN, false}));
	network_close(other);
	egress_policy_free(policy);
	leave(&p);
}

TEST(what_a_dead_process_has_left_is_removed_and_the_next_begins_anew)
{
	struct network *next = NULL;
	struct err e = {0};
	struct place p;

	enter(&p);
	/* As after its end: the descriptors are closed, the rules are there. */
	p.tap.fd = fd_close(p.tap.fd);
	CHECK_EQ(network_open(p.ns_fd, &next, NULL), 0);
	CHECK_EQ(network_clean(next, &e), 0);
	network_close(next);
	egress_watch_close(take_ptr(p.watch));
	egress_close(take_ptr(p.n->egress));
	network_facts_fini(&p.f);
	restrict_to(&p, lines, ARRAY_LEN(lines));
	open_tap(&p);
	leave(&p);
}

/* ---- Names ---- */

/* A question, or the answer that the name has this address. Of the name "a.b". */
static struct frame about_name(uint16_t id, uint16_t port, uint8_t last, bool is_answer)
{
	const struct way w = {SERVER, IPPROTO_UDP, port, 53, 0, is_answer};
	const uint8_t head[] = {(uint8_t) (id >> 8),
				(uint8_t) id,
				is_answer ? 0x81 : 1,
				0,
				0,
				1,
				0,
				is_answer,
				0,
				0,
				0,
				0};
	const uint8_t question[] = {1, 'a', 1, 'b', 0, 0, 1, 0, 1};
	const uint8_t record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, 10, 6, 6, last};
	struct frame f = packet(&w);

	f.n = TRANSPORT + 8;
	memset(f.bytes + TRANSPORT + 4, 0, 4);
	add(&f, head, sizeof head);
	add(&f, question, sizeof question);
	if (is_answer)
		add(&f, record, sizeof record);
	f.bytes[IP + 3] = (uint8_t) (f.n - IP);
	f.bytes[TRANSPORT + 5] = (uint8_t) (f.n - TRANSPORT);
	return f;
}

/* Until the guest gets this answer of the server's. */
static bool is_delivered(struct place *p, const struct frame *f)
{
	send_frame(p, f, false);
	for (;;) {
		struct frame got = next_for_guest(p);

		/* But for the checksum, which was missing. */
		memset(got.bytes + TRANSPORT + 6, 0, 2);
		if (is_same(&got, f))
			return true;
	}
}

static bool reaches(struct place *p, uint8_t last)
{
	char peer[] = "10.6.6.0";

	peer[7] = (char) ('0' + last);
	return leaves(p, &(struct way){peer, IPPROTO_TCP, 4000, 443, SYN, false});
}

TEST(an_address_is_allowed_once_its_name_was_asked_for_and_told)
{
	static const char *const names[] = {"a.b tcp 443"};
	struct frame question = about_name(7, 3000, 0, false);
	struct frame answer = about_name(7, 3000, 5, true);
	struct place p;

	enter_with(&p, names, ARRAY_LEN(names));
	CHECK(!reaches(&p, 5));
	/* It was not asked: it passes, and tells nothing. */
	CHECK(passes(&p, &answer, false));
	CHECK(!reaches(&p, 5));
	CHECK(passes(&p, &question, true));
	CHECK(is_delivered(&p, &answer));
	CHECK(reaches(&p, 5));
	CHECK(!reaches(&p, 6));
	CHECK(egress_watch_expire(p.watch) > 0);
	leave(&p);
}

TEST(an_answer_to_another_question_opens_nothing)
{
	static const char *const names[] = {"a.b tcp 443"};
	struct frame question = about_name(7, 3000, 0, false);
	struct frame right = about_name(7, 3000, 5, true), wrong = about_name(8, 3000, 6, true);
	struct frame again = about_name(7, 3000, 8, true);
	struct place p;

	enter_with(&p, names, ARRAY_LEN(names));
	CHECK(passes(&p, &question, true));
	CHECK(is_delivered(&p, &wrong));
	CHECK(!reaches(&p, 6));
	CHECK(is_delivered(&p, &right));
	CHECK(reaches(&p, 5));
	/* Each question has one answer. */
	CHECK(is_delivered(&p, &again));
	CHECK(!reaches(&p, 8));
	leave(&p);
}
