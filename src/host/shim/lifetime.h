#pragma once

#include "host/shim/server.h"

/*
 * When a server ends: with its last container, and without a first one when its first clients have
 * gone.
 */

/* Called after a change: ends the server if it is time to. */
void server_consider(struct server *s);

/* Somebody has asked for a container or a sandbox: it does not end for want of that any more. */
void server_used(struct server *s);

/* Ends it now. */
void server_end(struct server *s) __attribute__((cold));

/*
 * An orphan: a container that nobody will delete, because kata-runtime was killed while it created
 * the container, or while it attended the container as "run" does. The server then removes the
 * container and the state folder, which claims its id.
 *
 * A container with a STATE_RECORD in the state folder is known to others: kata-runtime writes it
 * when all that can fail has succeeded. Without a state folder (containerd) there are no orphans.
 */
int orphan_init(struct orphan *o, const char *id, const char *folder, struct err *e);
void orphan_fini(struct orphan *o);

/* The last connection is gone: a container without a STATE_RECORD is an orphan. */
void orphan_left_alone(struct server *s);

/* The process that would have deleted the container is gone. */
void orphan_found(struct server *s);

/* Removes the state folder of an orphan. The server's last step. */
void orphan_remove_folder(struct orphan *o);
