#pragma once

#include "host/confine/confine.h"
#include "host/storage/virtiofsd.h"

/*
 * What virtiofsd gives up before it becomes virtiofsd; it serves a guest that may have taken it over by the
 * time it matters. It is one process, the first of its pid namespace, in namespaces of its own, with
 * nothing in its root but programs, libraries, its own entries of /proc and the share; the capabilities
 * that serving files of all owners takes count in a user namespace only; what it may call is listed.
 *
 * In that user namespace everybody has the number that he has on the host, so that files have the owners
 * that the guest gives them. It is not the host's: no device node can be made, whatever capabilities are
 * held, and nothing can be mounted.
 */

/* Where the share is, in its root. */
#define VIRTIOFSD_SHARE "/share"

/* A file descriptor for each file the guest's kernel knows of. */
#define VIRTIOFSD_NOFILE 1000000

/* Without root's rights there is nothing to give up and no namespace to make: then only the limits. */
int virtiofsd_confine(struct confine *c, const struct virtiofsd_spec *spec, const char *program,
		      struct err *e);
