/*
 * Frames of one interface to another: an "ingress" queue, whose one filter matches everything (u32
 * with a mask of nothing, because not every kernel has matchall) and whose action takes the frame
 * out of another interface (mirred). See tc(8), tc-u32(8), tc-mirred(8); the layouts are those of
 * linux/pkt_sched.h, linux/pkt_cls.h and linux/tc_act/tc_mirred.h.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <netinet/in.h>
#include <string.h>

#include "host/egress/egress.h"
#include "host/network/tap.h"

/* Tell our filters from those of others. The lowest is asked first. */
#define LEASE_PRIORITY 0xca79U
#define CLAIM_PRIORITY 0xca7bU

#define KEYS_MAX 4

/* One of the filters. */
struct filter {
	uint32_t priority;
	uint16_t protocol;                /* ETH_P_* */
	struct tc_u32_key keys[KEYS_MAX]; /* from the network header on; all must match */
	uint8_t n_keys;
	/* What becomes of a frame: TCA_EGRESS_REDIR, or TCA_EGRESS_MIRROR for a copy, and then
	 * TC_ACT_*. Neither if there is no interface to send it to. */
	int how, then;
};

/* A mask of nothing matches everything. */
static const struct filter redirection = {
	.priority = MIRROR_PRIORITY,
	.protocol = ETH_P_ALL,
	.n_keys = 1,
	.how = TCA_EGRESS_REDIR,
	.then = TC_ACT_STOLEN,
};

static const struct filter claim = {
	.priority = CLAIM_PRIORITY,
	.protocol = ETH_P_ALL,
	.n_keys = 1,
};

/* Words of a packet of IPv4 (RFC 791, 3.1): what is not looked at is 0 in the mask. */
#define KEY(at, value_, mask_)                                          \
	{                                                               \
		.off = (at), .val = htonl(value_), .mask = htonl(mask_) \
	}

static struct filter lease_answers(void)
{
	return (struct filter){
		.priority = LEASE_PRIORITY,
		.protocol = ETH_P_IP,
		.keys =
			{
				KEY(0, 0x45000000, 0xff000000), /* version 4, no options */
				KEY(4, 0, 0x00001fff),          /* no later fragment */
				KEY(8, IPPROTO_UDP << 16, 0x00ff0000),
				KEY(20, DHCP_SERVER_PORT << 16 | DHCP_CLIENT_PORT, 0xffffffff),
			},
		.n_keys = KEYS_MAX,
		.how = TCA_EGRESS_MIRROR,
		.then = TC_ACT_OK,
	};
}

static void put_action(struct nl_request *q, const struct filter *f, int to)
{
	const struct tc_mirred mirred = {
		.action = f->then,
		.eaction = f->how,
		.ifindex = (uint32_t) to,
	};
	size_t list = nl_nest(q, TCA_U32_ACT);
	size_t first = nl_nest(q, 1);

	nl_put_string(q, TCA_ACT_KIND, "mirred");

	size_t options = nl_nest(q, TCA_ACT_OPTIONS);

	nl_put(q, TCA_MIRRED_PARMS, &mirred, sizeof mirred);
	nl_nest_end(q, options);
	nl_nest_end(q, first);
	nl_nest_end(q, list);
}

static struct tcmsg place_of(const struct filter *f, int from)
{
	return (struct tcmsg){
		.tcm_ifindex = from,
		.tcm_parent = INGRESS_HANDLE,
		.tcm_info = TC_H_MAKE(f->priority << 16, htons(f->protocol)),
	};
}

/* A selector is followed by its keys. */
static void put_selector(struct nl_request *q, const struct filter *f)
{
	_Alignas(struct tc_u32_sel) uint8_t all[sizeof(struct tc_u32_sel) + sizeof f->keys] = {0};
	struct tc_u32_sel *sel = (struct tc_u32_sel *) all;
	size_t bytes = f->n_keys * sizeof f->keys[0];

	sel->flags = TC_U32_TERMINAL;
	sel->nkeys = f->n_keys;
	memcpy(all + sizeof *sel, f->keys, bytes);
	nl_put(q, TCA_U32_SEL, all, sizeof *sel + bytes);
}

/* @to: 0 lets all pass. */
static int make_filter(struct network *n, const struct filter *f, int from, int to, struct err *e)
{
	const struct tcmsg tc = place_of(f, from);
	struct nl_request q;

	nl_begin(&q, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &tc, sizeof tc);
	nl_put_string(&q, TCA_KIND, "u32");

	size_t options = nl_nest(&q, TCA_OPTIONS);

	put_selector(&q, f);
	if (to)
		put_action(&q, f, to);
	nl_nest_end(&q, options);
	return nl_ask(n->sock, &q, e);
}

static int remove_filter(struct network *n, const struct filter *f, int from)
{
	const struct tcmsg tc = place_of(f, from);
	struct nl_request q;

	nl_begin(&q, RTM_DELTFILTER, 0, &tc, sizeof tc);
	return nl_ask(n->sock, &q, NULL);
}

static int make(struct network *n, const struct filter *f, int from, int to, struct err *e)
{
	int r = ingress_make(n, from, e);

	if (r < 0)
		return r;
	r = make_filter(n, f, from, to, e);
	if (r < 0)
		ingress_remove(n, from);
	return r;
}

int mirror_make(struct network *n, int from, int to, struct err *e)
{
	return make(n, &redirection, from, to, e);
}

int mirror_keep_leases(struct network *n, int from, int to, struct err *e)
{
	const struct filter f = lease_answers();

	return make_filter(n, &f, from, to, e);
}

void mirror_remove(struct network *n, int from)
{
	if (remove_filter(n, &redirection, from) == 0)
		ingress_remove(n, from);
}

int mirror_claim(struct network *n, int from, struct err *e)
{
	return make(n, &claim, from, 0, e);
}

bool mirror_release(struct network *n, int from)
{
	if (remove_filter(n, &claim, from) < 0)
		return false;
	ingress_remove(n, from);
	return true;
}
