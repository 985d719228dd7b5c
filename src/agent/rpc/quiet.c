/*
 * What is done when no requests come, so that none waits for it.
 *
 * Free heap returns to the kernel: large messages leave a heap behind that is worth keeping only
 * while more of them come, because containers could use the memory.
 *
 * The driver of the balloon is loaded, by which the kernel tells the host of free pages. Nothing
 * else needs it.
 */

#include <malloc.h>

#include "agent/device/device.h"
#include "agent/rpc/agent.h"
#include "base/log.h"

/* It is quiet when no request has come for so long. */
#define QUIET_MS 500

static void report_free_pages(struct rpc *rpc)
{
	struct err e = {0};

	if (rpc->reports_free_pages || !rpc->config.is_init)
		return;
	rpc->reports_free_pages = true;
	if (module_load_if_any(rpc->config.devices, "virtio_balloon", &e) < 0)
		log_err(LOG_WARN, &e, "ignoring");
}

static void look(void *arg)
{
	struct rpc *rpc = arg;

	rpc->quiet_timer = NULL;
	if (!rpc->active) {
		(void) malloc_trim(0);
		report_free_pages(rpc);
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
