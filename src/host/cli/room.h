#pragma once

#include "base/err.h"
#include "host/cli/server.h"

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

/* Gives up all rights that are left. */
int room_lock(struct err *e);
