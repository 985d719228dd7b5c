/*
 * What arrives for the guest is not judged, but remembered, because the guest may answer whoever
 * has begun to speak: the part of a connection tracker that a list of allowed places needs.
 */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <netinet/icmp6.h>
#include <netinet/tcp.h>

#include "base/array.h"
#include "host/egress/table.h"

#define MINUTE_MS ((uint64_t) 60 * 1000)

#define OPENING_MS   (2 * MINUTE_MS) /* a connection that is being made, or has just ended */
#define CLOSED_MS    (1 * MINUTE_MS)
#define PING_MS      (1 * MINUTE_MS)
#define NEIGHBOUR_MS (60 * MINUTE_MS)

static void begin(struct nft_rule *rule, const struct ip_family *f, uint8_t protocol)
{
	nft_rule_begin(rule, NFPROTO_NETDEV, TABLE, CHAIN_ARRIVES);
	rule_family(rule, f);
	rule_protocol(rule, f, protocol);
}

static void tcp_opens(struct nft_batch *b, const struct ip_family *f)
{
	struct nft_rule rule;

	begin(&rule, f, IPPROTO_TCP);
	rule_tcp_flags(&rule, TH_SYN | TH_ACK | TH_RST | TH_FIN, NFT_CMP_EQ, TH_SYN);
	rule_load_flow(&rule, f, true);
	/* What is known of an earlier one with the same ports. */
	nft_forget(&rule, f->closed, 0);
	nft_forget(&rule, f->ended_there, 0);
	nft_forget(&rule, f->ended_here, 0);
	nft_remember(&rule, f->in, 0, OPENING_MS);
	nft_rule_end(&rule, b);
}

/* Of those with a flag of @mask, or without any of them, a packet of a connection that is known. */
static void begin_known(struct nft_rule *rule, const struct ip_family *f, uint8_t mask, uint32_t op)
{
	begin(rule, f, IPPROTO_TCP);
	rule_tcp_flags(rule, mask, op, 0);
	rule_load_flow(rule, f, true);
	nft_lookup(rule, f->in, 0);
}

/* The last words of a connection follow, and must not make it live longer. */
static void forget_soon(struct nft_rule *rule, const struct ip_family *f, struct nft_batch *b)
{
	nft_remember(rule, f->in, 0, OPENING_MS);
	nft_remember(rule, f->closed, 0, CLOSED_MS);
	nft_remember(rule, f->ended_there, 0, OPENING_MS);
	nft_remember(rule, f->ended_here, 0, OPENING_MS);
	nft_rule_end(rule, b);
}

/*
 * A connection has ended when it is cut, or when both ends have said their last. The guest's last
 * is noted in leaves.c, but only what arrives changes how long a connection is remembered, because
 * otherwise a guest could keep one open for itself. While one end goes on, a connection may be
 * silent for as long as any other.
 */
static void tcp_ends(struct nft_batch *b, const struct ip_family *f)
{
	struct nft_rule rule;

	begin_known(&rule, f, TH_RST, NFT_CMP_NEQ);
	forget_soon(&rule, f, b);

	begin_known(&rule, f, TH_FIN, NFT_CMP_NEQ);
	nft_lookup_not(&rule, f->ended_here, 0);
	nft_remember(&rule, f->in, 0, FLOW_IDLE_MS);
	nft_remember(&rule, f->ended_there, 0, FLOW_IDLE_MS);
	nft_rule_end(&rule, b);

	begin_known(&rule, f, TH_FIN, NFT_CMP_NEQ);
	nft_lookup(&rule, f->ended_here, 0);
	forget_soon(&rule, f, b);

	/* What the guest has said last is acknowledged. */
	begin_known(&rule, f, TH_SYN | TH_RST | TH_FIN, NFT_CMP_EQ);
	nft_lookup(&rule, f->ended_there, 0);
	nft_lookup(&rule, f->ended_here, 0);
	forget_soon(&rule, f, b);
}

static void tcp_goes_on(struct nft_batch *b, const struct ip_family *f)
{
	struct nft_rule rule;

	begin_known(&rule, f, TH_SYN | TH_RST | TH_FIN, NFT_CMP_EQ);
	nft_lookup_not(&rule, f->closed, 0);
	nft_remember(&rule, f->in, 0, FLOW_IDLE_MS);
	nft_rule_end(&rule, b);
}

static void others(struct nft_batch *b, const struct ip_family *f, uint8_t protocol, uint64_t ms)
{
	struct nft_rule rule;

	begin(&rule, f, protocol);
	rule_load_flow(&rule, f, true);
	nft_remember(&rule, f->in, 0, ms);
	nft_rule_end(&rule, b);
}

static void ping(struct nft_batch *b, const struct ip_family *f)
{
	struct nft_rule rule;

	begin(&rule, f, f->icmp);
	rule_byte(&rule, NFT_PAYLOAD_TRANSPORT_HEADER, 0, f->echo_request);
	rule_load_ping(&rule, f, true);
	nft_remember(&rule, f->pinged, 0, PING_MS);
	nft_rule_end(&rule, b);
}

/* Who solicits or advertises with a hop limit of 255 is on the link (RFC 4861, 7.1), because every
 * router takes one away. */
static void neighbour(struct nft_batch *b, uint8_t type)
{
	const struct ip_family *f = &ip_families[1];
	struct nft_rule rule;

	begin(&rule, f, IPPROTO_ICMPV6);
	rule_byte(&rule, NFT_PAYLOAD_NETWORK_HEADER, 7, 255);
	rule_byte(&rule, NFT_PAYLOAD_TRANSPORT_HEADER, 0, type);
	nft_payload(&rule, NFT_PAYLOAD_NETWORK_HEADER, f->from_at, f->bytes, 0);
	nft_remember(&rule, NEIGHBOURS, 0, NEIGHBOUR_MS);
	nft_rule_end(&rule, b);
}

static void begin_answer(struct nft_rule *rule, const struct ip_family *f,
			 const struct egress_resolver *from)
{
	nft_rule_begin(rule, NFPROTO_NETDEV, TABLE, CHAIN_ARRIVES);
	rule_family(rule, f);
	rule_name_server(rule, f, from, IPPROTO_UDP, true);
	rule_load_flow(rule, f, true);
	nft_lookup(rule, f->asked, 0);
}

/* What a name server answers goes to the server of the sandbox instead (watch.c). */
static void answer(struct nft_batch *b, const struct ip_family *f,
		   const struct egress_resolver *from)
{
	struct nft_rule rule;

	if (from->family != f->family)
		return;
	begin_answer(&rule, f, from);
	nft_limit(&rule, NAMES_PER_SECOND, NAMES_PER_SECOND);
	nft_log(&rule, EGRESS_LOG_GROUP, EGRESS_LOG_ANSWER);
	nft_rule_end(&rule, b);
	begin_answer(&rule, f, from);
	nft_verdict(&rule, NF_DROP, NULL);
	nft_rule_end(&rule, b);
}

/* What a DHCP server says to a client stays on the host, because there a plugin renews the lease of
 * the pod's address. */
static void lease(struct nft_batch *b)
{
	const uint16_t ports[] = {htons(DHCP_SERVER_PORT), htons(DHCP_CLIENT_PORT)};
	struct nft_rule rule;

	begin(&rule, &ip_families[0], IPPROTO_UDP);
	nft_payload(&rule, NFT_PAYLOAD_TRANSPORT_HEADER, 0, sizeof ports, 0);
	nft_compare(&rule, 0, NFT_CMP_EQ, ports, sizeof ports);
	nft_verdict(&rule, NF_ACCEPT, NULL);
	nft_rule_end(&rule, b);
}

void arrives_write(struct nft_batch *b, const struct egress_policy *policy)
{
	lease(b);
	for (size_t i = 0; i < ARRAY_LEN(ip_families); i++) {
		const struct ip_family *f = &ip_families[i];

		for (size_t k = 0; k < policy->n_resolvers; k++)
			answer(b, f, &policy->resolvers[k]);
		tcp_opens(b, f);
		tcp_ends(b, f);
		tcp_goes_on(b, f);
		others(b, f, IPPROTO_UDP, FLOW_DATAGRAM_MS);
		others(b, f, IPPROTO_SCTP, FLOW_IDLE_MS);
		ping(b, f);
	}
	neighbour(b, ND_NEIGHBOR_SOLICIT);
	neighbour(b, ND_NEIGHBOR_ADVERT);
}
