#pragma once

#include "host/cli/server.h"
#include "host/state/state_dir.h"
#include "oci/oci.h"

/* Asks the sandbox server for a container's status. */
int status_ask(struct server *s, const char *id, enum oci_status *ret, struct err *e);

/* The status by the container's folder alone: stopped if no server answers, being created if it has
 * no record yet. */
enum oci_status status_of(const struct state_dir *dir);
