#include "host/egress/table.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>

#include "base/array.h"

/* The registers are 16. An identity of IPv6 takes 11 of them. */
#define SCRATCH 15

const struct ip_family ip_families[2] = {
	{
		.family = AF_INET,
		.ethertype = ETH_P_IP,
		.bytes = 4,
		.protocol_at = 9,
		.from_at = 12,
		.to_at = 16,
		.icmp = IPPROTO_ICMP,
		.echo_request = 8,
		.echo_reply = 0,
		.leaves = "leaves4",
		.in = "in4",
		.closed = "closed4",
		.pinged = "pinged4",
	},
	{
		.family = AF_INET6,
		.ethertype = ETH_P_IPV6,
		.bytes = 16,
		.protocol_at = 6,
		.from_at = 8,
		.to_at = 24,
		.icmp = IPPROTO_ICMPV6,
		.echo_request = 128,
		.echo_reply = 129,
		.leaves = "leaves6",
		.in = "in6",
		.closed = "closed6",
		.pinged = "pinged6",
	},
};

/* The kernel takes a VLAN's tag off before it looks at the protocol, so the frame is looked at, too:
 * there the tag is to be seen. */
void rule_family(struct nft_rule *rule, const struct ip_family *f)
{
	const uint16_t type = htons(f->ethertype);

	nft_meta(rule, NFT_META_PROTOCOL, SCRATCH);
	nft_compare(rule, SCRATCH, NFT_CMP_EQ, &type, sizeof type);
	nft_payload(rule, NFT_PAYLOAD_LL_HEADER, offsetof(struct ethhdr, h_proto), sizeof type,
		    SCRATCH);
	nft_compare(rule, SCRATCH, NFT_CMP_EQ, &type, sizeof type);
}

void rule_load_protocol(struct nft_rule *rule, const struct ip_family *f, unsigned reg)
{
	nft_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, f->protocol_at, 1, reg);
}

void rule_byte(struct nft_rule *rule, uint32_t base, uint32_t offset, uint8_t value)
{
	nft_payload(rule, base, offset, 1, SCRATCH);
	nft_compare(rule, SCRATCH, NFT_CMP_EQ, &value, 1);
}

void rule_protocol(struct nft_rule *rule, const struct ip_family *f, uint8_t protocol)
{
	rule_byte(rule, NFT_PAYLOAD_NETWORK_HEADER, f->protocol_at, protocol);
}

static void load_address(struct nft_rule *rule, const struct ip_family *f, uint8_t at, unsigned reg)
{
	nft_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, at, f->bytes, reg);
}

/* peer, guest, port of the peer, port of the guest, protocol */
void rule_load_flow(struct nft_rule *rule, const struct ip_family *f, bool arrives)
{
	unsigned words = f->bytes / 4;

	load_address(rule, f, arrives ? f->from_at : f->to_at, 0);
	load_address(rule, f, arrives ? f->to_at : f->from_at, words);
	nft_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, arrives ? 0 : 2, 2, 2 * words);
	nft_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, arrives ? 2 : 0, 2, 2 * words + 1);
	rule_load_protocol(rule, f, 2 * words + 2);
}

static unsigned flow_bytes(const struct ip_family *f)
{
	return 2 * f->bytes + 12;
}

void rule_load_ping(struct nft_rule *rule, const struct ip_family *f, bool arrives)
{
	load_address(rule, f, arrives ? f->from_at : f->to_at, 0);
	nft_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 4, 2, f->bytes / 4);
}

static unsigned ping_bytes(const struct ip_family *f)
{
	return f->bytes + 4;
}

static void write_table(struct nft_batch *b)
{
	struct nl_request q;

	nft_begin(&q, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
	nl_put_string(&q, NFTA_TABLE_NAME, TABLE);
	nft_add(b, &q);
}

static void write_chain(struct nft_batch *b, const char *name)
{
	struct nl_request q;

	nft_begin(&q, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL);
	nl_put_string(&q, NFTA_CHAIN_TABLE, TABLE);
	nl_put_string(&q, NFTA_CHAIN_NAME, name);
	nft_add(b, &q);
}

static void write_counter(struct nft_batch *b)
{
	struct nl_request q;

	nft_begin(&q, NFT_MSG_NEWOBJ, NLM_F_CREATE | NLM_F_EXCL);
	nl_put_string(&q, NFTA_OBJ_TABLE, TABLE);
	nl_put_string(&q, NFTA_OBJ_NAME, COUNTER);
	nft_put_be32(&q, NFTA_OBJ_TYPE, NFT_OBJECT_COUNTER);
	nl_nest_end(&q, nl_nest(&q, NFTA_OBJ_DATA));
	nft_add(b, &q);
}

/* A set that rules fill, and that forgets. */
static void write_memory(struct nft_batch *b, const char *name, unsigned key_bytes)
{
	struct nl_request q;

	nft_begin(&q, NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_EXCL);
	nl_put_string(&q, NFTA_SET_TABLE, TABLE);
	nl_put_string(&q, NFTA_SET_NAME, name);
	nft_put_be32(&q, NFTA_SET_FLAGS, NFT_SET_EVAL | NFT_SET_TIMEOUT);
	nft_put_be32(&q, NFTA_SET_KEY_TYPE, 0);
	nft_put_be32(&q, NFTA_SET_KEY_LEN, key_bytes);
	nft_put_be32(&q, NFTA_SET_ID, 0);

	size_t about = nl_nest(&q, NFTA_SET_DESC);

	nft_put_be32(&q, NFTA_SET_DESC_SIZE, FLOWS_MAX);
	nl_nest_end(&q, about);
	nft_add(b, &q);
}

static void write_family(struct nft_batch *b, const struct ip_family *f)
{
	write_chain(b, f->leaves);
	write_memory(b, f->in, flow_bytes(f));
	write_memory(b, f->closed, flow_bytes(f));
	write_memory(b, f->pinged, ping_bytes(f));
}

void table_write(struct nft_batch *b, const struct egress_policy *policy)
{
	static const char *const chains[] = {CHAIN_LEAVES, CHAIN_ARP, CHAIN_REFUSE, CHAIN_ARRIVES};

	write_table(b);
	write_counter(b);
	for (size_t i = 0; i < ARRAY_LEN(chains); i++)
		write_chain(b, chains[i]);
	for (size_t i = 0; i < ARRAY_LEN(ip_families); i++)
		write_family(b, &ip_families[i]);
	write_memory(b, NEIGHBOURS, 16);
	arrives_write(b);
	leaves_write(b, policy);
}
