#pragma once

#include "host/cli/server.h"
#include "host/state/state_dir.h"
#include "oci/oci.h"

/* What the sandbox server says of a container. */
int status_ask(struct server *s, const char *id, enum oci_status *ret, struct err *e);

/* The same for one of which only the folder is known: without a server that answers, it is stopped;
 * before its record is written, it is being created. */
enum oci_status status_of(const struct state_dir *dir);
