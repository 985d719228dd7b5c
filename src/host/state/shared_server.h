#pragma once

#include <stdbool.h>

#include "host/state/state_dir.h"

/*
 * Containers in one machine have one server, and each has a folder of its own: the socket is one
 * file under a name in each of them (a hard link), so that it is reached by any while the others
 * come and go. Each folder has notes for cleaning up after that server.
 */

/* Makes the server of the container @of that of the new container @dir, whose bundle is @bundle.
 * -ENOENT when @of is being removed. */
int shared_server_link(const struct state_dir *dir, const struct state_dir *of, const char *bundle,
		       struct err *e);

/* Whether another container's folder has the server of @dir, too. */
bool shared_server_has_others(const struct state_dir *dir);

/* Whether two containers are in one machine. */
bool shared_server_same(const struct state_dir *a, const struct state_dir *b);
