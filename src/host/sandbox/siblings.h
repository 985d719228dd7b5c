#pragma once

#include <stddef.h>

#include "host/spec/spec.h"

/* The containers that are there when another one is created, for the namespaces that its spec names
 * by a path of the host. Private to host/sandbox. A copy, because the job that reads it runs beside
 * the loop, which adds and frees containers. */
struct siblings {
	const struct guest_sibling *holder; /* the one that holds the pod; NULL: there is none */
	size_t n;
	struct guest_sibling list[];
};
