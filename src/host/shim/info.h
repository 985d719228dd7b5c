#pragma once

#include "base/err.h"

/*
 * The flag -info: containerd 2.0 and later run the shim with it, to learn what the runtime can do.
 * Private to host/shim.
 *
 * Reads the runtime's options from @in (a google.protobuf.Any, or nothing) and writes a
 * containerd.types.RuntimeInfo to @out. Needs neither a bundle nor rights. Returns 0, -EINVAL for
 * an input that is no options, or -errno.
 *
 * Source: containerd, pkg/shim and api/types/introspection.proto.
 */
int shim_info(int in, int out, struct err *e);
