#pragma once

#include "base/err.h"
#include "google/protobuf/any.pb-c.h"
#include "oci.pb-c.h"
#include "sandbox.pb-c.h"

/*
 * What a pod is made for, out of a CreateSandbox request. Private to host/shim.
 *
 * It is the spec that containerd would write for the pod's own container if that ran as an ordinary
 * task (its other way to make pods, sandboxer = "podsandbox"):
 *
 *	hostname		the pod's; without one the host's
 *	annotations		of the pod and of the request: they change the configuration, as far
 *				as the configuration allows that
 *	linux.resources		what the pod may use in all, and its overhead: the machine's size
 *	linux.sysctl		the pod's
 *	linux.cgroupsPath	the pod's in the folder that the pod names
 *	linux.namespaces	new ones, the network's by its path. What is to be the host's is
 *				missing, as in containerd's own spec
 *	linux.uidMappings	those of a pod with a user namespace ("hostUsers: false")
 *	linux.gidMappings
 *
 * Source: cri-api, runtime/v1/api.proto; containerd, internal/cri/server/podsandbox.
 */
struct pod_config {
	Grpc__Spec *spec;  /* read, and not yet checked */
	char *config_path; /* in the runtime's options, if these came instead of a pod's; or NULL */
	char *resolv_conf; /* the text of the pod's; NULL: the host's is the pod's */
};

/* Returns 0, -EINVAL for options that are no configuration of a pod, or -ENOMEM. The request is not
 * needed any more after it. Call pod_config_fini() also after a failure. */
int pod_config_read(const Containerd__Runtime__Sandbox__V1__CreateSandboxRequest *q,
		    struct pod_config *ret, struct err *e);
void pod_config_fini(struct pod_config *p);
