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
#include <string.h>

#include "host/network/tap.h"

/* Tell our filters from those of others. */
#define PRIORITY       0xca7aU
#define CLAIM_PRIORITY 0xca7bU

static void put_action(struct nl_request *q, int to)
{
	const struct tc_mirred mirred = {
		.action = TC_ACT_STOLEN,
		.eaction = TCA_EGRESS_REDIR,
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

/* @to: 0 lets all pass. */
static int make_filter(struct network *n, uint32_t priority, int from, int to, struct err *e)
{
	/* A selector is followed by its keys: here one, of zeroes, which matches everything. */
	_Alignas(struct tc_u32_sel)
		uint8_t all[sizeof(struct tc_u32_sel) + sizeof(struct tc_u32_key)] = {0};
	struct tc_u32_sel *sel = (struct tc_u32_sel *) all;
	const struct tcmsg tc = {
		.tcm_ifindex = from,
		.tcm_parent = INGRESS_HANDLE,
		.tcm_info = TC_H_MAKE(priority << 16, htons(ETH_P_ALL)),
	};
	struct nl_request q;

	sel->flags = TC_U32_TERMINAL;
	sel->nkeys = 1;
	nl_begin(&q, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &tc, sizeof tc);
	nl_put_string(&q, TCA_KIND, "u32");

	size_t options = nl_nest(&q, TCA_OPTIONS);

	nl_put(&q, TCA_U32_SEL, all, sizeof all);
	if (to)
		put_action(&q, to);
	nl_nest_end(&q, options);
	return nl_ask(n->sock, &q, e);
}

static int remove_filter(struct network *n, uint32_t priority, int from)
{
	const struct tcmsg tc = {
		.tcm_ifindex = from,
		.tcm_parent = INGRESS_HANDLE,
		.tcm_info = TC_H_MAKE(priority << 16, htons(ETH_P_ALL)),
	};
	struct nl_request q;

	nl_begin(&q, RTM_DELTFILTER, 0, &tc, sizeof tc);
	return nl_ask(n->sock, &q, NULL);
}

static int make(struct network *n, uint32_t priority, int from, int to, struct err *e)
{
	int r = ingress_make(n, from, e);

	if (r < 0)
		return r;
	r = make_filter(n, priority, from, to, e);
	if (r < 0)
		ingress_remove(n, from);
	return r;
}

int mirror_make(struct network *n, int from, int to, struct err *e)
{
	return make(n, PRIORITY, from, to, e);
}

void mirror_remove(struct network *n, int from)
{
	if (remove_filter(n, PRIORITY, from) == 0)
		ingress_remove(n, from);
}

int mirror_claim(struct network *n, int from, struct err *e)
{
	return make(n, CLAIM_PRIORITY, from, 0, e);
}

bool mirror_release(struct network *n, int from)
{
	if (remove_filter(n, CLAIM_PRIORITY, from) < 0)
		return false;
	ingress_remove(n, from);
	return true;
}
