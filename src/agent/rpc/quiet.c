/*
 * Returns free heap to the kernel when no requests come. Large messages leave a heap behind that is
 * worth keeping only while more of them come, because containers could use the memory.
 */

#include <malloc.h>

#include "agent/rpc/agent.h"

/* The heap is trimmed when no request has come for so long. */
#define QUIET_MS 500

static void look(void *arg)
{
	struct rpc *rpc = arg;

	rpc->quiet_timer = NULL;
	if (!rpc->active) {
		(void) malloc_trim(0);
		return;
	}
	rpc->active = false;
	/* Without memory for the timer the next request tries again. */
	(void) loop_timer(rpc->config.loop, clock_deadline(QUIET_MS), look, rpc, &rpc->quiet_timer,
			  NULL);
}

void quiet_disturb(struct rpc *rpc)
{
	rpc->active = true;
	if (!rpc->quiet_timer)
		(void) loop_timer(rpc->config.loop, clock_deadline(QUIET_MS), look, rpc,
				  &rpc->quiet_timer, NULL);
}
