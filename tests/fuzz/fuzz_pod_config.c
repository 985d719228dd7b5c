/* What containerd says of a pod: the options of CreateSandbox. */
#include "host/shim/pod_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	Containerd__Runtime__Sandbox__V1__CreateSandboxRequest q =
		CONTAINERD__RUNTIME__SANDBOX__V1__CREATE_SANDBOX_REQUEST__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	struct pod_config p;

	any.type_url = (char *) "runtime.v1.PodSandboxConfig";
	any.value = (ProtobufCBinaryData){bytes, (uint8_t *) data};
	q.options = &any;
	(void) pod_config_read(&q, &p, NULL);
	pod_config_fini(&p);
	return 0;
}
