#pragma once

#include "host/sandbox/model.h"

/*
 * The size of the machine follows the limits of its containers, if that of its configuration allows
 * (static_sandbox_resource_mgmt). Private to host/sandbox. Loop.
 *
 *	Create	grows, then the container is created
 *	Update	grows, then the container is updated, then memory that is not needed goes
 *	Delete	the container is deleted, then memory that is not needed goes
 */

/* Makes the machine as large as all containers that count need, and then calls @done: at once if it
 * is that large, or cannot change. Fails if the guest does not take what it gets. */
void machine_fit(struct sandbox *sb, sandbox_done_fn done, void *arg);

/* The same when nothing depends on it: after something went. */
void machine_shrink(struct sandbox *sb);
