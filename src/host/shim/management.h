#pragma once

#include "host/shim/server.h"

/*
 * The management socket: HTTP for tools that watch sandboxes (docs/administration.md). Its paths
 * and its place are upstream's. It reads and changes nothing. Private to host/shim.
 */

/* Serves the socket below @base. */
int management_open(struct server *s, const char *base, const char *id, const char *state_dir,
		    struct err *e);

/* Removes it. Accepts a server that has none. */
void management_close(struct server *s);
