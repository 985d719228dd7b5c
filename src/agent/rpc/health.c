#include "agent/rpc/agent.h"
#include "base/version.h"
#include "health.pb-c.h"

void health_check(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	Grpc__HealthCheckResponse reply = GRPC__HEALTH_CHECK_RESPONSE__INIT;

	(void) rpc;
	(void) request;
	reply.status = GRPC__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
	ttrpc_reply(call, &reply.base);
}

void health_version(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	Grpc__VersionCheckResponse reply = GRPC__VERSION_CHECK_RESPONSE__INIT;

	(void) rpc;
	(void) request;
	reply.grpc_version = (char *) "0.0.1"; /* of the protocol; never changed upstream */
	reply.agent_version = (char *) version_number();
	ttrpc_reply(call, &reply.base);
}
