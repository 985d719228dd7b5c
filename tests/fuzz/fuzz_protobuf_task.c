/* What containerd or kata-runtime can send to a shim, and what a shim can answer. */
#include "kata.pb-c.h"
#include "sandbox.pb-c.h"
#include "task.pb-c.h"
#include "tests/fuzz/protobuf_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const ProtobufCServiceDescriptor *const services[] = {
		&containerd__task__v2__task__descriptor,
		&kata__v1__admin__descriptor,
		&containerd__runtime__sandbox__v1__sandbox__descriptor,
	};

	return unpack_any(services, 3, data, bytes);
}
