#pragma once

#include "base/err.h"

/*
 * Which pod a container belongs to. Private to host/shim.
 *
 * containerd's CRI, CRI-O and nerdctl say it with annotations of the container's spec: the pod's id
 * is the id of the container that holds the pod, the sandbox container. Docker says it with paths
 * of namespaces (--pid, --ipc and --network container:NAME): the container is in the machine of the
 * one whose process has them, because two machines cannot share a namespace of their kernels'.
 */

/* The id of the pod that the container @id in the folder @bundle belongs to: @id itself for a lone
 * container, a pod, or a folder without config.json. @namespace: containerd's, in which that pod
 * has to be. Freed by the caller. Returns 0 or -errno. */
int group_of(const char *bundle, const char *id, const char *namespace, char **ret, struct err *e);
