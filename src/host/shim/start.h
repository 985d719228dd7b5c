#pragma once

#include "base/err.h"
#include "host/shim/options.h"

/*
 * The verb "start": containerd runs it in a bundle, and reads where the shim of that container
 * serves. Private to host/shim.
 *
 * A lone container and a pod get a server of their own, which goes on after this process; another
 * container of the pod is told the pod's server. containerd reads standard output and standard
 * error as one, so nothing but the answer, or the reason of a failure, is written to either.
 */
int shim_start(const struct shim_options *o, struct err *e);

/* The socket of containerd's event service; in the environment. */
#define EVENTS_VARIABLE "TTRPC_ADDRESS"
