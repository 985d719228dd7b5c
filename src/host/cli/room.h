#pragma once

#include "base/err.h"
#include "host/cli/shim_client.h"
#include "host/confine/confine.h"

/*
 * The room: the namespaces of a stand-in, with the host's view of the container as the root. A
 * caller that takes the stand-in's pid for the container's and joins its namespaces gets into the
 * room and not to the host.
 *
 * The server makes net, ipc, uts and mnt (host/storage/view.h); pid and cgroup are the stand-in's
 * own. The stand-in has no capabilities, cannot get new privileges, cannot be traced, and may only
 * make the system calls that it needs to pass on signals.
 */

/* In the first process of a pid namespace: moves into the room of container @id. */
int room_enter(struct shim_client *server, const char *id, struct err *e);

/* Makes the filter for room_lock(), before the fork; freed with confine_filter_fini(). */
int room_filter(struct confine_filter *ret, struct err *e);

/* Gives up all remaining rights. Afterwards only the functions of loop.h and ttrpc.h work. */
int room_lock(const struct confine_filter *filter, struct err *e);
