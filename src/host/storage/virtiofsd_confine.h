#pragma once

#include "host/confine/confine.h"
#include "host/storage/virtiofsd.h"

/*
 * What the child gives up before it becomes virtiofsd, because the guest that it serves may take it
 * over. It is one process, the first of its pid namespace, in namespaces of its own; its root has
 * only programs, libraries, its own entries of /proc and the share; the capabilities to serve files
 * of all owners count in its user namespace only; an allow-list limits its system calls.
 *
 * The user namespace maps every id to itself, so that files have the owners that the guest gives
 * them. Because it is not the host's, no capability held in it can make device nodes or mount.
 */

/* The share's path in virtiofsd's root. */
#define VIRTIOFSD_SHARE "/share"

/* virtiofsd's limit of descriptors: it needs one for each file that the guest's kernel knows. */
#define VIRTIOFSD_NOFILE 1000000

/* Without root's rights this process can make no namespaces: then it only joins the cgroups and
 * sets the limit of descriptors. */
int virtiofsd_confine(struct confine *c, const struct virtiofsd_spec *spec, const char *program,
		      struct err *e);
