/*
 * Memory in quiet times. Large messages leave a heap behind that is worth keeping while more of them
 * come and not afterwards: it is memory that containers do not have.
 */

#include <malloc.h>

#include "agent/rpc/agent.h"

/* Without a request for so long it is quiet. */
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
