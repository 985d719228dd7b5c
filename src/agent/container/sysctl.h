#pragma once

#include "base/err.h"

/* Sets a sysctl whose value belongs to one of @namespaces (CLONE_NEW...) or to the network, for the
 * namespaces of the caller, through the procfs @proc_fd. Private to agent/container. */
int sysctl_set(int proc_fd, const char *key, const char *value, unsigned namespaces, struct err *e);
