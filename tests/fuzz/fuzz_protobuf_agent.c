/* What a guest can answer to the host, and a host send to the guest. */
#include "agent.pb-c.h"
#include "health.pb-c.h"
#include "tests/fuzz/protobuf_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const ProtobufCServiceDescriptor *const services[] = {
		&grpc__agent_service__descriptor,
		&grpc__health__descriptor,
	};

	return unpack_any(services, 2, data, bytes);
}
