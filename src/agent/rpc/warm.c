/* What containers need of the agent: made with the first one, or before it. */
#include "agent/rpc/agent.h"

int rpc_need_host(struct rpc *rpc, struct err *e)
{
	return rpc->host ? 0
			 : container_host_new(rpc->config.loop, rpc->config.reaper, &rpc->host, e);
}

int rpc_warm(struct rpc *rpc, struct err *e)
{
	int r = rpc_need_host(rpc, e);

	return r < 0 ? r : container_host_warm(rpc->host, e);
}
