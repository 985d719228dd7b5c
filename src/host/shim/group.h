#pragma once

#include "host/shim/options.h"

/*
 * Which pod a container belongs to. Private to host/shim.
 *
 * containerd's CRI, CRI-O and nerdctl say it with annotations of the container's spec: the pod's id
 * is the id of the container that holds the pod, the sandbox container. Docker says it with paths
 * of namespaces (--pid, --ipc and --network container:NAME): the container is in the machine of the
 * one whose process has them, because two machines cannot share a namespace of their kernels'.
 */

/* The id of the pod that the container in the folder @bundle belongs to: @o's id itself for a lone
 * container, a pod, or a folder without config.json. A pod that is found by its namespaces is one
 * of @o's containerd. Freed by the caller. Returns 0 or -errno. */
int group_of(const char *bundle, const struct shim_options *o, char **ret, struct err *e);
