#pragma once

#include "host/shim/server.h"

/* Answers the call when the process has ended. With @owner the caller stands in for the process: when
 * it hangs up before, the process is killed; when it has its answer, an exec is forgotten. "run": the
 * container is then removed too. NULL: the caller only wants to know. */
void wait_begin(struct server *s, struct ttrpc_call *call, const char *id, const char *exec_id,
		const char *owner);
