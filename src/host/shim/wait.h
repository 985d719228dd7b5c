#pragma once

#include "host/shim/server.h"

/* Answers the call when the process has ended. With @owner the caller stands in for the process:
 * when it hangs up before, the process is killed; after its answer an exec is deleted. "run": when
 * it hangs up, the container is removed too. NULL: the caller only wants to know. */
void wait_begin(struct server *s, struct ttrpc_call *call, const char *id, const char *exec_id,
		const char *owner);

/* The host's processes that stand in for those of a container, as told by the metadata "kata-pid"
 * of their calls, in the order in which they began; at most @max. Returns how many. */
size_t wait_host_pids(const struct server *s, const char *id, uint32_t *pids, size_t max);
