#pragma once

#include "base/err.h"
#include "host/cli/server.h"
#include "host/confine/confine.h"

/*
 * Where a stand-in lives: an empty room, with the host's view of the container as its root. Whoever
 * takes its pid for the container's and joins its namespaces gets there, and not to the host.
 *
 * The server has made net, ipc, uts and mnt (host/storage/view.h); pid and cgroup are the stand-in's
 * own. In it nothing can be gained: no capability, no new privileges, nothing that can be traced, and
 * only the system calls that passing on signals takes.
 */

/* In the first process of a pid namespace: moves into the room of container @id. */
int room_enter(struct server *server, const char *id, struct err *e);

/* Makes, before the fork, the list of system calls that are left; freed with confine_filter_fini(). */
int room_filter(struct confine_filter *ret, struct err *e);

/* Gives up all rights that are left. Only what loop.h and ttrpc.h do works afterwards. */
int room_lock(const struct confine_filter *filter, struct err *e);
