#include "host/egress/table.h"

#include <sys/socket.h>

#include "base/array.h"

static unsigned flow_bytes(const struct ip_family *f)
{
	return 2 * f->bytes + 12;
}

static unsigned ping_bytes(const struct ip_family *f)
{
	return f->bytes + 4;
}

static void write_chain(struct nft_batch *b, const char *name)
{
	struct nl_request q;

	nft_begin(&q, NFPROTO_NETDEV, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL);
	nl_put_string(&q, NFTA_CHAIN_TABLE, TABLE);
	nl_put_string(&q, NFTA_CHAIN_NAME, name);
	nft_add(b, &q);
}

static void write_counter(struct nft_batch *b)
{
	struct nl_request q;

	nft_begin(&q, NFPROTO_NETDEV, NFT_MSG_NEWOBJ, NLM_F_CREATE | NLM_F_EXCL);
	nl_put_string(&q, NFTA_OBJ_TABLE, TABLE);
	nl_put_string(&q, NFTA_OBJ_NAME, COUNTER);
	nft_put_be32(&q, NFTA_OBJ_TYPE, NFT_OBJECT_COUNTER);
	nl_nest_end(&q, nl_nest(&q, NFTA_OBJ_DATA));
	nft_add(b, &q);
}

static void write_set(struct nft_batch *b, const char *name, unsigned key_bytes, uint32_t flags,
		      uint32_t most)
{
	struct nl_request q;

	nft_begin(&q, NFPROTO_NETDEV, NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_EXCL);
	nl_put_string(&q, NFTA_SET_TABLE, TABLE);
	nl_put_string(&q, NFTA_SET_NAME, name);
	nft_put_be32(&q, NFTA_SET_FLAGS, flags);
	nft_put_be32(&q, NFTA_SET_KEY_TYPE, 0);
	nft_put_be32(&q, NFTA_SET_KEY_LEN, key_bytes);
	nft_put_be32(&q, NFTA_SET_ID, 0);

	size_t about = nl_nest(&q, NFTA_SET_DESC);

	nft_put_be32(&q, NFTA_SET_DESC_SIZE, most);
	nl_nest_end(&q, about);
	nft_add(b, &q);
}

/* A set that rules fill, and that forgets. */
static void write_memory(struct nft_batch *b, const char *name, unsigned key_bytes)
{
	write_set(b, name, key_bytes, NFT_SET_EVAL | NFT_SET_TIMEOUT, FLOWS_MAX);
}

static void write_names(struct nft_batch *b, const struct ip_family *f,
			const struct egress_policy *policy)
{
	char set[SET_NAME_BYTES];

	for (size_t i = 0; i < policy->n; i++)
		if (policy->rules[i].name) {
			table_name_set(set, f, i);
			write_set(b, set, f->bytes, 0, NAMES_ADDRESSES_MAX);
		}
}

void table_name_address(struct nft_batch *b, const struct names_change *change)
{
	const struct ip_family *f = &ip_families[change->family == AF_INET ? 0 : 1];
	char set[SET_NAME_BYTES];
	struct nl_request q;

	table_name_set(set, f, change->rule);
	nft_begin(&q, NFPROTO_NETDEV, change->comes ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM,
		  change->comes ? NLM_F_CREATE : 0);
	nl_put_string(&q, NFTA_SET_ELEM_LIST_TABLE, TABLE);
	nl_put_string(&q, NFTA_SET_ELEM_LIST_SET, set);

	size_t list = nl_nest(&q, NFTA_SET_ELEM_LIST_ELEMENTS);
	size_t element = nl_nest(&q, NFTA_LIST_ELEM), key = nl_nest(&q, NFTA_SET_ELEM_KEY);

	nl_put(&q, NFTA_DATA_VALUE, change->bytes, f->bytes);
	nl_nest_end(&q, key);
	nl_nest_end(&q, element);
	nl_nest_end(&q, list);
	nft_add(b, &q);
}

static void write_family(struct nft_batch *b, const struct ip_family *f,
			 const struct egress_policy *policy)
{
	write_chain(b, f->leaves);
	write_memory(b, f->in, flow_bytes(f));
	write_memory(b, f->closed, flow_bytes(f));
	write_memory(b, f->ended_there, flow_bytes(f));
	write_memory(b, f->ended_here, flow_bytes(f));
	write_memory(b, f->pinged, ping_bytes(f));
	write_memory(b, f->out, flow_bytes(f));
	write_memory(b, f->asked, flow_bytes(f));
	write_names(b, f, policy);
}

void table_write(struct nft_batch *b, const struct egress_policy *policy)
{
	static const char *const chains[] = {CHAIN_LEAVES, CHAIN_ARP, CHAIN_REFUSE, CHAIN_ARRIVES};

	nft_table(b, NFPROTO_NETDEV, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, TABLE);
	write_counter(b);
	for (size_t i = 0; i < ARRAY_LEN(chains); i++)
		write_chain(b, chains[i]);
	for (size_t i = 0; i < ARRAY_LEN(ip_families); i++)
		write_family(b, &ip_families[i], policy);
	write_memory(b, NEIGHBOURS, 16);
	arrives_write(b, policy);
	leaves_write(b, policy);
}
