#include "base/array.h"

#include "messages.h"

static const struct network_facts none;

static struct network_link ethernet(void)
{
	return (struct network_link){
		.index = 2,
		.type = ARPHRD_ETHER,
		.flags = IFF_UP,
		.mtu = 1500,
		.has_mac = true,
		.name = "eth0",
		.kind = "veth",
	};
}

static bool wanted(const struct network_facts *f, const struct network_link *l, bool *ret_told)
{
	const char *why;
	bool r = network_wants(f, l, &why);

	*ret_told = why;
	return r;
}

TEST(an_interface_with_ethernet_frames_is_wanted)
{
	struct network_facts f = {0};
	struct network_link l = ethernet();
	bool told;

	CHECK(wanted(&f, &l, &told));
	CHECK(!told);
}

TEST(loopback_is_the_guests_own_unless_it_has_more_addresses)
{
	struct network_address a = {.link = 2, .ip = {AF_INET, 8, {127, 0, 0, 1}}};
	struct network_facts f = {.addresses = &a, .n_addresses = 1};
	struct network_link l = ethernet();
	bool told;

	l.type = ARPHRD_LOOPBACK;
	l.flags |= IFF_LOOPBACK;
	CHECK(!wanted(&f, &l, &told));
	CHECK(!told);
	a.ip = (struct network_ip){AF_INET6, 128, {[15] = 1}};
	CHECK(!wanted(&f, &l, &told));
	a.ip = (struct network_ip){AF_INET, 32, {10, 5, 5, 5}};
	CHECK(wanted(&f, &l, &told));
}

TEST(an_interface_on_top_of_another_is_left_out_and_told)
{
	struct network_link l[] = {ethernet(), ethernet()};
	struct network_facts f = {.links = l, .n_links = 2};
	bool told;

	l[0].index = 7;
	l[1].lower = 7;
	(void) snprintf(l[1].kind, sizeof l[1].kind, "macvlan");
	CHECK(!wanted(&f, &l[1], &told));
	CHECK(told);
	CHECK(wanted(&f, &l[0], &told));
	/* Of a pair in one namespace each end names the other. */
	(void) snprintf(l[1].kind, sizeof l[1].kind, "veth");
	CHECK(wanted(&f, &l[1], &told));
	/* Its frames arrive where the guest does not take them. */
	(void) snprintf(l[1].kind, sizeof l[1].kind, "vlan");
	l[0].master = 9;
	CHECK(wanted(&f, &l[1], &told));
}

TEST(an_interface_that_is_down_is_wanted_if_it_has_an_address)
{
	struct network_address a = {.link = 2, .ip = {.family = AF_INET}};
	struct network_facts f = {0};
	struct network_link l = ethernet();
	bool told;

	l.flags = 0;
	CHECK(!wanted(&f, &l, &told));
	CHECK(!told);
	f.addresses = &a;
	f.n_addresses = 1;
	CHECK(wanted(&f, &l, &told));
	a.link = 3;
	CHECK(!wanted(&f, &l, &told));
}

TEST(an_interface_that_carries_something_else_is_not_brought_in_and_the_user_is_told)
{
	struct network_facts f = {0};
	struct network_link l = ethernet();
	bool told;

	l.type = ARPHRD_INFINIBAND;
	CHECK(!wanted(&f, &l, &told));
	CHECK(told);
	l.type = ARPHRD_NONE;
	l.carries_packets = true;
	(void) snprintf(l.kind, sizeof l.kind, "xfrm");
	l.is_apart = true;
	CHECK(!wanted(&f, &l, &told));
	CHECK(told);
	l.type = ARPHRD_ETHER;
	l.carries_packets = l.has_mac = false;
	CHECK(!wanted(&f, &l, &told));
	CHECK(told);
}

TEST(a_tunnel_is_wanted_if_what_it_wraps_does_not_pass_this_namespace)
{
	static const char *const kinds[] = {"vxlan", "ipip", "erspan"};
	struct network_facts f = {0};
	struct network_link l = ethernet();
	bool told;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		(void) snprintf(l.kind, sizeof l.kind, "%s", kinds[i]);
		l.carries_packets = strcmp(l.kind, "ipip") == 0;
		l.is_apart = false;
		CHECK(!wanted(&f, &l, &told));
		CHECK(told);
		l.is_apart = true;
		CHECK(wanted(&f, &l, &told));
	}
	/* A program has its other end; the driver does not say. */
	l.is_apart = false;
	l.carries_packets = true;
	(void) snprintf(l.kind, sizeof l.kind, "tun");
	CHECK(wanted(&f, &l, &told));
	(void) snprintf(l.kind, sizeof l.kind, "wireguard");
	CHECK(wanted(&f, &l, &told));
}

TEST(a_port_of_a_bridge_is_not_brought_in_and_the_user_is_told)
{
	struct network_facts f = {0};
	struct network_link l = ethernet();
	bool told;

	l.master = 9;
	CHECK(!wanted(&f, &l, &told));
	CHECK(told);
}

/* An interface and its VRF, as a namespace has them. */
static void member_of_vrf(struct network_link two[2])
{
	two[0] = ethernet();
	two[0].master = 3;
	two[1] = ethernet();
	two[1].index = 3;
	two[1].vrf_table = 10;
}

TEST(a_vrf_and_its_members_are_wanted)
{
	struct network_link two[2];
	const struct network_facts f = {.links = two, .n_links = 2};
	bool told;

	member_of_vrf(two);
	CHECK(network_vrf_of(&f, &two[0]) == &two[1]);
	CHECK(!network_vrf_of(&f, &two[1]));
	CHECK(wanted(&f, &two[0], &told));
	CHECK(wanted(&f, &two[1], &told));
	/* One that is down is for its members, and for nothing without any. */
	two[1].flags = 0;
	CHECK(wanted(&f, &two[1], &told));
	two[0].master = 0;
	CHECK(!wanted(&f, &two[1], &told) && !told);
}

TEST(a_kernel_puts_the_routes_of_a_vrfs_members_into_its_table)
{
	struct network_link two[2];
	struct network_route r = {.link = 2,
				  .to = {AF_INET, 24, {10, 1, 1, 0}},
				  .type = RTN_UNICAST,
				  .table = 10,
				  .protocol = RTPROT_KERNEL};
	const struct network_address a = {.link = 2, .ip = {AF_INET, 24, {10, 1, 1, 7}}};
	const struct network_facts f = {.links = two, .n_links = 2, .routes = &r, .n_routes = 1};
	const char *why;

	member_of_vrf(two);
	CHECK(!network_wants_route(&f, &r, true, &why) && !why);
	CHECK(network_has_prefix_route(&f, &a));
	r.link = 3;
	CHECK(!network_wants_route(&f, &r, true, &why) && !why);
	r.link = 2;
	/* A copy that somebody has made. */
	r.table = RT_TABLE_MAIN;
	CHECK(network_wants_route(&f, &r, true, &why));
	CHECK(!network_has_prefix_route(&f, &a));
	two[0].master = 0;
	CHECK(!network_wants_route(&f, &r, true, &why) && !why);
	CHECK(network_has_prefix_route(&f, &a));
}

TEST(our_own_tap_is_not_an_interface_but_another_ones_is)
{
	static const struct {
		const char *name, *kind;
		bool ours;
	} cases[] = {
		{"tap0_kata", "tun", true},   {"tap12_kata", "tun", true},
		{"tap0_kata", "veth", false}, {"tap0_katab", "tun", false},
		{"tap_kata", "tun", false},   {"tap0", "tun", false},
	};
	struct network_facts f = {0};
	bool told;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct network_link l = ethernet();

		(void) snprintf(l.name, sizeof l.name, "%s", cases[i].name);
		(void) snprintf(l.kind, sizeof l.kind, "%s", cases[i].kind);
		CHECK_EQ(wanted(&f, &l, &told), !cases[i].ours);
	}
}

TEST(routes_that_the_guests_kernel_makes_by_itself_are_left_out)
{
	struct network_route r = {
		.link = 2, .type = RTN_UNICAST, .table = RT_TABLE_MAIN, .protocol = RTPROT_BOOT};
	const char *why;

	CHECK(network_wants_route(&none, &r, false, &why));
	r.protocol = RTPROT_KERNEL;
	CHECK(!network_wants_route(&none, &r, false, &why) && !why);
	r.protocol = RTPROT_RA;
	CHECK(!network_wants_route(&none, &r, false, &why) && !why);
	r.protocol = RTPROT_BOOT;
	r.table = RT_TABLE_LOCAL;
	CHECK(!network_wants_route(&none, &r, false, &why) && !why);
}

TEST(routes_that_the_protocol_has_no_words_for_are_told)
{
	const struct network_route good = {
		.link = 2, .type = RTN_UNICAST, .table = RT_TABLE_MAIN, .protocol = RTPROT_BOOT};
	struct network_route r = good;
	const char *why;

	r.table = 100;
	CHECK(!network_wants_route(&none, &r, false, &why) && why);
	r = good;
	r.type = RTN_BLACKHOLE;
	CHECK(!network_wants_route(&none, &r, false, &why) && why);
	r = good;
	r.link = 0;
	CHECK(!network_wants_route(&none, &r, false, &why) && why);
}

TEST(only_neighbours_that_were_put_there_are_wanted)
{
	struct network_neighbour n = {.has_mac = true, .state = NUD_PERMANENT};

	CHECK(network_wants_neighbour(&n));
	n.state = NUD_REACHABLE;
	CHECK(!network_wants_neighbour(&n));
	n.state = NUD_PERMANENT;
	n.has_mac = false;
	CHECK(!network_wants_neighbour(&n));
}

TEST(addresses_of_a_routers_advertisement_are_left_to_the_guest)
{
	struct network_address a = {.ip.family = AF_INET6, .flags = IFA_F_PERMANENT};

	CHECK(network_wants_address(&a));
	/* One with a lifetime that somebody else has given it. */
	a.flags = 0;
	CHECK(network_wants_address(&a));
	a.flags = IFA_F_MANAGETEMPADDR;
	CHECK(!network_wants_address(&a));
	a.flags = IFA_F_TEMPORARY;
	CHECK(!network_wants_address(&a));
	a.flags = IFA_F_MANAGETEMPADDR | IFA_F_PERMANENT;
	CHECK(network_wants_address(&a));
	/* A plugin that asks a DHCP server gives its address a lifetime. */
	a.ip.family = AF_INET;
	CHECK(network_wants_address(&a));
}

TEST(an_agent_that_knows_more_words_is_told_more_routes)
{
	const struct network_route good = {
		.link = 2, .type = RTN_UNICAST, .table = 100, .protocol = RTPROT_STATIC};
	struct network_route r = good;
	const char *why;

	CHECK(network_wants_route(&none, &r, true, &why));
	r.protocol = RTPROT_KERNEL;
	CHECK(network_wants_route(&none, &r, true, &why));
	r.table = RT_TABLE_MAIN;
	CHECK(!network_wants_route(&none, &r, true, &why));
	r = good;
	r.type = RTN_PROHIBIT;
	r.link = 0;
	CHECK(network_wants_route(&none, &r, true, &why));
	r.type = RTN_UNICAST;
	CHECK(!network_wants_route(&none, &r, true, &why) && why);
	r.n_hops = NETWORK_ROUTE_HOPS_MAX;
	CHECK(network_wants_route(&none, &r, true, &why));
	r.n_hops++;
	CHECK(!network_wants_route(&none, &r, true, &why) && why);
	r = good;
	r.is_wrapped = true;
	CHECK(!network_wants_route(&none, &r, true, &why) && why);
	r = good;
	r.by_source = true;
	CHECK(!network_wants_route(&none, &r, true, &why) && why);
}

TEST(a_route_to_an_addresses_network_is_found_by_its_bits)
{
	struct network_address a = {.link = 2, .ip = {AF_INET, 20, {10, 1, 0x1f, 7}}};
	struct network_route r = {.link = 2,
				  .to = {AF_INET, 20, {10, 1, 0x10, 0}},
				  .type = RTN_UNICAST,
				  .table = RT_TABLE_MAIN,
				  .protocol = RTPROT_KERNEL};
	const struct network_facts f = {.routes = &r, .n_routes = 1};

	CHECK(network_has_prefix_route(&f, &a));
	r.to.bytes[2] = 0x20;
	CHECK(!network_has_prefix_route(&f, &a));
	r.to.bytes[2] = 0x10;
	r.to.bits = 21;
	CHECK(!network_has_prefix_route(&f, &a));
	r.to.bits = 20;
	r.protocol = RTPROT_BOOT;
	CHECK(!network_has_prefix_route(&f, &a));
	a.ip.bits = 32;
	CHECK(network_has_prefix_route(&f, &a));
	a.ip.bits = 20;
	/* Of a point-to-point link it is the other end's. */
	r.protocol = RTPROT_KERNEL;
	a.peer = (struct network_ip){AF_INET, 32, {10, 9, 9, 9}};
	CHECK(!network_has_prefix_route(&f, &a));
	r.to = a.peer;
	CHECK(network_has_prefix_route(&f, &a));
}
