#pragma once

#include "host/cli/verb.h"
#include "host/state/state_dir.h"
#include "oci.pb-c.h"

/*
 * Containers that share namespaces (a pod's, or --ipc container:X of an engine). The engine names
 * such a namespace by the pid that it was told for the other container: /proc/PID/ns/ipc. That is
 * the stand-in's, and the container itself is in a machine; to share its namespaces is to be in the
 * same machine.
 */

/**
 * join_find() - the container whose namespaces @spec names
 * @ret:	its folder; the caller's. Left alone if there is none
 *
 * A container is believed to be there while its stand-in lives, which its record names by pid and
 * start time. Namespaces are compared and not paths, so any path of one will do. Returns 1 if there
 * is one, 0 if not (then the server judges the paths), -EINVAL when the spec names containers of
 * two machines, or -errno.
 */
int join_find(const struct cli *cli, const Grpc__Spec *spec, struct state_dir *ret, struct err *e);
