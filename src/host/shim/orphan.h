#pragma once

#include "host/shim/server.h"

/*
 * A container that nobody will ever delete, because who made it was killed before anybody could have
 * learnt of it: kata-runtime while it creates, or while it attends a container as "run" does. The
 * server then removes it, and the folder that is the claim on its id.
 *
 * That a container is known says RECORD in the state folder, which kata-runtime writes when all that
 * can fail has succeeded. Without a state folder (containerd) there are no orphans.
 */
int orphan_init(struct orphan *o, const char *id, const char *folder, struct err *e);
void orphan_fini(struct orphan *o);

/* Nobody is connected any more. */
void orphan_left_alone(struct server *s);

/* Whoever made the container and would have deleted it is gone. */
void orphan_found(struct server *s);

/* Something has changed: the container may be ready to be deleted. */
void orphan_consider(struct server *s);

/* The last thing the server does. */
void orphan_remove_folder(struct orphan *o);
