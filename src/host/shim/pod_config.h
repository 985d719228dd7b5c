#pragma once

#include "base/err.h"
#include "google/protobuf/any.pb-c.h"
#include "host/sandbox/sandbox.h"
#include "sandbox.pb-c.h"

/*
 * What a machine is made for, out of a CreateSandbox request. Private to host/shim.
 *
 *	host name	of the pod
 *	size		what the pod may use in all, and its overhead
 *	annotations	of the pod and of the request: they change the configuration, as far as the
 *			configuration allows that
 *	configuration	the path in the runtime's options, if these came instead of a pod's
 *
 * Source: cri-api, runtime/v1/api.proto.
 */
struct pod_config {
	struct sandbox_spec spec; /* points into the rest */
	char *hostname, *config_path;
	Grpc__LinuxResources resources;
	Grpc__LinuxMemory memory;
	Grpc__LinuxCPU cpu;
	char *cpus;
	Grpc__Spec__AnnotationsEntry **annotations;
	size_t n_annotations;
};

/* Returns 0, -EINVAL for options that are no configuration of a pod, or -ENOMEM. The request is not
 * needed any more after it. Call pod_config_fini() also after a failure. */
int pod_config_read(const Containerd__Runtime__Sandbox__V1__CreateSandboxRequest *q,
		    struct pod_config *ret, struct err *e);
void pod_config_fini(struct pod_config *p);
