/* Does the linux section make sense? */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "oci/check.h"
#include "oci/names.h"

#define ID_MAPPINGS_MAX 340 /* user_namespaces(7), "Defining user and group ID mappings" */

int check_namespaces(const Grpc__Linux *l, unsigned *ret_namespaces, struct err *e)
{
	unsigned seen = 0;

	for (size_t i = 0; i < l->n_namespaces; i++) {
		const Grpc__LinuxNamespace *ns = l->namespaces[i];
		unsigned flag = ns->type ? (unsigned) oci_namespace_flag(ns->type) : 0;

		if (!flag)
			return refuse(e, EINVAL,
				      "linux.namespaces[%zu].type: unknown namespace '%.64s'", i,
				      ns->type ? ns->type : "");
		if (seen & flag)
			return refuse(e, EINVAL,
				      "linux.namespaces[%zu].type: '%s' stands there twice", i,
				      ns->type);
		if (ns->path && ns->path[0] && ns->path[0] != '/')
			return refuse(
				e, EINVAL,
				"linux.namespaces[%zu].path: '%.128s' is not an absolute path", i,
				ns->path);
		seen |= flag;
	}
	*ret_namespaces = seen;
	return 0;
}

/* What the kernel refuses, by user_namespaces(7), it refuses without a word about the field. */
static bool overlap(uint32_t a, uint32_t a_size, uint32_t b, uint32_t b_size)
{
	return a < (uint64_t) b + b_size && b < (uint64_t) a + a_size;
}

static int check_id_mapping(const Grpc__LinuxIDMapping *m, const char *field, size_t i,
			    struct err *e)
{
	bool is_inside = (uint64_t) m->containerid + m->size > UINT32_MAX;

	if (!m->has_size || m->size == 0)
		return refuse(e, EINVAL, "%s[%zu].size: must be more than zero", field, i);
	if (is_inside || (uint64_t) m->hostid + m->size > UINT32_MAX)
		return refuse(e, EINVAL, "%s[%zu].size: %u ids from %s %u on go beyond %u", field,
			      i, m->size, is_inside ? "containerID" : "hostID",
			      is_inside ? m->containerid : m->hostid, UINT32_MAX - 1);
	return 0;
}

int check_id_mappings(Grpc__LinuxIDMapping *const *list, size_t n, const char *field, struct err *e)
{
	if (n > ID_MAPPINGS_MAX)
		return refuse(e, EINVAL, "%s: there are %zu, but the kernel takes %d", field, n,
			      ID_MAPPINGS_MAX);
	for (size_t i = 0; i < n; i++) {
		const Grpc__LinuxIDMapping *m = list[i];
		int r = check_id_mapping(m, field, i, e);

		if (r < 0)
			return r;
		for (size_t k = 0; k < i; k++)
			if (overlap(m->containerid, m->size, list[k]->containerid, list[k]->size) ||
			    overlap(m->hostid, m->size, list[k]->hostid, list[k]->size))
				return refuse(e, EINVAL, "%s[%zu]: overlaps with %s[%zu]", field, i,
					      field, k);
	}
	return 0;
}

static bool is_new_user_namespace(const Grpc__Linux *l)
{
	for (size_t i = 0; i < l->n_namespaces; i++)
		if (oci_namespace_flag(l->namespaces[i]->type) == CLONE_NEWUSER)
			return !l->namespaces[i]->path || !l->namespaces[i]->path[0];
	return false;
}

static int check_user_namespace(const Grpc__Linux *l, unsigned namespaces, struct err *e)
{
	int r = check_id_mappings(l->uidmappings, l->n_uidmappings, "linux.uidMappings", e);

	if (r < 0)
		return r;
	r = check_id_mappings(l->gidmappings, l->n_gidmappings, "linux.gidMappings", e);
	if (r < 0)
		return r;
	if ((l->n_uidmappings || l->n_gidmappings) && !(namespaces & CLONE_NEWUSER))
		return refuse(e, EINVAL, "linux.%s: needs a user namespace",
			      l->n_uidmappings ? "uidMappings" : "gidMappings");
	if (is_new_user_namespace(l) && (!l->n_uidmappings || !l->n_gidmappings))
		return refuse(e, EINVAL, "linux.%s: a new user namespace needs one",
			      l->n_uidmappings ? "gidMappings" : "uidMappings");
	return 0;
}

static int check_device(const Grpc__LinuxDevice *d, size_t i, struct err *e)
{
	char field[64];

	(void) snprintf(field, sizeof field, "linux.devices[%zu].path", i);

	int r = check_absolute(d->path, field, e);

	if (r < 0)
		return r;
	if (!d->type || strlen(d->type) != 1 || !strchr("cubp", d->type[0]))
		return refuse(e, EINVAL, "linux.devices[%zu].type: '%.32s' is not c, u, b or p", i,
			      d->type ? d->type : "");
	if (d->type[0] != 'p' && (!d->has_major || !d->has_minor))
		return refuse(e, EINVAL, "linux.devices[%zu].%s: is missing", i,
			      d->has_major ? "minor" : "major");
	return 0;
}

/* maskedPaths and readonlyPaths are made with mounts, so they need a mount namespace. */
static int check_hidden_paths(char *const *paths, size_t n, const char *name, unsigned namespaces,
			      struct err *e)
{
	char field[64];

	if (n && !(namespaces & CLONE_NEWNS))
		return refuse(e, EINVAL, "linux.%s: needs a mount namespace", name);
	for (size_t i = 0; i < n; i++) {
		(void) snprintf(field, sizeof field, "linux.%s[%zu]", name, i);

		int r = check_absolute(paths[i], field, e);

		if (r < 0)
			return r;
	}
	return 0;
}

static int check_time_offsets(const Grpc__Linux *l, unsigned namespaces, struct err *e)
{
	if (l->n_timeoffsets && !(namespaces & CLONE_NEWTIME))
		return refuse(e, EINVAL, "linux.timeOffsets: needs a time namespace");
	for (size_t i = 0; i < l->n_timeoffsets; i++) {
		const char *clock = l->timeoffsets[i]->key;
		const Grpc__LinuxTimeOffset *offset = l->timeoffsets[i]->value;

		if (!clock || (strcmp(clock, "monotonic") != 0 && strcmp(clock, "boottime") != 0))
			return refuse(e, EINVAL, "linux.timeOffsets: unknown clock '%.64s'",
				      clock ? clock : "");
		if (offset && offset->nanosecs > 999999999)
			return refuse(e, EINVAL,
				      "linux.timeOffsets.%s.nanosecs: %u is out of range "
				      "(0 to 999999999)",
				      clock, offset->nanosecs);
	}
	return 0;
}

static int check_personality(const Grpc__LinuxPersonality *p, struct err *e)
{
	if (!p)
		return 0;
	if (!p->domain || oci_personality(p->domain) < 0)
		return refuse(e, EINVAL, "linux.personality.domain: unknown domain '%.64s'",
			      p->domain ? p->domain : "");
	if (p->n_flags)
		return refuse(e, EINVAL, "linux.personality.flags[0]: unknown flag '%.64s'",
			      p->flags[0]);
	return 0;
}

static int check_words(const Grpc__Linux *l, unsigned namespaces, struct err *e)
{
	const char *propagation = l->rootfspropagation;

	if (propagation && propagation[0] && !oci_propagation_flags(propagation))
		return refuse(e, EINVAL, "linux.rootfsPropagation: unknown word '%.64s'",
			      propagation);
	for (size_t i = 0; i < l->n_sysctl; i++) {
		int r = check_sysctl(l->sysctl[i]->key ? l->sysctl[i]->key : "", namespaces, e);

		if (r < 0)
			return r;
	}
	if (l->intelrdt)
		return refuse(e, ENOTSUP, "linux.intelRdt: is not supported yet");
	return 0;
}

int check_linux(const Grpc__Linux *l, unsigned namespaces, struct err *e)
{
	int r;

	for (size_t i = 0; i < l->n_devices; i++)
		if ((r = check_device(l->devices[i], i, e)) < 0)
			return r;
	if ((r = check_user_namespace(l, namespaces, e)) < 0 ||
	    (r = check_hidden_paths(l->maskedpaths, l->n_maskedpaths, "maskedPaths", namespaces,
				    e)) < 0 ||
	    (r = check_hidden_paths(l->readonlypaths, l->n_readonlypaths, "readonlyPaths",
				    namespaces, e)) < 0 ||
	    (r = check_time_offsets(l, namespaces, e)) < 0 ||
	    (r = check_personality(l->personality, e)) < 0 ||
	    (r = check_words(l, namespaces, e)) < 0)
		return r;
	if (l->seccomp && (r = check_seccomp(l->seccomp, e)) < 0)
		return r;
	return l->resources ? oci_resources_check(l->resources, e) : 0;
}
