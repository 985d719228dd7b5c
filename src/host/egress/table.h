#pragma once

#include "base/nft.h"
#include "host/egress/names.h"
#include "host/egress/policy.h"

/*
 * The rules. Private to host/egress.
 *
 *	table netdev kata_egress
 *	  tap7:  ingress of a tap		jump leaves, forward to the interface
 *	  link2: ingress of an interface	jump arrives, forward to the tap
 *	  leaves, leaves4, leaves6, arp		return: allowed; else
 *	  refuse				count, tell the server, drop
 *	  arrives				remembers who began to speak: sets in4, in6, ...
 */
#define TABLE         "kata_egress"
#define CHAIN_LEAVES  "leaves"
#define CHAIN_ARP     "arp"
#define CHAIN_REFUSE  "refuse"
#define CHAIN_ARRIVES "arrives"
#define COUNTER       "refused"
#define NEIGHBOURS    "neighbours6"

/* The group to which copies of packets go (nfnetlink_log), and what says why. */
#define EGRESS_LOG_GROUP    0xca7a
#define EGRESS_LOG_REFUSED  "refused"
#define EGRESS_LOG_QUESTION "question" /* passes, too */
#define EGRESS_LOG_ANSWER   "answer"   /* does not pass */

/* How many questions and answers of name servers the server reads in a second: of others nothing is
 * learnt, and these answers do not arrive. */
#define NAMES_PER_SECOND 1000

/* Most connections that others have begun, per kind. About 100 bytes of the kernel's each. */
#define FLOWS_MAX 32768

/* What is different in IPv4 and IPv6. */
struct ip_family {
	uint8_t family;
	uint16_t ethertype;
	uint8_t bytes;                       /* of an address */
	uint8_t protocol_at, from_at, to_at; /* in the header */
	uint8_t icmp, echo_request, echo_reply;
	const char *leaves;                   /* the chain */
	const char *in, *closed, *pinged;     /* sets */
	const char *ended_there, *ended_here; /* connections of which one end has said its last */
	const char *out, *asked, *of_name;    /* and the begin of the names of those of names */
};
extern const struct ip_family ip_families[2];

/* Writes all but the chains of interfaces. */
void table_write(struct nft_batch *b, const struct egress_policy *policy);

/* Adds an address to the set of a rule with a name, or removes it. */
void table_name_address(struct nft_batch *b, const struct names_change *change);

/* ---- leaves.c ---- */

void leaves_write(struct nft_batch *b, const struct egress_policy *policy);

/* ---- arrives.c ---- */

void arrives_write(struct nft_batch *b, const struct egress_policy *policy);

/* How long one is remembered that is silent: of TCP, longer than the two hours after which a system
 * looks whether its peer is alive (tcp(7), tcp_keepalive_time); of what has no connections. */
#define FLOW_IDLE_MS     ((uint64_t) 180 * 60 * 1000)
#define FLOW_DATAGRAM_MS ((uint64_t) 3 * 60 * 1000)

/* ---- rules.c: parts of rules ---- */

/* The set of the addresses of a rule with a name. */
#define SET_NAME_BYTES 24
void table_name_set(char *set, const struct ip_family *f, size_t rule);

/* The rule is for packets of this family only. */
void rule_family(struct nft_rule *rule, const struct ip_family *f);
/* Loads the protocol into @reg. */
void rule_load_protocol(struct nft_rule *rule, const struct ip_family *f, unsigned reg);
void rule_protocol(struct nft_rule *rule, const struct ip_family *f, uint8_t protocol);
/* Loads what identifies a connection into the registers from 0 on, the same for packets of both
 * directions. @arrives: the guest is where it goes to. */
void rule_load_flow(struct nft_rule *rule, const struct ip_family *f, bool arrives);
/* Of the flags of TCP in @mask, those in @are are set and no other; or if @op is NFT_CMP_NEQ not
 * so. */
void rule_tcp_flags(struct nft_rule *rule, uint8_t mask, uint32_t op, uint8_t are);
/* The same for an echo: the peer and the number of the echoes. */
void rule_load_ping(struct nft_rule *rule, const struct ip_family *f, bool arrives);
/* The other end of a datagram is the name server @to. */
void rule_name_server(struct nft_rule *rule, const struct ip_family *f,
		      const struct egress_resolver *to, uint8_t protocol, bool arrives);
/* A byte somewhere in the packet. */
void rule_byte(struct nft_rule *rule, uint32_t base, uint32_t offset, uint8_t value);
