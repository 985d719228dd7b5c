#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <sys/ioctl.h>

#include "host/egress/policy.h"
#include "host/network/tap.h"

#include "messages.h"

#define PACKET_BYTES 40
#define TIMEOUT_MS   10000

/* A namespace with an interface without Ethernet, whose other end is @tun_fd, and the tap that the
 * guest would have. */
struct place {
	int ns_fd, tun_fd;
	struct network *n;
	struct network_facts f;
	struct network_link link;
	struct network_tap tap;
};

static int make_tun(void *arg, struct err *e)
{
	struct place *p = arg;
	struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI, .ifr_name = "tun0"};

	p->tun_fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (p->tun_fd < 0 || ioctl(p->tun_fd, TUNSETIFF, &request) < 0)
		return err_sys(e, errno, "make tun0");
	return 0;
}

static void bring_up(struct place *p, int index)
{
	const struct ifinfomsg head = {
		.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	struct nl_request q;

	nl_begin(&q, RTM_NEWLINK, 0, &head, sizeof head);
	CHECK_EQ(nl_ask(p->n->sock, &q, NULL), 0);
}

static const struct network_link *find(const struct network_facts *f, const char *name)
{
	for (size_t i = 0; i < f->n_links; i++)
		if (strcmp(f->links[i].name, name) == 0)
			return &f->links[i];
	return NULL;
}

static void enter(struct place *p)
{
	*p = (struct place){.ns_fd = -1, .tun_fd = -1};
	if (geteuid() != 0 || access("/dev/net/tun", R_OK | W_OK) < 0)
		_exit(TEST_SKIP);
	CHECK_EQ(network_namespace_new(&p->ns_fd, NULL), 0);
	CHECK_EQ(network_open(p->ns_fd, &p->n, NULL), 0);
	CHECK_EQ(namespace_visit(p->ns_fd, make_tun, p, NULL), 0);
	CHECK_EQ(network_scan(p->n, &p->f, NULL), 0);

	const struct network_link *tun = find(&p->f, "tun0");

	CHECK(tun && tun->carries_packets && tun->has_mac);
	p->link = *tun;
	bring_up(p, tun->index);
}

static void leave(struct place *p)
{
	network_tap_close(p->n, p->link.index, &p->tap);
	network_facts_fini(&p->f);
	network_close(p->n);
	fd_close(p->tun_fd);
	fd_close(p->ns_fd);
}

static void connect_tap(struct place *p)
{
	const struct network_rates no_limits = {0};
	struct err e = {0};

	if (network_tap_open(p->n, &p->link, &no_limits, 1, &p->tap, &e) == 0)
		return;
	if (e.code == EPERM || e.code == ENOSYS) {
		puts(e.text);
		_exit(TEST_SKIP);
	}
	test_fail(__FILE__, __LINE__, "%s", e.text);
}

/* A packet of IP that begins with this byte; of what is in it nobody asks here. */
static void fill(uint8_t packet[PACKET_BYTES], uint8_t first)
{
	for (size_t i = 0; i < PACKET_BYTES; i++)
		packet[i] = (uint8_t) i;
	packet[0] = first;
}

static ssize_t next(int fd, uint8_t *buf, size_t bytes)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	CHECK_EQ(poll(&p, 1, TIMEOUT_MS), 1);
	return read(fd, buf, bytes);
}

/* Which of the guest's packets leaves next, by its first byte; the namespace's own kernel speaks
 * there, too. */
static uint8_t next_to_leave(struct place *p)
{
	uint8_t got[256] = {0}, ours[PACKET_BYTES];
	ssize_t n;

	fill(ours, 0);
	do
		n = next(p->tun_fd, got, sizeof got);
	while (n != PACKET_BYTES || memcmp(got + 1, ours + 1, sizeof ours - 1) != 0);
	return got[0];
}

/* Where there are heads, the tap has one of its own before each frame. */
static size_t before_frame(const struct place *p)
{
	return p->link.has_blank_heads ? sizeof(struct virtio_net_hdr) : 0;
}

/* What the guest sends. */
static void send_frame(struct place *p, uint16_t protocol, const uint8_t packet[PACKET_BYTES])
{
	uint8_t all[sizeof(struct virtio_net_hdr) + ETH_HLEN + PACKET_BYTES] = {0};
	struct ethhdr ether = {.h_proto = htons(protocol)};
	size_t at = before_frame(p), bytes = at + ETH_HLEN + PACKET_BYTES;

	memcpy(ether.h_dest, p->link.mac, ETH_ALEN);
	memcpy(ether.h_source, p->link.mac, ETH_ALEN);
	memcpy(all + at, &ether, ETH_HLEN);
	memcpy(all + at + ETH_HLEN, packet, PACKET_BYTES);
	CHECK_EQ(write(p->tap.fds[0], all, bytes), bytes);
}

static void check_wrapped(struct place *p, uint16_t protocol, uint8_t first)
{
	uint8_t sent[PACKET_BYTES], got[256];
	struct ethhdr ether;
	fill(sent, first);
	CHECK_EQ(write(p->tun_fd, sent, sizeof sent), sizeof sent);
	CHECK_EQ(next(p->tap.fds[0], got, sizeof got), sizeof ether + sizeof sent);
	memcpy(&ether, got, sizeof ether);
	CHECK_EQ(ntohs(ether.h_proto), protocol);
	CHECK(memcmp(ether.h_dest, p->link.mac, ETH_ALEN) == 0);
	CHECK(memcmp(ether.h_source, p->link.mac, ETH_ALEN) == 0);
	CHECK(memcmp(got + sizeof ether, sent, sizeof sent) == 0);
}

TEST(a_packet_that_arrives_is_a_frame_for_the_guest)
{
	struct place p;

	enter(&p);
	connect_tap(&p);
	check_wrapped(&p, ETH_P_IP, 0x45);
	check_wrapped(&p, ETH_P_IPV6, 0x60);
	leave(&p);
}

TEST(of_a_frame_that_the_guest_sends_the_packet_leaves)
{
	uint8_t packet[PACKET_BYTES];
	struct place p;

	enter(&p);
	connect_tap(&p);
	/* Whatever else the guest sends does not: what comes first is the packet after it. */
	fill(packet, 0x00);
	send_frame(&p, ETH_P_ARP, packet);
	send_frame(&p, ETH_P_8021Q, packet);
	send_frame(&p, ETH_P_LOOP, packet);
	fill(packet, 0x60);
	send_frame(&p, ETH_P_IPV6, packet);
	CHECK_EQ(next_to_leave(&p), 0x60);
	fill(packet, 0x45);
	send_frame(&p, ETH_P_IP, packet);
	CHECK_EQ(next_to_leave(&p), 0x45);
	leave(&p);
}

/* ---- Heads without addresses: a pair of veth stands for a pair of netkit, which not every kernel
 * has. ---- */

/* The other end of the pair, in the same namespace: @fd is to be had there. */
struct pair {
	int index, fd;
};

static int make_pair(void *arg, struct err *e)
{
	static const struct ifinfomsg head;
	struct pair *pair = arg;
	int sock = nl_open(NETLINK_ROUTE, e);
	struct nl_request q;

	nl_begin(&q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof head);
	nl_put_string(&q, IFLA_IFNAME, "eth0");

	size_t info = nl_nest(&q, IFLA_LINKINFO);

	nl_put_string(&q, IFLA_INFO_KIND, "veth");
	nl_nest_end(&q, info);

	int r = nl_ask(sock, &q, e);

	fd_close(sock);
	pair->fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL));
	return r;
}

static void connect_pair(struct place *p, struct pair *pair)
{
	CHECK_EQ(namespace_visit(p->ns_fd, make_pair, pair, NULL), 0);
	network_facts_fini(&p->f);
	CHECK_EQ(network_scan(p->n, &p->f, NULL), 0);

	const struct network_link *here = find(&p->f, "eth0"), *there = find(&p->f, "veth0");

	CHECK(here && there);
	pair->index = there->index;
	p->link = *here;
	p->link.carries_packets = p->link.has_blank_heads = true;
	memset(p->link.mac, 0x06, sizeof p->link.mac);
	bring_up(p, here->index);
	bring_up(p, there->index);

	const struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = there->index,
	};

	CHECK_EQ(bind(pair->fd, (const struct sockaddr *) &at, sizeof at), 0);
	connect_tap(p);
}

/* The next frame with the packet of fill(); @skip: what is before each. */
static void next_frame(int fd, size_t skip, uint8_t ret_head[ETH_HLEN])
{
	uint8_t got[256], ours[PACKET_BYTES];
	ssize_t n;

	fill(ours, 0);
	do
		n = next(fd, got, sizeof got);
	while (n != (ssize_t) (skip + ETH_HLEN + PACKET_BYTES) ||
	       memcmp(got + skip + ETH_HLEN + 1, ours + 1, sizeof ours - 1) != 0);
	memcpy(ret_head, got + skip, ETH_HLEN);
}

TEST(a_guest_is_told_no_larger_packets_than_can_be_wrapped)
{
	uint8_t sent[15999], got[sizeof sent + 256];
	struct nl_request q;
	struct place p;

	enter(&p);

	const struct ifinfomsg head = {.ifi_index = p.link.index};

	nl_begin(&q, RTM_NEWLINK, 0, &head, sizeof head);
	nl_put_u32(&q, IFLA_MTU, 65000);
	CHECK_EQ(nl_ask(p.n->sock, &q, NULL), 0);
	p.link.mtu = 65000;
	connect_tap(&p);
	CHECK(p.tap.mtu < 65000 && p.tap.mtu >= sizeof sent);
	memset(sent, 7, sizeof sent);
	sent[0] = 0x45;
	CHECK_EQ(write(p.tun_fd, sent, sizeof sent), sizeof sent);
	CHECK_EQ(next(p.tap.fds[0], got, sizeof got), ETH_HLEN + sizeof sent);
	leave(&p);
}

TEST(addresses_are_put_into_blank_heads_and_taken_out)
{
	struct {
		struct ethhdr ether;
		uint8_t packet[PACKET_BYTES];
	} __attribute__((packed)) blank = {.ether.h_proto = htons(ETH_P_IPV6)};
	uint8_t head[ETH_HLEN], packet[PACKET_BYTES];
	struct pair pair;
	struct place p;

	enter(&p);
	connect_pair(&p, &pair);
	fill(blank.packet, 0x60);
	CHECK_EQ(send(pair.fd, &blank, sizeof blank, 0), sizeof blank);
	next_frame(p.tap.fds[0], before_frame(&p), head);
	CHECK(memcmp(head, p.link.mac, ETH_ALEN) == 0);
	CHECK(memcmp(head + ETH_ALEN, p.link.mac, ETH_ALEN) == 0);
	CHECK(head[12] == 0x86 && head[13] == 0xdd);

	fill(packet, 0x00);
	send_frame(&p, ETH_P_ARP, packet);
	fill(packet, 0x45);
	send_frame(&p, ETH_P_IP, packet);
	do /* what was sent above is seen on its way out, too */
		next_frame(pair.fd, 0, head);
	while (head[12] == 0x86);
	CHECK(head[12] == 0x08 && head[13] == 0x00);
	CHECK(memcmp(head, &blank, 2 * ETH_ALEN) == 0);
	fd_close(pair.fd);
	leave(&p);
}

TEST(an_interface_without_ethernet_is_connected_once_and_given_back)
{
	const struct network_rates no_limits = {0};
	struct network_tap other = {0};
	struct place p;

	enter(&p);
	connect_tap(&p);
	CHECK_EQ(network_tap_open(p.n, &p.link, &no_limits, 1, &other, NULL), -EEXIST);
	network_tap_close(p.n, p.link.index, &p.tap);
	connect_tap(&p);
	leave(&p);
}

TEST(what_a_dead_process_has_left_at_an_interface_without_ethernet_is_removed)
{
	struct place p;

	enter(&p);
	connect_tap(&p);
	CHECK_EQ(network_clean(p.n, NULL), 0);
	tap_release(&p.tap);
	p.tap = (struct network_tap){0};
	connect_tap(&p);
	leave(&p);
}

TEST(with_an_egress_policy_there_is_no_way_around_it_without_ethernet)
{
	static const char *const allow[] = {"10.0.0.0/8"};
	const struct network_rates no_limits = {0};
	struct egress_policy *policy = NULL;
	struct network_facts after = {0};
	struct err e = {0};
	struct place p;

	enter(&p);
	CHECK_EQ(egress_policy_read(allow, 1, &policy, NULL), 0);

	int r = network_restrict(p.n, policy, NULL);

	if (r == -EOPNOTSUPP || r == -ENOENT)
		_exit(TEST_SKIP);
	CHECK_EQ(r, 0);
	CHECK_EQ(network_tap_open(p.n, &p.link, &no_limits, 1, &p.tap, &e), -EOPNOTSUPP);
	CHECK(strstr(e.text, "tun0") && strstr(e.text, "egress policy"));
	CHECK_EQ(network_scan(p.n, &after, NULL), 0);
	CHECK_EQ(after.n_links, p.f.n_links);
	network_facts_fini(&after);
	egress_policy_free(policy);
	leave(&p);
}
