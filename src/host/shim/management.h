#pragma once

#include "host/http/http.h"
#include "host/shim/server.h"

/*
 * The management socket: HTTP for tools that watch sandboxes (docs/administration.md). Its paths
 * and its place are upstream's. It reads and changes nothing. Private to host/shim.
 */

/* Serves the socket below @base. @admits judges who connects; its argument is @s. */
int management_open(struct server *s, const char *base, const char *id, const char *state_dir,
		    http_admits_fn admits, struct err *e);

/* Removes it. Accepts a server that has none. */
void management_close(struct server *s);
