/* The answer of a request that has no words of its own. */
#include "agent/rpc/agent.h"

void answer(struct ttrpc_call *call, int r, const struct err *e)
{
	if (r < 0)
		ttrpc_fail_err(call, e);
	else
		ttrpc_reply(call, NULL);
}
