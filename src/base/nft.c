#include "base/nft.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>

/* Room for a verdict on each of the requests of a transaction that are refused. */
#define ANSWER_BYTES 8192

void nft_begin(struct nl_request *q, uint8_t family, uint16_t message, uint16_t flags)
{
	const struct nfgenmsg head = {.nfgen_family = family, .version = NFNETLINK_V0};

	nl_begin(q, (uint16_t) (NFNL_SUBSYS_NFTABLES << 8 | message), flags, &head, sizeof head);
}

void nft_put_be32(struct nl_request *q, uint16_t type, uint32_t value)
{
	nl_put_u32(q, type, htonl(value));
}

void nft_put_be64(struct nl_request *q, uint16_t type, uint64_t value)
{
	uint64_t big = htobe64(value);

	nl_put(q, type, &big, sizeof big);
}

/* ---- Transactions: nfnetlink_rcv_batch() in the kernel ---- */

static void add(struct nft_batch *b, const struct nl_request *q)
{
	/* The next message begins at a multiple of four; the request has zeros there. */
	if (q->overflow || buf_append(&b->bytes, q->bytes, NLMSG_ALIGN(q->header.nlmsg_len)) < 0)
		b->overflow = true;
}

static void add_frame(struct nft_batch *b, uint16_t type)
{
	const struct nfgenmsg head = {
		.version = NFNETLINK_V0,
		.res_id = htons(NFNL_SUBSYS_NFTABLES),
	};
	struct nl_request q;

	nl_begin(&q, type, 0, &head, sizeof head);
	add(b, &q);
}

void nft_batch_begin(struct nft_batch *b)
{
	b->has_requests = b->overflow = false;
	buf_init(&b->bytes, NFT_BATCH_BYTES);
	add_frame(b, NFNL_MSG_BATCH_BEGIN);
}

void nft_add(struct nft_batch *b, struct nl_request *q)
{
	b->has_requests = true;
	add(b, q);
}

void nft_table(struct nft_batch *b, uint8_t family, uint16_t message, uint16_t flags,
	       const char *name)
{
	struct nl_request q;

	nft_begin(&q, family, message, flags);
	nl_put_string(&q, NFTA_TABLE_NAME, name);
	nft_add(b, &q);
}

/* The verdicts are there when sendto() returns: one for each request that was refused. */
static int hear_verdicts(int sock, struct err *e)
{
	_Alignas(struct nlmsghdr) uint8_t answer[ANSWER_BYTES];
	bool interrupted = false;
	int r = 0;

	for (;;) {
		ssize_t n = recv(sock, answer, sizeof answer, MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return r;
		if (n < 0)
			return err_sys(e, errno, "hear what the kernel says of the rules");
		if (r == 0)
			r = nl_read(answer, (size_t) n, 0, 0, NULL, NULL, &interrupted, e);
	}
}

static int commit(int sock, struct nft_batch *b, struct err *e)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	int room = NFT_BATCH_BYTES;

	add_frame(b, NFNL_MSG_BATCH_END);
	(void) setsockopt(sock, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
	if (b->overflow)
		return err_say(e, EMSGSIZE, "the rules do not fit into a transaction");
	if (sendto(sock, buf_data(&b->bytes), buf_len(&b->bytes), 0, (struct sockaddr *) &kernel,
		   sizeof kernel) < 0)
		return err_sys(e, errno, "tell the kernel the rules");
	return hear_verdicts(sock, e);
}

int nft_commit(int sock, struct nft_batch *b, struct err *e)
{
	int r = b->has_requests ? commit(sock, b, e) : 0;

	buf_fini(&b->bytes);
	return r < 0 ? r : 0;
}

/* ---- Rules ---- */

void nft_rule_begin(struct nft_rule *rule, uint8_t family, const char *table, const char *chain)
{
	nft_begin(&rule->q, family, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	nl_put_string(&rule->q, NFTA_RULE_TABLE, table);
	nl_put_string(&rule->q, NFTA_RULE_CHAIN, chain);
	rule->list = nl_nest(&rule->q, NFTA_RULE_EXPRESSIONS);
}

void nft_rule_end(struct nft_rule *rule, struct nft_batch *b)
{
	nl_nest_end(&rule->q, rule->list);
	nft_add(b, &rule->q);
}

struct place {
	size_t element, data;
};

static struct place begin_word(struct nft_rule *rule, const char *name)
{
	struct place p = {.element = nl_nest(&rule->q, NFTA_LIST_ELEM)};

	nl_put_string(&rule->q, NFTA_EXPR_NAME, name);
	p.data = nl_nest(&rule->q, NFTA_EXPR_DATA);
	return p;
}

static void end_word(struct nft_rule *rule, struct place p)
{
	nl_nest_end(&rule->q, p.data);
	nl_nest_end(&rule->q, p.element);
}

static void put_register(struct nft_rule *rule, uint16_t type, unsigned reg)
{
	nft_put_be32(&rule->q, type, NFT_REG32_00 + reg);
}

static void put_value(struct nft_rule *rule, uint16_t type, const void *value, size_t bytes)
{
	size_t data = nl_nest(&rule->q, type);

	nl_put(&rule->q, NFTA_DATA_VALUE, value, bytes);
	nl_nest_end(&rule->q, data);
}

void nft_meta(struct nft_rule *rule, uint32_t what, unsigned reg)
{
	struct place p = begin_word(rule, "meta");

	nft_put_be32(&rule->q, NFTA_META_KEY, what);
	put_register(rule, NFTA_META_DREG, reg);
	end_word(rule, p);
}

void nft_payload(struct nft_rule *rule, uint32_t base, uint32_t offset, uint32_t bytes,
		 unsigned reg)
{
	struct place p = begin_word(rule, "payload");

	put_register(rule, NFTA_PAYLOAD_DREG, reg);
	nft_put_be32(&rule->q, NFTA_PAYLOAD_BASE, base);
	nft_put_be32(&rule->q, NFTA_PAYLOAD_OFFSET, offset);
	nft_put_be32(&rule->q, NFTA_PAYLOAD_LEN, bytes);
	end_word(rule, p);
}

void nft_mask(struct nft_rule *rule, unsigned reg, const void *mask, size_t bytes)
{
	static const uint8_t none[16];
	struct place p = begin_word(rule, "bitwise");

	put_register(rule, NFTA_BITWISE_SREG, reg);
	put_register(rule, NFTA_BITWISE_DREG, reg);
	nft_put_be32(&rule->q, NFTA_BITWISE_LEN, (uint32_t) bytes);
	put_value(rule, NFTA_BITWISE_MASK, mask, bytes);
	put_value(rule, NFTA_BITWISE_XOR, none, bytes < sizeof none ? bytes : sizeof none);
	end_word(rule, p);
}

void nft_compare(struct nft_rule *rule, unsigned reg, uint32_t op, const void *with, size_t bytes)
{
	struct place p = begin_word(rule, "cmp");

	put_register(rule, NFTA_CMP_SREG, reg);
	nft_put_be32(&rule->q, NFTA_CMP_OP, op);
	put_value(rule, NFTA_CMP_DATA, with, bytes);
	end_word(rule, p);
}

void nft_lookup(struct nft_rule *rule, const char *set, unsigned reg)
{
	struct place p = begin_word(rule, "lookup");

	nl_put_string(&rule->q, NFTA_LOOKUP_SET, set);
	put_register(rule, NFTA_LOOKUP_SREG, reg);
	end_word(rule, p);
}

void nft_lookup_not(struct nft_rule *rule, const char *set, unsigned reg)
{
	struct place p = begin_word(rule, "lookup");

	nl_put_string(&rule->q, NFTA_LOOKUP_SET, set);
	put_register(rule, NFTA_LOOKUP_SREG, reg);
	nft_put_be32(&rule->q, NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
	end_word(rule, p);
}

void nft_remember(struct nft_rule *rule, const char *set, unsigned reg, uint64_t timeout_ms)
{
	struct place p = begin_word(rule, "dynset");

	nl_put_string(&rule->q, NFTA_DYNSET_SET_NAME, set);
	nft_put_be32(&rule->q, NFTA_DYNSET_OP, NFT_DYNSET_OP_UPDATE);
	put_register(rule, NFTA_DYNSET_SREG_KEY, reg);
	nft_put_be64(&rule->q, NFTA_DYNSET_TIMEOUT, timeout_ms);
	end_word(rule, p);
}

void nft_forget(struct nft_rule *rule, const char *set, unsigned reg)
{
	struct place p = begin_word(rule, "dynset");

	nl_put_string(&rule->q, NFTA_DYNSET_SET_NAME, set);
	nft_put_be32(&rule->q, NFTA_DYNSET_OP, NFT_DYNSET_OP_DELETE);
	put_register(rule, NFTA_DYNSET_SREG_KEY, reg);
	end_word(rule, p);
}

void nft_limit(struct nft_rule *rule, uint64_t per_second, uint32_t burst)
{
	struct place p = begin_word(rule, "limit");

	nft_put_be64(&rule->q, NFTA_LIMIT_RATE, per_second);
	nft_put_be64(&rule->q, NFTA_LIMIT_UNIT, 1);
	nft_put_be32(&rule->q, NFTA_LIMIT_BURST, burst);
	nft_put_be32(&rule->q, NFTA_LIMIT_TYPE, NFT_LIMIT_PKTS);
	end_word(rule, p);
}

void nft_log(struct nft_rule *rule, uint16_t group, const char *prefix)
{
	const uint16_t big = htons(group);
	struct place p = begin_word(rule, "log");

	nl_put(&rule->q, NFTA_LOG_GROUP, &big, sizeof big);
	nl_put_string(&rule->q, NFTA_LOG_PREFIX, prefix);
	end_word(rule, p);
}

void nft_count(struct nft_rule *rule, const char *counter)
{
	struct place p = begin_word(rule, "objref");

	nft_put_be32(&rule->q, NFTA_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
	nl_put_string(&rule->q, NFTA_OBJREF_IMM_NAME, counter);
	end_word(rule, p);
}

void nft_verdict(struct nft_rule *rule, int code, const char *chain)
{
	struct place p = begin_word(rule, "immediate");

	nft_put_be32(&rule->q, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);

	size_t data = nl_nest(&rule->q, NFTA_IMMEDIATE_DATA);
	size_t verdict = nl_nest(&rule->q, NFTA_DATA_VERDICT);

	nft_put_be32(&rule->q, NFTA_VERDICT_CODE, (uint32_t) code);
	if (chain)
		nl_put_string(&rule->q, NFTA_VERDICT_CHAIN, chain);
	nl_nest_end(&rule->q, verdict);
	nl_nest_end(&rule->q, data);
	end_word(rule, p);
}

/* Into register 0. */
static void load_value(struct nft_rule *rule, const void *value, size_t bytes)
{
	struct place p = begin_word(rule, "immediate");

	put_register(rule, NFTA_IMMEDIATE_DREG, 0);
	put_value(rule, NFTA_IMMEDIATE_DATA, value, bytes);
	end_word(rule, p);
}

void nft_forward(struct nft_rule *rule, int link)
{
	const uint32_t index = (uint32_t) link;

	load_value(rule, &index, sizeof index);

	struct place p = begin_word(rule, "fwd");

	put_register(rule, NFTA_FWD_SREG_DEV, 0);
	end_word(rule, p);
}

void nft_redirect(struct nft_rule *rule, uint16_t port)
{
	const uint16_t big = htons(port);

	load_value(rule, &big, sizeof big);

	struct place p = begin_word(rule, "redir");

	put_register(rule, NFTA_REDIR_REG_PROTO_MIN, 0);
	end_word(rule, p);
}
