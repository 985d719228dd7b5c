/* Parts of rules. */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <stddef.h>
#include <stdio.h>

#include "host/egress/table.h"

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
		.ended_there = "ended_there4",
		.ended_here = "ended_here4",
		.pinged = "pinged4",
		.out = "out4",
		.asked = "asked4",
		.of_name = "name4_",
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
		.ended_there = "ended_there6",
		.ended_here = "ended_here6",
		.pinged = "pinged6",
		.out = "out6",
		.asked = "asked6",
		.of_name = "name6_",
	},
};

/* The kernel takes a VLAN's tag off before it looks at the protocol, so the frame is looked at,
 * too: there the tag is to be seen. */
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

void rule_tcp_flags(struct nft_rule *rule, uint8_t mask, uint32_t op, uint8_t are)
{
	nft_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1, 0);
	nft_mask(rule, 0, &mask, 1);
	nft_compare(rule, 0, op, &are, 1);
}

void rule_load_ping(struct nft_rule *rule, const struct ip_family *f, bool arrives)
{
	load_address(rule, f, arrives ? f->from_at : f->to_at, 0);
	nft_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 4, 2, f->bytes / 4);
}

void rule_name_server(struct nft_rule *rule, const struct ip_family *f,
		      const struct egress_resolver *to, uint8_t protocol, bool arrives)
{
	const uint16_t port = htons(DNS_PORT);

	rule_protocol(rule, f, protocol);
	load_address(rule, f, arrives ? f->from_at : f->to_at, 0);
	nft_compare(rule, 0, NFT_CMP_EQ, to->bytes, f->bytes);
	nft_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, arrives ? 0 : 2, 2, 0);
	nft_compare(rule, 0, NFT_CMP_EQ, &port, sizeof port);
}

void table_name_set(char *set, const struct ip_family *f, size_t rule)
{
	(void) snprintf(set, SET_NAME_BYTES, "%s%zu", f->of_name, rule);
}
