/*
 * A rate that an interface sends at most: a token bucket (tbf) as its root queue. See tc-tbf(8);
 * the layouts are those of linux/pkt_sched.h.
 */
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "host/network/tap.h"

/* Tells our queue from those of others. */
#define HANDLE TC_H_MAKE(0xca7aU << 16, 0)

/* What may be sent at once: 10 ms of the rate, but never less than the largest packet that a guest
 * hands over in one piece (64 KiB), because tbf would have to cut it. */
#define BURST_PER_SECOND 100
#define BURST_MIN_BYTES  (128U << 10)
#define BURST_MAX_BYTES  (64U << 20)
/* What waits at most beside that: 50 ms of the rate. */
#define QUEUE_PER_SECOND 20

static uint32_t within(uint64_t bytes)
{
	return bytes < BURST_MIN_BYTES
		       ? BURST_MIN_BYTES
		       : (bytes > BURST_MAX_BYTES ? BURST_MAX_BYTES : (uint32_t) bytes);
}

static void put_options(struct nl_request *q, uint64_t bytes_per_second)
{
	uint32_t burst = within(bytes_per_second / BURST_PER_SECOND);
	struct tc_tbf_qopt options = {
		.rate.linklayer = TC_LINKLAYER_ETHERNET, /* frames count as they are */
		.rate.rate =
			bytes_per_second < UINT32_MAX ? (uint32_t) bytes_per_second : UINT32_MAX,
		.limit = burst + within(bytes_per_second / QUEUE_PER_SECOND),
	};
	size_t nest = nl_nest(q, TCA_OPTIONS);

	nl_put(q, TCA_TBF_PARMS, &options, sizeof options);
	nl_put_u32(q, TCA_TBF_BURST, burst);
	if (bytes_per_second >= UINT32_MAX)
		nl_put(q, TCA_TBF_RATE64, &bytes_per_second, sizeof bytes_per_second);
	nl_nest_end(q, nest);
}

int limit_make(struct network *n, int link, uint64_t bits_per_second, struct err *e)
{
	/* Less than a byte per second would be no limit for tbf. */
	uint64_t bytes_per_second = bits_per_second > 8 ? bits_per_second / 8 : 1;
	struct nl_request q;

	queue_begin(&q, &(struct queue){link, TC_H_ROOT, HANDLE}, "tbf");
	put_options(&q, bytes_per_second);
	return nl_ask(n->sock, &q, e);
}

void limit_remove(struct network *n, int link)
{
	queue_remove(n, &(struct queue){link, TC_H_ROOT, HANDLE});
}
