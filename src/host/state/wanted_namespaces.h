#pragma once

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "oci/oci.h"

/*
 * Which container a new one shares namespaces with. An engine says it by paths of the host
 * (linux.namespaces[].path), such as /proc/PID/ns/ipc of the other's stand-in process, or a file
 * that the other's network namespace is mounted at.
 */

/* Those of a stand-in: ipc, uts, pid, network, user. Of others the server says what is wrong with
 * the path. */
#define WANTED_NAMESPACES_MAX 5

/* Zeroes, which are no namespace's, where the spec names none. */
struct wanted_namespaces {
	struct stat ns[WANTED_NAMESPACES_MAX];
	size_t n;
};

/* Those that @spec names by a path, but for the caller's own: it is the host's, which no container
 * of ours has. */
struct wanted_namespaces wanted_namespaces_of(const Grpc__Spec *spec);

/* Whether the process has one of them. */
bool wanted_namespaces_has(const struct wanted_namespaces *w, pid_t pid);
