#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "oci.pb-c.h"

/*
 * What a container is in a pod of Kubernetes. Private to host/shim.
 *
 * containerd's CRI and CRI-O say it with an annotation: the first container of a pod is its
 * "sandbox", whose namespaces are the pod's, the others are a "container".
 */

/* Whether the container stands for a pod and is to run no program. */
bool pod_spec_is_sandbox(const Grpc__Spec *spec);

/* Refuses what a pod in a virtual machine cannot have: the host's network, processes or ipc. CRI
 * asks for these by leaving the namespace out. No-op for a container that is in no pod of
 * Kubernetes. @spec was read and not yet
 * checked, because what is missing in it would be told as something else. Returns 0 or -ENOTSUP. */
int pod_spec_check(const Grpc__Spec *spec, struct err *e);
