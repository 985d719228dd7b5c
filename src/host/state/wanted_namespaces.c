#include "host/state/wanted_namespaces.h"

#include <sched.h>
#include <stdio.h>

#include "base/array.h"
#include "base/file.h"
#include "oci/names.h"

static const int types[] = {CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWUSER};

_Static_assert(ARRAY_LEN(types) == WANTED_NAMESPACES_MAX, "each has a place");

/* The namespace of a process, 0: the caller's; zeroes if there is none. */
static struct stat ns_of(pid_t pid, int type)
{
	struct stat st = {0};
	char path[64];

	if (pid > 0)
		(void) snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, oci_namespace_file(type));
	else
		(void) snprintf(path, sizeof path, "/proc/self/ns/%s", oci_namespace_file(type));
	if (stat(path, &st) < 0)
		st = (struct stat){0};
	return st;
}

static void consider(struct wanted_namespaces *w, const Grpc__LinuxNamespace *ns)
{
	int type = oci_namespace_flag(ns->type);
	struct stat st;

	for (size_t k = 0; k < ARRAY_LEN(types); k++) {
		if (types[k] != type || !ns->path || stat(ns->path, &st) < 0)
			continue;

		struct stat own = ns_of(0, type);

		if (file_is_same(&st, &own))
			continue;
		w->ns[k] = st;
		w->n++;
	}
}

struct wanted_namespaces wanted_namespaces_of(const Grpc__Spec *spec)
{
	struct wanted_namespaces w = {0};

	for (size_t i = 0; spec->linux && i < spec->linux->n_namespaces; i++)
		consider(&w, spec->linux->namespaces[i]);
	return w;
}

bool wanted_namespaces_has(const struct wanted_namespaces *w, pid_t pid)
{
	for (size_t k = 0; k < ARRAY_LEN(types); k++) {
		if (w->ns[k].st_ino == 0)
			continue;

		struct stat its = ns_of(pid, types[k]);

		if (file_is_same(&w->ns[k], &its))
			return true;
	}
	return false;
}
