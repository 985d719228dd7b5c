#include "host/egress/egress.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/egress/table.h"
#include "host/egress/watch.h"

/* More than a machine has. */
#define LINKS_MAX 256

/* An open policy. */
struct egress {
	int sock;
	pthread_mutex_t lock; /* guards what follows */
	struct {
		int tap, link;
	} links[LINKS_MAX];
	size_t n;
};

static int put_into_force(int sock, const struct egress_policy *policy, struct err *e)
{
	struct nft_batch b;

	nft_batch_begin(&b);
	table_write(&b, policy);

	int r = nft_commit(sock, &b, e);

	if (r == -EEXIST)
		return err_wrap(e, r, "the network namespace has one already");
	return r;
}

int egress_open(int take_sock, const struct egress_policy *policy, struct egress **ret,
		struct err *e)
{
	auto_close int sock = take_sock;
	auto_ptr(egress_close) struct egress *g = NULL;
	int r = put_into_force(sock, policy, e);

	if (r < 0)
		return err_wrap(e, r, "put the egress policy into force");
	g = calloc(1, sizeof *g);
	if (!g) {
		egress_clean(sock);
		return err_sys(e, ENOMEM, "put the egress policy into force");
	}
	g->sock = take_fd(&sock);
	(void) pthread_mutex_init(&g->lock, NULL);
	*ret = take_ptr(g);
	return 0;
}

void egress_clean(int sock)
{
	struct nft_batch b;

	nft_batch_begin(&b);
	nft_table(&b, NFPROTO_NETDEV, NFT_MSG_DELTABLE, 0, TABLE);
	(void) nft_commit(sock, &b, NULL);
}

void egress_close(struct egress *g)
{
	if (!g)
		return;
	egress_clean(g->sock);
	fd_close(g->sock);
	(void) pthread_mutex_destroy(&g->lock);
	free(g);
}

/* ---- Interfaces ---- */

#define CHAIN_NAME_BYTES 24

/* A chain's name says whose it is, because an interface may be renamed. */
static void chain_name(char *name, const char *kind, int index)
{
	(void) snprintf(name, CHAIN_NAME_BYTES, "%s%d", kind, index);
}

static void write_hook(struct nft_batch *b, const char *chain, const char *device)
{
	struct nl_request q;

	nft_begin(&q, NFPROTO_NETDEV, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL);
	nl_put_string(&q, NFTA_CHAIN_TABLE, TABLE);
	nl_put_string(&q, NFTA_CHAIN_NAME, chain);

	size_t hook = nl_nest(&q, NFTA_CHAIN_HOOK);

	nft_put_be32(&q, NFTA_HOOK_HOOKNUM, NF_NETDEV_INGRESS);
	nft_put_be32(&q, NFTA_HOOK_PRIORITY, 0);
	nl_put_string(&q, NFTA_HOOK_DEV, device);
	nl_nest_end(&q, hook);
	nl_put_string(&q, NFTA_CHAIN_TYPE, "filter");
	nft_put_be32(&q, NFTA_CHAIN_POLICY, NF_DROP);
	nft_add(b, &q);
}

/* All that arrives at @device passes @judge, and leaves through @to. */
static void write_way(struct nft_batch *b, const char *chain, const char *device, const char *judge,
		      int to)
{
	struct nft_rule rule;

	write_hook(b, chain, device);
	nft_rule_begin(&rule, NFPROTO_NETDEV, TABLE, chain);
	nft_verdict(&rule, NFT_JUMP, judge);
	nft_rule_end(&rule, b);
	nft_rule_begin(&rule, NFPROTO_NETDEV, TABLE, chain);
	nft_forward(&rule, to);
	nft_rule_end(&rule, b);
}

int egress_tap_of(struct egress *g, int link)
{
	int tap = 0;

	pthread_mutex_lock(&g->lock);
	for (size_t i = 0; i < g->n; i++)
		if (g->links[i].link == link)
			tap = g->links[i].tap;
	pthread_mutex_unlock(&g->lock);
	return tap;
}

static int add_pair(struct egress *g, const struct egress_link *l, struct err *e)
{
	bool full;

	pthread_mutex_lock(&g->lock);
	full = g->n == LINKS_MAX;
	if (!full) {
		g->links[g->n].tap = l->tap;
		g->links[g->n++].link = l->link;
	}
	pthread_mutex_unlock(&g->lock);
	return full ? err_say(e, E2BIG, "more than %d interfaces", LINKS_MAX) : 0;
}

static void remove_pair(struct egress *g, int tap)
{
	pthread_mutex_lock(&g->lock);
	for (size_t i = 0; i < g->n; i++)
		if (g->links[i].tap == tap)
			g->links[i] = g->links[--g->n];
	pthread_mutex_unlock(&g->lock);
}

int egress_connect(struct egress *g, const struct egress_link *l, struct err *e)
{
	char leaves[CHAIN_NAME_BYTES], arrives[CHAIN_NAME_BYTES];
	struct nft_batch b;

	chain_name(leaves, "tap", l->tap);
	chain_name(arrives, "link", l->link);
	nft_batch_begin(&b);
	write_way(&b, leaves, l->tap_name, CHAIN_LEAVES, l->link);
	write_way(&b, arrives, l->link_name, CHAIN_ARRIVES, l->tap);

	int r = nft_commit(g->sock, &b, e);

	if (r == 0 && (r = add_pair(g, l, e)) < 0)
		egress_disconnect(g, l->tap, l->link);
	return err_wrap(e, r, "put its frames under the egress policy");
}

/* A chain goes with its device. */
static void remove_chain(struct egress *g, const char *kind, int index)
{
	char name[CHAIN_NAME_BYTES];
	struct nft_batch b;
	struct nl_request q;

	chain_name(name, kind, index);
	nft_batch_begin(&b);
	nft_begin(&q, NFPROTO_NETDEV, NFT_MSG_DELCHAIN, 0);
	nl_put_string(&q, NFTA_CHAIN_TABLE, TABLE);
	nl_put_string(&q, NFTA_CHAIN_NAME, name);
	nft_add(&b, &q);
	(void) nft_commit(g->sock, &b, NULL);
}

void egress_disconnect(struct egress *g, int tap, int link)
{
	remove_pair(g, tap);
	remove_chain(g, "tap", tap);
	remove_chain(g, "link", link);
}

/* ---- The counter ---- */

static int read_counter(void *arg, const struct nl_message *m, struct err *e)
{
	struct nl_value object[NFTA_OBJ_DATA + 1], counter[NFTA_COUNTER_PACKETS + 1];
	uint64_t big = 0, *ret = arg;

	if (nl_parse(m->attributes, m->attributes_bytes, object, NFTA_OBJ_DATA + 1) < 0 ||
	    nl_parse(object[NFTA_OBJ_DATA].data, object[NFTA_OBJ_DATA].bytes, counter,
		     NFTA_COUNTER_PACKETS + 1) < 0)
		return err_say(e, EBADMSG, "the kernel's counter is no counter");
	if (counter[NFTA_COUNTER_PACKETS].bytes == sizeof big)
		memcpy(&big, counter[NFTA_COUNTER_PACKETS].data, sizeof big);
	*ret = be64toh(big);
	return 0;
}

static void forget(void *arg)
{
	uint64_t *ret = arg;

	*ret = 0;
}

int egress_refused(int sock, uint64_t *ret, struct err *e)
{
	struct nl_request q;
	uint64_t n = 0;

	nft_begin(&q, NFPROTO_NETDEV, NFT_MSG_GETOBJ, 0);
	nl_put_string(&q, NFTA_OBJ_TABLE, TABLE);
	nft_put_be32(&q, NFTA_OBJ_TYPE, NFT_OBJECT_COUNTER);

	int r = nl_dump(sock, &q, sizeof(struct nfgenmsg), read_counter, forget, &n, e);

	if (r < 0)
		return err_wrap(e, r, "read how much the egress policy refused");
	*ret = n;
	return 0;
}
