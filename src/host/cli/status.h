#pragma once

#include "host/cli/shim_client.h"
#include "host/state/state_dir.h"
#include "oci/oci.h"

/* Asks the sandbox server for a container's status. */
int status_ask(struct shim_client *s, const char *id, enum oci_status *ret, struct err *e);

/* The status by the container's folder alone: stopped if no server answers, being created if it has
 * no record yet. */
enum oci_status status_of(const struct state_dir *dir);

/* One container as the verbs show it. */
struct status_view {
	struct record record;
	struct oci_state state;
	Grpc__Spec *spec;
};

/* What is known of the container whose folder @dir is, one that is still being created included.
 * Call status_view_fini() also after a failure. */
int status_view_read(const struct state_dir *dir, struct status_view *v, struct err *e);
void status_view_fini(struct status_view *v);
