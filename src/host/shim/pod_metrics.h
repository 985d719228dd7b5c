#pragma once

#include "host/http/http.h"
#include "host/shim/server.h"

/* Answers with the metrics of the pod's processes on the host and of its guest. Private to
 * host/shim. */
void pod_metrics(struct server *s, struct http_call *call, const struct http_request *q);
