/* What may leave, and what happens to the rest. */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <netinet/icmp6.h>
#include <netinet/tcp.h>
#include <stddef.h>

#include "base/array.h"
#include "host/egress/table.h"

/* How many refusals the server hears of, and answers, however many there are. */
#define TOLD_PER_SECOND 200
#define TOLD_AT_ONCE    400
/* How long an answer is waited for. */
#define QUESTION_MS 30000

static void go_to(struct nft_batch *b, struct nft_rule *rule, const char *chain)
{
	nft_verdict(rule, chain ? NFT_GOTO : NFT_RETURN, chain);
	nft_rule_end(rule, b);
}

/* The end of a chain. */
static void all_go_to(struct nft_batch *b, const char *from, const char *to)
{
	struct nft_rule rule;

	nft_rule_begin(&rule, NFPROTO_NETDEV, TABLE, from);
	go_to(b, &rule, to);
}

/* ---- By kind ---- */

static void write_kinds(struct nft_batch *b)
{
	const struct ip_family arp = {.ethertype = ETH_P_ARP};
	struct nft_rule rule;

	for (size_t i = 0; i < ARRAY_LEN(ip_families); i++) {
		nft_rule_begin(&rule, NFPROTO_NETDEV, TABLE, CHAIN_LEAVES);
		rule_family(&rule, &ip_families[i]);
		go_to(b, &rule, ip_families[i].leaves);
	}
	nft_rule_begin(&rule, NFPROTO_NETDEV, TABLE, CHAIN_LEAVES);
	rule_family(&rule, &arp);
	go_to(b, &rule, CHAIN_ARP);
	all_go_to(b, CHAIN_LEAVES, CHAIN_REFUSE);
}

/* Ethernet and IPv4 (RFC 826), and no more behind it than the least size of a frame asks for. */
static void write_arp(struct nft_batch *b)
{
	static const uint8_t begin[] = {0, 1, ETH_P_IP >> 8, ETH_P_IP & 0xff, ETH_ALEN, 4};
	struct nft_rule rule;

	nft_rule_begin(&rule, NFPROTO_NETDEV, TABLE, CHAIN_ARP);
	nft_payload(&rule, NFT_PAYLOAD_NETWORK_HEADER, ETH_ZLEN - ETH_HLEN, 1, 0);
	go_to(b, &rule, CHAIN_REFUSE);
	nft_rule_begin(&rule, NFPROTO_NETDEV, TABLE, CHAIN_ARP);
	nft_payload(&rule, NFT_PAYLOAD_NETWORK_HEADER, 0, sizeof begin, 0);
	nft_compare(&rule, 0, NFT_CMP_EQ, begin, sizeof begin);
	go_to(b, &rule, NULL);
	all_go_to(b, CHAIN_ARP, CHAIN_REFUSE);
}

/* ---- What is no plain packet ---- */

/* Options could ask a router for another way (RFC 791, 3.1). */
static void refuse_options(struct nft_batch *b, const struct ip_family *f)
{
	const uint8_t plain = 0x45;
	struct nft_rule rule;

	nft_rule_begin(&rule, NFPROTO_NETDEV, TABLE, f->leaves);
	nft_payload(&rule, NFT_PAYLOAD_NETWORK_HEADER, 0, 1, 0);
	nft_compare(&rule, 0, NFT_CMP_NEQ, &plain, 1);
	go_to(b, &rule, CHAIN_REFUSE);
}

/* So could these headers, or hide one that does (RFC 8200, 4). The others are refused by not being
 * what a rule allows. */
static void refuse_headers(struct nft_batch *b, const struct ip_family *f)
{
	static const uint8_t headers[] = {
		IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS, IPPROTO_MH, 139, 140};
	struct nft_rule rule;

	for (size_t i = 0; i < sizeof headers; i++) {
		nft_rule_begin(&rule, NFPROTO_NETDEV, TABLE, f->leaves);
		rule_protocol(&rule, f, headers[i]);
		go_to(b, &rule, CHAIN_REFUSE);
	}
}

/* Only the first piece of a packet has the ports. With IPv6 it is the header of a fragment, which
 * no rule with ports is for. */
static void refuse_pieces(struct nft_batch *b, const struct ip_family *f)
{
	static const uint8_t offset[] = {0x1f, 0xff}, none[] = {0, 0};
	struct nft_rule rule;

	nft_rule_begin(&rule, NFPROTO_NETDEV, TABLE, f->leaves);
	nft_payload(&rule, NFT_PAYLOAD_NETWORK_HEADER, 6, sizeof offset, 0);
	nft_mask(&rule, 0, offset, sizeof offset);
	nft_compare(&rule, 0, NFT_CMP_NEQ, none, sizeof none);
	go_to(b, &rule, CHAIN_REFUSE);
}

/* The kernel of the guest tells by itself which groups it is in: nobody needs to know of that. */
static void drop_group_talk(struct nft_batch *b)
{
	static const uint8_t all_routers[16] = {0xff, 0x02, [15] = 0x16};
	const struct ip_family *four = &ip_families[0], *six = &ip_families[1];
	struct nft_rule rule;

	nft_rule_begin(&rule, NFPROTO_NETDEV, TABLE, four->leaves);
	rule_protocol(&rule, four, IPPROTO_IGMP);
	nft_verdict(&rule, NF_DROP, NULL);
	nft_rule_end(&rule, b);
	nft_rule_begin(&rule, NFPROTO_NETDEV, TABLE, six->leaves);
	rule_protocol(&rule, six, IPPROTO_HOPOPTS);
	nft_payload(&rule, NFT_PAYLOAD_NETWORK_HEADER, six->to_at, six->bytes, 0);
	nft_compare(&rule, 0, NFT_CMP_EQ, all_routers, sizeof all_routers);
	nft_verdict(&rule, NF_DROP, NULL);
	nft_rule_end(&rule, b);
}

/* ---- Neighbour discovery (RFC 4861) ---- */

static void begin_discovery(struct nft_rule *rule, uint8_t type)
{
	/* The head of a message and two options, the hardware address and a nonce. */
	static const uint8_t most_bytes[] = {0, 40};
	const struct ip_family *f = &ip_families[1];

	nft_rule_begin(rule, NFPROTO_NETDEV, TABLE, f->leaves);
	rule_protocol(rule, f, IPPROTO_ICMPV6);
	rule_byte(rule, NFT_PAYLOAD_NETWORK_HEADER, 7, 255);
	rule_byte(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 0, type);
	nft_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, 4, sizeof most_bytes, 0);
	nft_compare(rule, 0, NFT_CMP_LTE, most_bytes, sizeof most_bytes);
	nft_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, f->to_at, f->bytes, 0);
}

/* To the link's groups, to its addresses, and to who has shown to be on the link: a router would
 * forward what goes elsewhere. */
static void allow_discovery(struct nft_batch *b, uint8_t type)
{
	static const uint8_t group[] = {0xff, 0x02}, local[] = {0xfe, 0x80};
	struct nft_rule rule;

	begin_discovery(&rule, type);
	nft_compare(&rule, 0, NFT_CMP_EQ, group, sizeof group);
	go_to(b, &rule, NULL);
	begin_discovery(&rule, type);
	nft_compare(&rule, 0, NFT_CMP_EQ, local, sizeof local);
	go_to(b, &rule, NULL);
	begin_discovery(&rule, type);
	nft_lookup(&rule, NEIGHBOURS, 0);
	go_to(b, &rule, NULL);
}

/* ---- The places ---- */

static void allow_known(struct nft_batch *b, const struct ip_family *f)
{
	struct nft_rule rule;

	nft_rule_begin(&rule, NFPROTO_NETDEV, TABLE, f->leaves);
	rule_load_flow(&rule, f, false);
	nft_lookup(&rule, f->in, 0);
	go_to(b, &rule, NULL);
	nft_rule_begin(&rule, NFPROTO_NETDEV, TABLE, f->leaves);
	rule_protocol(&rule, f, f->icmp);
	rule_byte(&rule, NFT_PAYLOAD_TRANSPORT_HEADER, 0, f->echo_reply);
	rule_load_ping(&rule, f, false);
	nft_lookup(&rule, f->pinged, 0);
	go_to(b, &rule, NULL);
}

/* The guest says its last on a connection that another has begun: see tcp_ends() of arrives.c. */
static void note_end(struct nft_batch *b, const struct ip_family *f)
{
	struct nft_rule rule;

	nft_rule_begin(&rule, NFPROTO_NETDEV, TABLE, f->leaves);
	rule_protocol(&rule, f, IPPROTO_TCP);
	rule_tcp_flags(&rule, TH_FIN, NFT_CMP_NEQ, 0);
	rule_load_flow(&rule, f, false);
	nft_lookup(&rule, f->in, 0);
	nft_remember(&rule, f->ended_here, 0, FLOW_IDLE_MS);
	nft_rule_end(&rule, b);
}

/* What has begun while the address of a name was allowed goes on after that. */
static void allow_begun(struct nft_batch *b, const struct ip_family *f)
{
	struct nft_rule rule;

	nft_rule_begin(&rule, NFPROTO_NETDEV, TABLE, f->leaves);
	rule_protocol(&rule, f, IPPROTO_TCP);
	rule_load_flow(&rule, f, false);
	nft_lookup(&rule, f->out, 0);
	nft_remember(&rule, f->out, 0, FLOW_IDLE_MS);
	go_to(b, &rule, NULL);
	nft_rule_begin(&rule, NFPROTO_NETDEV, TABLE, f->leaves);
	rule_load_flow(&rule, f, false);
	nft_lookup(&rule, f->out, 0);
	nft_remember(&rule, f->out, 0, FLOW_DATAGRAM_MS);
	go_to(b, &rule, NULL);
}

static void begin_question(struct nft_rule *rule, const struct ip_family *f,
			   const struct egress_resolver *to, uint8_t protocol)
{
	nft_rule_begin(rule, NFPROTO_NETDEV, TABLE, f->leaves);
	rule_name_server(rule, f, to, protocol, false);
}

/* Name servers may be asked. Only a question by UDP has an answer that tells addresses. */
static void allow_questions(struct nft_batch *b, const struct ip_family *f,
			    const struct egress_resolver *to)
{
	struct nft_rule rule;

	if (to->family != f->family)
		return;
	begin_question(&rule, f, to, IPPROTO_UDP);
	rule_load_flow(&rule, f, false);
	nft_remember(&rule, f->asked, 0, QUESTION_MS);
	nft_limit(&rule, NAMES_PER_SECOND, NAMES_PER_SECOND);
	nft_log(&rule, EGRESS_LOG_GROUP, EGRESS_LOG_QUESTION);
	nft_rule_end(&rule, b);
	begin_question(&rule, f, to, IPPROTO_UDP);
	go_to(b, &rule, NULL);
	begin_question(&rule, f, to, IPPROTO_TCP);
	go_to(b, &rule, NULL);
}

static void put_prefix(struct nft_rule *rule, const struct ip_family *f,
		       const struct egress_rule *r)
{
	uint8_t mask[16] = {0};

	if (r->bits == 0)
		return;
	for (unsigned bit = 0; bit < r->bits; bit++)
		mask[bit / 8] |= (uint8_t) (0x80 >> bit % 8);
	nft_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, f->to_at, f->bytes, 0);
	nft_mask(rule, 0, mask, f->bytes);
	nft_compare(rule, 0, NFT_CMP_EQ, r->prefix, f->bytes);
}

static void put_ports(struct nft_rule *rule, const struct egress_rule *r)
{
	const uint16_t first = htons(r->first_port), last = htons(r->last_port);

	if (!egress_rule_has_ports(r))
		return;
	nft_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, 0);
	nft_compare(rule, 0, NFT_CMP_GTE, &first, sizeof first);
	nft_compare(rule, 0, NFT_CMP_LTE, &last, sizeof last);
}

static void allow_place(struct nft_batch *b, const struct ip_family *f, const struct egress_rule *r)
{
	uint8_t protocol = r->protocol == IPPROTO_ICMP ? f->icmp : r->protocol;
	struct nft_rule rule;

	nft_rule_begin(&rule, NFPROTO_NETDEV, TABLE, f->leaves);
	if (protocol)
		rule_protocol(&rule, f, protocol);
	put_prefix(&rule, f, r);
	put_ports(&rule, r);
	go_to(b, &rule, NULL);
}

/* @remember_ms: what begins goes on when the address is not the name's any more; 0: it does not. */
static void allow_name(struct nft_batch *b, const struct ip_family *f, const struct egress_rule *r,
		       size_t number, uint8_t protocol, uint64_t remember_ms)
{
	char set[SET_NAME_BYTES];
	struct nft_rule rule;

	table_name_set(set, f, number);
	nft_rule_begin(&rule, NFPROTO_NETDEV, TABLE, f->leaves);
	if (protocol)
		rule_protocol(&rule, f, protocol);
	nft_payload(&rule, NFT_PAYLOAD_NETWORK_HEADER, f->to_at, f->bytes, 0);
	nft_lookup(&rule, set, 0);
	put_ports(&rule, r);
	if (remember_ms) {
		rule_load_flow(&rule, f, false);
		nft_remember(&rule, f->out, 0, remember_ms);
	}
	go_to(b, &rule, NULL);
}

static void allow_names(struct nft_batch *b, const struct ip_family *f,
			const struct egress_policy *policy)
{
	for (size_t i = 0; i < policy->n; i++) {
		const struct egress_rule *r = &policy->rules[i];

		if (!r->name)
			continue;
		if (!r->protocol || r->protocol == IPPROTO_TCP)
			allow_name(b, f, r, i, IPPROTO_TCP, FLOW_IDLE_MS);
		if (!r->protocol || r->protocol == IPPROTO_UDP)
			allow_name(b, f, r, i, IPPROTO_UDP, FLOW_DATAGRAM_MS);
		if (r->protocol == IPPROTO_SCTP)
			allow_name(b, f, r, i, IPPROTO_SCTP, FLOW_IDLE_MS);
		if (!r->protocol || r->protocol == IPPROTO_ICMP)
			allow_name(b, f, r, i, r->protocol ? f->icmp : 0, 0);
	}
}

static void allow_places(struct nft_batch *b, const struct ip_family *f,
			 const struct egress_policy *policy, bool with_ports)
{
	for (size_t i = 0; i < policy->n; i++) {
		const struct egress_rule *r = &policy->rules[i];

		if (r->family == f->family && egress_rule_has_ports(r) == with_ports)
			allow_place(b, f, r);
	}
}

static void write_family(struct nft_batch *b, const struct ip_family *f,
			 const struct egress_policy *policy)
{
	/* First, because what a rule allows no later one sees. */
	note_end(b, f);
	for (size_t i = 0; i < policy->n_resolvers; i++)
		allow_questions(b, f, &policy->resolvers[i]);
	allow_places(b, f, policy, false);
	if (f->family == AF_INET)
		refuse_pieces(b, f);
	allow_known(b, f);
	allow_places(b, f, policy, true);
	if (egress_policy_has_names(policy)) {
		allow_begun(b, f);
		allow_names(b, f, policy);
	}
	all_go_to(b, f->leaves, CHAIN_REFUSE);
}

/* ---- The rest ---- */

static void write_refusal(struct nft_batch *b)
{
	struct nft_rule rule;

	nft_rule_begin(&rule, NFPROTO_NETDEV, TABLE, CHAIN_REFUSE);
	nft_count(&rule, COUNTER);
	nft_rule_end(&rule, b);
	nft_rule_begin(&rule, NFPROTO_NETDEV, TABLE, CHAIN_REFUSE);
	nft_limit(&rule, TOLD_PER_SECOND, TOLD_AT_ONCE);
	nft_log(&rule, EGRESS_LOG_GROUP, EGRESS_LOG_REFUSED);
	nft_rule_end(&rule, b);
	nft_rule_begin(&rule, NFPROTO_NETDEV, TABLE, CHAIN_REFUSE);
	nft_verdict(&rule, NF_DROP, NULL);
	nft_rule_end(&rule, b);
}

void leaves_write(struct nft_batch *b, const struct egress_policy *policy)
{
	write_kinds(b);
	write_arp(b);
	drop_group_talk(b);
	refuse_options(b, &ip_families[0]);
	refuse_headers(b, &ip_families[1]);
	allow_discovery(b, ND_NEIGHBOR_SOLICIT);
	allow_discovery(b, ND_NEIGHBOR_ADVERT);
	allow_discovery(b, ND_ROUTER_SOLICIT);
	for (size_t i = 0; i < ARRAY_LEN(ip_families); i++)
		write_family(b, &ip_families[i], policy);
	write_refusal(b);
}
