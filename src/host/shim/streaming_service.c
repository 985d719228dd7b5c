/* containerd's streaming service: the standard streams of processes, see host/stdio/streaming.h. */
#include "base/array.h"
#include "host/shim/server.h"
#include "streaming.pb-c.h"

static void stream(struct ttrpc_call *call, const ProtobufCMessage *request, void *arg)
{
	struct server *s = arg;

	(void) request;
	sandbox_serve_stream(s->sandbox, call);
}

static const struct ttrpc_method methods[] = {{"Stream", stream}};

const struct ttrpc_service streaming_service = {
	.descriptor = &containerd__services__streaming__v1__streaming__descriptor,
	.methods = methods,
	.n_methods = ARRAY_LEN(methods),
	.of_streams = true,
};
