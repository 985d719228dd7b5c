#include <linux/ipv6.h>

#include "messages.h"

static void put_ip4(struct nl_request *q, uint16_t type, const char *text)
{
	struct in_addr a;

	CHECK_EQ(inet_pton(AF_INET, text, &a), 1);
	nl_put(q, type, &a, sizeof a);
}

TEST(a_link_is_what_its_message_says)
{
	struct network_facts f = {0};
	struct nl_request q;

	begin_link(&q, 7, "eth0");
	nl_put_u32(&q, IFLA_MASTER, 3);

	size_t info = nl_nest(&q, IFLA_LINKINFO);

	nl_put_string(&q, IFLA_INFO_KIND, "veth");
	nl_nest_end(&q, info);
	CHECK_EQ(parse(&q, sizeof(struct ifinfomsg), &f), 0);
	CHECK_EQ(f.n_links, 1);
	CHECK_EQ(f.links[0].index, 7);
	CHECK_EQ(f.links[0].master, 3);
	CHECK_EQ(f.links[0].mtu, 1500);
	CHECK_EQ(f.links[0].mac[5], 7);
	CHECK_STR(f.links[0].name, "eth0");
	CHECK_STR(f.links[0].kind, "veth");
	network_facts_fini(&f);
}

static void check_packets(int index, uint16_t type, bool carries)
{
	const struct ifinfomsg head = {.ifi_type = type, .ifi_index = index};
	const uint8_t mac[NETWORK_MAC_BYTES] = {2, 'k', 0, 0, 1, 4}; /* of 260 */
	struct network_facts f = {0};
	struct nl_request q;

	nl_begin(&q, RTM_NEWLINK, 0, &head, sizeof head);
	nl_put_string(&q, IFLA_IFNAME, "tun0");
	put_ip4(&q, IFLA_ADDRESS, "10.1.2.3"); /* as a tunnel of IP has it */
	CHECK_EQ(parse(&q, sizeof(struct ifinfomsg), &f), 0);
	CHECK_EQ(f.links[0].carries_packets, carries);
	CHECK_EQ(f.links[0].has_mac, carries);
	CHECK(!carries || memcmp(f.links[0].mac, mac, sizeof mac) == 0);
	CHECK(!f.links[0].is_apart);
	network_facts_fini(&f);
}

TEST(an_interface_of_packets_is_given_a_hardware_address)
{
	check_packets(260, ARPHRD_NONE, true);
	check_packets(260, ARPHRD_TUNNEL, true);
	check_packets(260, ARPHRD_SIT, true);
	check_packets(260, ARPHRD_IPGRE, false);
	check_packets(260, ARPHRD_INFINIBAND, false);
}

static void check_blank(uint32_t flags, uint8_t last, bool blank)
{
	const struct ifinfomsg head = {
		.ifi_type = ARPHRD_ETHER, .ifi_index = 5, .ifi_flags = flags};
	const uint8_t mac[NETWORK_MAC_BYTES] = {[5] = last};
	struct network_facts f = {0};
	struct nl_request q;

	nl_begin(&q, RTM_NEWLINK, 0, &head, sizeof head);
	nl_put_string(&q, IFLA_IFNAME, "eth0");
	nl_put(&q, IFLA_ADDRESS, mac, sizeof mac);
	CHECK_EQ(parse(&q, sizeof(struct ifinfomsg), &f), 0);
	CHECK_EQ(f.links[0].has_blank_heads, blank);
	CHECK_EQ(f.links[0].carries_packets, blank);
	CHECK_EQ(f.links[0].mac[0], blank ? 2 : 0);
	network_facts_fini(&f);
}

TEST(heads_are_blank_where_nobody_has_an_address)
{
	check_blank(IFF_UP | IFF_NOARP, 0, true);
	check_blank(IFF_UP | IFF_NOARP, 1, false); /* an ipvlan, which has its master's */
	check_blank(IFF_UP, 0, false);
}

TEST(an_interface_that_was_made_in_another_namespace_is_known)
{
	struct network_facts f = {0};
	struct nl_request q;

	begin_link(&q, 7, "vxlan0");
	nl_put_u32(&q, IFLA_LINK, 3);
	nl_put_u32(&q, IFLA_LINK_NETNSID, 0);
	CHECK_EQ(parse(&q, sizeof(struct ifinfomsg), &f), 0);
	CHECK(f.links[0].is_apart);
	CHECK_EQ(f.links[0].lower, 0);
	network_facts_fini(&f);
}

/* A link of that kind, with @bytes of what a VRF has as its table. */
static int add_vrf(struct network_facts *f, const char *kind, const void *table, size_t bytes)
{
	struct nl_request q;

	begin_link(&q, 7, "red");

	size_t info = nl_nest(&q, IFLA_LINKINFO);

	nl_put_string(&q, IFLA_INFO_KIND, kind);

	size_t data = nl_nest(&q, IFLA_INFO_DATA);

	nl_put(&q, IFLA_VRF_TABLE, table, bytes);
	nl_nest_end(&q, data);
	nl_nest_end(&q, info);
	return parse(&q, sizeof(struct ifinfomsg), f);
}

TEST(a_vrf_has_a_table_and_other_kinds_have_not)
{
	const uint32_t table = 1001;
	struct network_facts f = {0};

	CHECK_EQ(add_vrf(&f, "vrf", &table, sizeof table), 0);
	CHECK_EQ(f.links[0].vrf_table, 1001);
	/* Of a bridge the first number is something else, of any size. */
	CHECK_EQ(add_vrf(&f, "bridge", &table, 2), 0);
	CHECK_EQ(f.links[1].vrf_table, 0);
	CHECK_EQ(add_vrf(&f, "vrf", &table, 2), -EPROTO);
	CHECK_EQ(f.n_links, 2);
	network_facts_fini(&f);
}

/* A link whose kernel tells of @n settings of IPv6. */
static const struct network_link *add_ipv6(struct network_facts *f, const int32_t *settings,
					   size_t n)
{
	struct nl_request q;

	begin_link(&q, 7, "eth0");

	size_t families = nl_nest(&q, IFLA_AF_SPEC);
	size_t inet6 = nl_nest(&q, AF_INET6);

	nl_put(&q, IFLA_INET6_CONF, settings, n * sizeof settings[0]);
	nl_nest_end(&q, inet6);
	nl_nest_end(&q, families);
	CHECK_EQ(parse(&q, sizeof(struct ifinfomsg), f), 0);
	return &f->links[f->n_links - 1];
}

TEST(what_of_ipv6_is_off_is_found)
{
	int32_t s[DEVCONF_MAX] = {[DEVCONF_ACCEPT_RA] = 1, [DEVCONF_AUTOCONF] = 1};
	struct network_facts f = {0};
	const struct network_link *l = add_ipv6(&f, s, DEVCONF_MAX);

	CHECK(!l->no_ipv6 && !l->no_routers && !l->no_autoconf);
	s[DEVCONF_FORWARDING] = 1;
	CHECK(add_ipv6(&f, s, DEVCONF_MAX)->no_routers);
	s[DEVCONF_ACCEPT_RA] = 2;
	CHECK(!add_ipv6(&f, s, DEVCONF_MAX)->no_routers);
	s[DEVCONF_DISABLE_IPV6] = 1;
	s[DEVCONF_AUTOCONF] = 0;
	l = add_ipv6(&f, s, DEVCONF_MAX);
	CHECK(l->no_ipv6 && !l->no_routers && l->no_autoconf);
	/* An older kernel has fewer, and what it does not tell is not off. */
	CHECK(!add_ipv6(&f, s, DEVCONF_DISABLE_IPV6)->no_ipv6);
	network_facts_fini(&f);
}

/* Whether a link of that MTU is taken to have no IPv6, of which its kernel tells nothing, while it
 * does of IPv4. */
static bool lacks_ipv6(uint32_t mtu)
{
	struct network_facts f = {0};
	struct nl_request q;

	begin_link(&q, 7, "eth0");
	nl_put_u32(&q, IFLA_MTU, mtu);

	size_t families = nl_nest(&q, IFLA_AF_SPEC);

	nl_put_u32(&q, AF_INET, 0);
	nl_nest_end(&q, families);
	CHECK_EQ(parse(&q, sizeof(struct ifinfomsg), &f), 0);

	bool lacks = f.links[0].no_ipv6;

	network_facts_fini(&f);
	return lacks;
}

TEST(a_kernel_without_ipv6_is_told_from_a_small_mtu)
{
	CHECK(lacks_ipv6(1500));
	CHECK(lacks_ipv6(1280));
	CHECK(!lacks_ipv6(1279));
}

TEST(a_name_is_as_long_as_the_kernel_allows)
{
	struct network_facts f = {0};

	CHECK_EQ(add_link(&f, 1, "fifteen-bytes-x"), 0);
	CHECK_STR(f.links[0].name, "fifteen-bytes-x");
	CHECK_EQ(add_link(&f, 2, "sixteen-bytes-xx"), -EPROTO);
	CHECK_EQ(add_link(&f, 3, ""), -EPROTO);
	network_facts_fini(&f);
}

TEST(a_name_that_does_not_end_is_refused)
{
	const struct ifinfomsg head = {.ifi_index = 1};
	struct network_facts f = {0};
	struct nl_request q;

	nl_begin(&q, RTM_NEWLINK, 0, &head, sizeof head);
	nl_put(&q, IFLA_IFNAME, "eth0", 4);
	CHECK_EQ(parse(&q, sizeof head, &f), -EPROTO);
	network_facts_fini(&f);
}

TEST(an_attribute_of_another_size_is_refused)
{
	struct network_facts f = {0};
	struct nl_request q;

	begin_link(&q, 1, "eth0");
	nl_put(&q, IFLA_MTU, "\1\2", 2);
	CHECK_EQ(parse(&q, sizeof(struct ifinfomsg), &f), -EPROTO);
	CHECK_EQ(f.n_links, 0);
	network_facts_fini(&f);
}

TEST(a_hardware_address_of_another_size_is_none)
{
	const struct ifinfomsg head = {.ifi_index = 1, .ifi_type = ARPHRD_INFINIBAND};
	static const uint8_t mac[20];
	struct network_facts f = {0};
	struct nl_request q;

	nl_begin(&q, RTM_NEWLINK, 0, &head, sizeof head);
	nl_put_string(&q, IFLA_IFNAME, "ib0");
	nl_put(&q, IFLA_ADDRESS, mac, sizeof mac);
	CHECK_EQ(parse(&q, sizeof head, &f), 0);
	CHECK(!f.links[0].has_mac);
	network_facts_fini(&f);
}

TEST(of_a_point_to_point_link_the_near_end_is_the_address)
{
	const struct ifaddrmsg head = {
		.ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = 2, .ifa_flags = 1};
	struct network_facts f = {0};
	struct nl_request q;

	nl_begin(&q, RTM_NEWADDR, 0, &head, sizeof head);
	put_ip4(&q, IFA_ADDRESS, "10.0.0.1");
	put_ip4(&q, IFA_LOCAL, "10.0.0.2");
	nl_put_u32(&q, IFA_FLAGS, IFA_F_PERMANENT | IFA_F_NOPREFIXROUTE);
	CHECK_EQ(parse(&q, sizeof head, &f), 0);
	CHECK_EQ(f.addresses[0].ip.bytes[3], 2);
	CHECK_EQ(f.addresses[0].ip.bits, 32);
	/* All of the flags, of which the head has only eight. */
	CHECK_EQ(f.addresses[0].flags, IFA_F_PERMANENT | IFA_F_NOPREFIXROUTE);
	network_facts_fini(&f);
}

TEST(a_prefix_that_is_longer_than_an_address_is_refused)
{
	const struct ifaddrmsg head = {.ifa_family = AF_INET, .ifa_prefixlen = 33, .ifa_index = 2};
	struct network_facts f = {0};
	struct nl_request q;

	nl_begin(&q, RTM_NEWADDR, 0, &head, sizeof head);
	put_ip4(&q, IFA_LOCAL, "10.0.0.2");
	CHECK_EQ(parse(&q, sizeof head, &f), -EPROTO);
	network_facts_fini(&f);
}

TEST(an_address_of_the_other_familys_size_is_refused)
{
	const struct ifaddrmsg head = {.ifa_family = AF_INET6, .ifa_prefixlen = 8, .ifa_index = 2};
	struct network_facts f = {0};
	struct nl_request q;

	nl_begin(&q, RTM_NEWADDR, 0, &head, sizeof head);
	put_ip4(&q, IFA_ADDRESS, "10.0.0.2");
	CHECK_EQ(parse(&q, sizeof head, &f), -EPROTO);
	network_facts_fini(&f);
}

TEST(a_route_has_its_table_metric_and_mtu)
{
	const struct rtmsg head = {
		.rtm_family = AF_INET,
		.rtm_dst_len = 24,
		.rtm_protocol = RTPROT_STATIC,
		.rtm_scope = RT_SCOPE_UNIVERSE,
		.rtm_type = RTN_UNICAST,
		.rtm_flags = RTNH_F_ONLINK,
	};
	struct network_facts f = {0};
	struct nl_request q;

	nl_begin(&q, RTM_NEWROUTE, 0, &head, sizeof head);
	put_ip4(&q, RTA_DST, "10.1.2.0");
	put_ip4(&q, RTA_GATEWAY, "10.1.0.1");
	put_ip4(&q, RTA_PREFSRC, "10.1.0.2");
	nl_put_u32(&q, RTA_OIF, 5);
	nl_put_u32(&q, RTA_TABLE, 1000);
	nl_put_u32(&q, RTA_PRIORITY, 77);

	size_t metrics = nl_nest(&q, RTA_METRICS);

	nl_put_u32(&q, RTAX_MTU, 1400);
	nl_nest_end(&q, metrics);
	CHECK_EQ(parse(&q, sizeof head, &f), 0);
	CHECK_EQ(f.n_routes, 1);
	CHECK_EQ(f.routes[0].link, 5);
	CHECK_EQ(f.routes[0].table, 1000);
	CHECK_EQ(f.routes[0].metric, 77);
	CHECK_EQ(f.routes[0].metrics[RTAX_MTU], 1400);
	CHECK_EQ(f.routes[0].to.bits, 24);
	CHECK_EQ(f.routes[0].via.bytes[3], 1);
	CHECK_EQ(f.routes[0].source.bytes[3], 2);
	CHECK_EQ(f.routes[0].flags, RTNH_F_ONLINK);
	network_facts_fini(&f);
}

TEST(a_route_to_a_network_without_its_address_is_refused)
{
	const struct rtmsg head = {.rtm_family = AF_INET, .rtm_dst_len = 24};
	struct network_facts f = {0};
	struct nl_request q;

	nl_begin(&q, RTM_NEWROUTE, 0, &head, sizeof head);
	CHECK_EQ(parse(&q, sizeof head, &f), -EPROTO);
	network_facts_fini(&f);
}

TEST(other_families_and_messages_are_skipped)
{
	const struct ifinfomsg port = {.ifi_family = AF_BRIDGE, .ifi_index = 1};
	const struct ifaddrmsg address = {.ifa_family = AF_PACKET};
	const struct rtmsg route = {.rtm_family = AF_MPLS};
	const struct ndmsg neighbour = {.ndm_family = AF_BRIDGE};
	struct network_facts f = {0};
	struct nl_request q;

	nl_begin(&q, RTM_NEWLINK, 0, &port, sizeof port);
	CHECK_EQ(parse(&q, sizeof port, &f), 0);
	nl_begin(&q, RTM_NEWADDR, 0, &address, sizeof address);
	CHECK_EQ(parse(&q, sizeof address, &f), 0);
	nl_begin(&q, RTM_NEWROUTE, 0, &route, sizeof route);
	CHECK_EQ(parse(&q, sizeof route, &f), 0);
	nl_begin(&q, RTM_NEWNEIGH, 0, &neighbour, sizeof neighbour);
	CHECK_EQ(parse(&q, sizeof neighbour, &f), 0);
	nl_begin(&q, RTM_NEWRULE, 0, &route, sizeof route);
	CHECK_EQ(parse(&q, sizeof route, &f), 0);
	nl_begin(&q, RTM_NEWNSID, 0, &route, sizeof route);
	CHECK_EQ(parse(&q, sizeof route, &f), 0);
	CHECK_EQ(f.n_links + f.n_addresses + f.n_routes + f.n_neighbours + f.n_rules, 0);
	network_facts_fini(&f);
}

TEST(neighbours_that_came_of_frames_are_not_counted)
{
	struct network_facts f = {0};

	for (uint32_t i = 0; i <= NETWORK_NEIGHBOURS_MAX; i++) {
		const struct ndmsg head = {
			.ndm_family = AF_INET, .ndm_ifindex = 2, .ndm_state = NUD_FAILED};
		struct nl_request q;

		nl_begin(&q, RTM_NEWNEIGH, 0, &head, sizeof head);
		nl_put_u32(&q, NDA_DST, i);
		CHECK_EQ(parse(&q, sizeof head, &f), 0);
	}
	CHECK_EQ(f.n_neighbours, 0);
	network_facts_fini(&f);
}

TEST(there_are_not_more_links_than_the_maximum)
{
	struct network_facts f = {0};

	for (int i = 1; i <= NETWORK_LINKS_MAX; i++)
		CHECK_EQ(add_link(&f, i, "x"), 0);
	CHECK_EQ(add_link(&f, NETWORK_LINKS_MAX + 1, "x"), -E2BIG);
	CHECK_EQ(f.n_links, NETWORK_LINKS_MAX);
	CHECK_EQ(f.links[NETWORK_LINKS_MAX - 1].index, NETWORK_LINKS_MAX);
	network_facts_fini(&f);
}

static void begin_route(struct nl_request *q)
{
	const struct rtmsg head = {.rtm_family = AF_INET, .rtm_type = RTN_UNICAST};

	nl_begin(q, RTM_NEWROUTE, 0, &head, sizeof head);
}

/* A next hop as the kernel writes it, with a gateway of IPv6. */
static size_t write_hop(uint8_t *to, uint8_t last)
{
	struct rtnexthop head = {.rtnh_hops = last, .rtnh_ifindex = 2};
	struct rtattr a = {.rta_type = RTA_VIA, .rta_len = sizeof a + sizeof(struct rtvia) + 16};
	struct rtvia via = {.rtvia_family = AF_INET6};
	uint8_t address[16] = {0xfe, 0x80, [15] = last};

	head.rtnh_len = (unsigned short) (sizeof head + sizeof a + sizeof via + 16 + 2);
	memset(to, 0, head.rtnh_len);
	memcpy(to, &head, sizeof head);
	memcpy(to + sizeof head, &a, sizeof a);
	memcpy(to + sizeof head + sizeof a, &via, sizeof via);
	memcpy(to + sizeof head + sizeof a + sizeof via, address, sizeof address);
	return head.rtnh_len;
}

TEST(next_hops_of_a_route_are_kept_in_their_order)
{
	struct network_facts f = {0};
	struct nl_request q;
	uint8_t hops[256];
	size_t n = write_hop(hops, 1);

	n += write_hop(hops + n, 7);
	begin_route(&q);
	nl_put(&q, RTA_MULTIPATH, hops, n);
	CHECK_EQ(parse(&q, sizeof(struct rtmsg), &f), 0);
	CHECK_EQ(parse(&q, sizeof(struct rtmsg), &f), 0);
	CHECK_EQ(f.routes[1].hop, 2);
	CHECK_EQ(f.routes[1].n_hops, 2);
	CHECK_EQ(f.hops[3].weight, 7);
	CHECK_EQ(f.hops[3].link, 2);
	CHECK_EQ(f.hops[3].via.family, AF_INET6);
	CHECK_EQ(f.hops[3].via.bytes[15], 7);
	begin_route(&q);
	nl_put(&q, RTA_MULTIPATH, hops, n - 8);
	CHECK_EQ(parse(&q, sizeof(struct rtmsg), &f), -EPROTO);
	begin_route(&q);
	nl_put(&q, RTA_VIA, "\2", 1);
	CHECK_EQ(parse(&q, sizeof(struct rtmsg), &f), -EPROTO);
	network_facts_fini(&f);
}

TEST(a_rule_is_what_its_message_says)
{
	const struct fib_rule_hdr head = {.family = AF_INET,
					  .src_len = 24,
					  .table = 200,
					  .action = FR_ACT_TO_TBL,
					  .flags = FIB_RULE_INVERT | FIB_RULE_UNRESOLVED};
	const struct fib_rule_port_range ports = {.start = 80, .end = 90};
	const struct fib_rule_uid_range users = {.start = 0, .end = 5};
	struct network_facts f = {0};
	struct nl_request q;

	nl_begin(&q, RTM_NEWRULE, 0, &head, sizeof head);
	put_ip4(&q, FRA_SRC, "10.1.2.0");
	nl_put_u32(&q, FRA_TABLE, 200);
	nl_put_u32(&q, FRA_PRIORITY, 50);
	nl_put_u32(&q, FRA_SUPPRESS_PREFIXLEN, 0);
	nl_put_string(&q, FRA_IIFNAME, "eth0");
	nl_put(&q, FRA_DPORT_RANGE, &ports, sizeof ports);
	nl_put(&q, FRA_UID_RANGE, &users, sizeof users);
	CHECK_EQ(parse(&q, sizeof head, &f), 0);
	CHECK_EQ(f.n_rules, 1);
	CHECK_EQ(f.rules[0].from.bits, 24);
	CHECK_EQ(f.rules[0].to.family, AF_INET);
	CHECK_EQ(f.rules[0].to.bits, 0);
	CHECK_EQ(f.rules[0].numbers[FRA_TABLE], 200);
	CHECK_EQ(f.rules[0].numbers[FRA_PRIORITY], 50);
	CHECK_EQ(f.rules[0].numbers[FRA_SUPPRESS_PREFIXLEN], 1);
	CHECK_EQ(f.rules[0].numbers[FRA_SUPPRESS_IFGROUP], 0);
	CHECK_EQ(f.rules[0].numbers[FRA_DPORT_RANGE], 80U << 16 | 90);
	CHECK(f.rules[0].inverted);
	CHECK_EQ(f.rules[0].users[1], 5);
	CHECK(f.rules[0].has_users && !f.rules[0].is_odd);
	CHECK_STR(f.rules[0].iif, "eth0");
	/* Without this selector it would be another rule. */
	nl_put(&q, FRA_TUN_ID, "\0\0\0\0\0\0\0\1", 8);
	CHECK_EQ(parse(&q, sizeof head, &f), 0);
	CHECK(f.rules[1].is_odd);
	nl_begin(&q, RTM_NEWRULE, 0, &head, sizeof head);
	CHECK_EQ(parse(&q, sizeof head, &f), -EPROTO);
	network_facts_fini(&f);
}
