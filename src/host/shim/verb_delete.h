#pragma once

#include "base/err.h"
#include "host/shim/options.h"

/*
 * The verb "delete": cleans up after a server that is dead or does not answer. Private to
 * host/shim.
 *
 * With -state-dir it is kata-runtime that calls, and the folder is the container's; without, it is
 * containerd, which reads a DeleteResponse, and the folder is the bundle: the one of -bundle, or
 * the working folder. A container whose pod lives on has nothing there to clean up. It may be
 * called any number of times.
 */
int shim_delete(const struct shim_options *o, struct err *e);
