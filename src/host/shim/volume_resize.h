#pragma once

#include "host/http/http.h"
#include "host/shim/server.h"

/* Answers POST /direct-volume/resize of the management socket, as upstream's runtime in Go: the
 * body is what direct_volume_parse_resize() reads. 200 once the guest's file system has that size.
 * Loop. */
void volume_resize(struct server *s, struct http_call *call, const struct http_request *q);
