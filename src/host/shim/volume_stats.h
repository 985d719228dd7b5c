#pragma once

#include "host/http/http.h"
#include "host/shim/server.h"

/* Answers what a direct volume ("path=" in the query) has room for and uses: upstream's JSON of
 * VolumeStatsResponse (csi.proto). Loop. */
void volume_stats(struct server *s, struct http_call *call, const struct http_request *q);
