/* Queues of interfaces (qdiscs), see tc(8): how they are made and removed, whatever their kind. */
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "host/network/tap.h"

static struct tcmsg place_of(const struct queue *at)
{
	return (struct tcmsg){
		.tcm_ifindex = at->link,
		.tcm_parent = at->parent,
		.tcm_handle = at->handle,
	};
}

void queue_begin(struct nl_request *q, const struct queue *at, const char *kind)
{
	const struct tcmsg tc = place_of(at);

	nl_begin(q, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &tc, sizeof tc);
	nl_put_string(q, TCA_KIND, kind);
}

void queue_remove(struct network *n, const struct queue *at)
{
	const struct tcmsg tc = place_of(at);
	struct nl_request q;

	nl_begin(&q, RTM_DELQDISC, 0, &tc, sizeof tc);
	(void) nl_ask(n->sock, &q, NULL);
}

static struct queue ingress_of(int link)
{
	return (struct queue){link, TC_H_INGRESS, INGRESS_HANDLE};
}

int ingress_make(struct network *n, int link, struct err *e)
{
	const struct queue at = ingress_of(link);
	struct nl_request q;

	queue_begin(&q, &at, "ingress");
	return nl_ask(n->sock, &q, e);
}

void ingress_remove(struct network *n, int link)
{
	const struct queue at = ingress_of(link);

	queue_remove(n, &at);
}
