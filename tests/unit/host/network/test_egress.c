/*
 * Frames that a guest could send, written to a real tap under a policy, and what comes out of the
 * interface of them: the rules by which the kernel goes, without a guest whose kernel would not
 * send most of these frames.
 */
#include <endian.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "base/array.h"
#include "base/nft.h"
#include "egress_place.h"
#include "host/network/tap.h"

static const char *const lines[] = {
	"10.1.2.0/24 tcp 443",       "10.1.3.0/24 udp", "10.9.0.0/16",
	"2001:db8::/32 tcp 443-444", "2001:db8:9::/48",
};

static void enter(struct place *p)
{
	enter_with(p, lines, ARRAY_LEN(lines));
}

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

/* How long the last element of a set is remembered, in ms: from the message that lists them. */
static int read_expiration(void *arg, const struct nl_message *m, struct err *e)
{
	struct nl_value list[NFTA_SET_ELEM_LIST_ELEMENTS + 1], one[NFTA_LIST_ELEM + 1];
	struct nl_value element[NFTA_SET_ELEM_EXPIRATION + 1];
	uint64_t ms;

	(void) e;
	if (nl_parse(m->attributes, m->attributes_bytes, list, ARRAY_LEN(list)) < 0 ||
	    nl_parse(list[NFTA_SET_ELEM_LIST_ELEMENTS].data,
		     list[NFTA_SET_ELEM_LIST_ELEMENTS].bytes, one, ARRAY_LEN(one)) < 0 ||
	    nl_parse(one[NFTA_LIST_ELEM].data, one[NFTA_LIST_ELEM].bytes, element,
		     ARRAY_LEN(element)) < 0)
		return -EBADMSG;
	if (element[NFTA_SET_ELEM_EXPIRATION].bytes == sizeof ms) {
		memcpy(&ms, element[NFTA_SET_ELEM_EXPIRATION].data, sizeof ms);
		*(uint64_t *) arg = be64toh(ms);
	}
	return 0;
}

/* In minutes, rounded up. */
static unsigned remembered(struct place *p, const char *set)
{
	int sock = network_socket(p->ns_fd, NETLINK_NETFILTER, NULL);
	uint64_t ms = 0;
	struct nl_request q;

	nft_begin(&q, NFPROTO_NETDEV, NFT_MSG_GETSETELEM, 0);
	nl_put_string(&q, NFTA_SET_ELEM_LIST_TABLE, "kata_egress");
	nl_put_string(&q, NFTA_SET_ELEM_LIST_SET, set);
	CHECK_EQ(nl_dump(sock, &q, sizeof(struct nfgenmsg), read_expiration, NULL, &ms, NULL), 0);
	fd_close(sock);
	return (unsigned) ((ms + 59999) / 60000);
}

static void say(struct place *p, struct way *w, uint8_t flags)
{
	w->flags = flags;
	CHECK(leaves(p, w));
}

TEST(a_half_closed_connection_is_remembered_like_any_other_and_one_that_ended_is_not)
{
	struct way in = {"10.5.5.5", IPPROTO_TCP, 80, 5000, SYN, true};
	struct way out = {"10.5.5.5", IPPROTO_TCP, 80, 5000, ACK, false};
	struct place p;

	enter(&p);
	/* The other end says its last first. */
	say(&p, &in, SYN);
	CHECK_EQ(remembered(&p, "in4"), 2);
	say(&p, &in, ACK);
	CHECK_EQ(remembered(&p, "in4"), 180);
	say(&p, &in, FIN | ACK);
	say(&p, &out, ACK);
	CHECK_EQ(remembered(&p, "in4"), 180);
	/* The guest cannot change it, only what arrives. */
	say(&p, &out, FIN | ACK);
	CHECK_EQ(remembered(&p, "in4"), 180);
	say(&p, &in, ACK);
	CHECK_EQ(remembered(&p, "in4"), 2);
	CHECK_EQ(remembered(&p, "closed4"), 1);

	/* A new one with the same ports, where the guest says its last first. */
	say(&p, &in, SYN);
	CHECK_EQ(remembered(&p, "closed4"), 0);
	say(&p, &in, ACK);
	CHECK_EQ(remembered(&p, "in4"), 180);
	say(&p, &out, FIN | ACK);
	say(&p, &in, ACK);
	CHECK_EQ(remembered(&p, "in4"), 180);
	say(&p, &in, FIN | ACK);
	CHECK_EQ(remembered(&p, "in4"), 2);

	/* One that is cut. */
	say(&p, &in, SYN);
	say(&p, &in, ACK);
	say(&p, &in, RST);
	CHECK_EQ(remembered(&p, "in4"), 2);
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
	struct network_tap second = {0};
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
			CHECK_EQ(network_tap_open(other, &p.f.links[i], &no_limits, 1, &second,
						  NULL),
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
	tap_release(&p.tap);
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
