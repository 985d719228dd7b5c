#pragma once

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "base/buf.h"
#include "base/netlink.h"

/*
 * Words of nf_tables: objects and the expressions of rules, and transactions of them.
 *
 *	struct nft_batch b;
 *	struct nft_rule rule;
 *
 *	nft_batch_begin(&b);
 *	nft_rule_begin(&rule, NFPROTO_NETDEV, TABLE, "chain");
 *	nft_payload(&rule, NFT_PAYLOAD_NETWORK_HEADER, 16, 4, 0);
 *	nft_compare(&rule, 0, NFT_CMP_EQ, address, 4);
 *	nft_verdict(&rule, NFT_RETURN, NULL);
 *	nft_rule_end(&rule, &b);
 *	r = nft_commit(sock, &b, e);
 *
 * Formats: linux/netfilter/nf_tables.h and nfnetlink.h. Numbers of attributes are in network order.
 * The program `nft` and its libraries are not used, because a process that is run for each pod, or
 * two megabytes more in every server, would cost more than these few words.
 */

/* A transaction: all of it happens, or nothing. What does not fit makes nft_commit() fail. */
struct nft_batch {
	struct buf bytes;
	bool has_requests;
	bool overflow;
};

#define NFT_BATCH_BYTES ((size_t) 1 << 20)

void nft_batch_begin(struct nft_batch *b);

/* Begins a request. @family: NFPROTO_* of the table; @message: NFT_MSG_* */
void nft_begin(struct nl_request *q, uint8_t family, uint16_t message, uint16_t flags);
void nft_put_be32(struct nl_request *q, uint16_t type, uint32_t value);
void nft_put_be64(struct nl_request *q, uint16_t type, uint64_t value);
void nft_add(struct nft_batch *b, struct nl_request *q);
/* Adds a request about a whole table: @message is NFT_MSG_NEWTABLE or NFT_MSG_DELTABLE. */
void nft_table(struct nft_batch *b, uint8_t family, uint16_t message, uint16_t flags,
	       const char *name);

/**
 * nft_commit() - make the kernel do a transaction
 * @sock:	of NETLINK_NETFILTER, in the namespace
 * @b:		is empty afterwards and its memory freed, in any case; the kernel is not asked
 *		about one without requests
 *
 * Returns 0, or -errno of the first request that was refused.
 */
int nft_commit(int sock, struct nft_batch *b, struct err *e);

/* A rule that is being written. Registers are numbered from 0, with four bytes each; what is longer
 * takes those that follow. */
struct nft_rule {
	struct nl_request q;
	size_t list;
};

void nft_rule_begin(struct nft_rule *rule, uint8_t family, const char *table, const char *chain);
void nft_rule_end(struct nft_rule *rule, struct nft_batch *b);

/* @what: NFT_META_* */
void nft_meta(struct nft_rule *rule, uint32_t what, unsigned reg);
/* @base: NFT_PAYLOAD_*; the rule does not apply to a packet that is too short. */
void nft_payload(struct nft_rule *rule, uint32_t base, uint32_t offset, uint32_t bytes,
		 unsigned reg);
void nft_mask(struct nft_rule *rule, unsigned reg, const void *mask, size_t bytes);
/* @op: NFT_CMP_* */
void nft_compare(struct nft_rule *rule, unsigned reg, uint32_t op, const void *with, size_t bytes);
void nft_lookup(struct nft_rule *rule, const char *set, unsigned reg);
/* It is not in the set. */
void nft_lookup_not(struct nft_rule *rule, const char *set, unsigned reg);
/* Adds what is in the registers to a set, or begins its time anew. */
void nft_remember(struct nft_rule *rule, const char *set, unsigned reg, uint64_t timeout_ms);
/* Takes it out of a set, if it is there. */
void nft_forget(struct nft_rule *rule, const char *set, unsigned reg);
/* At most @per_second, and @burst at once. */
void nft_limit(struct nft_rule *rule, uint64_t per_second, uint32_t burst);
/* A copy to the socket that is bound to @group, as one that begins with @prefix. */
void nft_log(struct nft_rule *rule, uint16_t group, const char *prefix);
void nft_count(struct nft_rule *rule, const char *counter);
/* @code: NF_DROP, NFT_RETURN, or with a chain NFT_JUMP, NFT_GOTO */
void nft_verdict(struct nft_rule *rule, int code, const char *chain);
/* Out of interface @link. */
void nft_forward(struct nft_rule *rule, int link);
/* To @port of the namespace itself; in a chain of type "nat". */
void nft_redirect(struct nft_rule *rule, uint16_t port);
