/* The user namespace of a container. The guest makes it anew, with the same mappings, because one
 * of the host's kernel is of no use there; the host has one, too, for the process that stands in
 * for the container, by whose /proc/PID/ns/user engines name it. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/userns.h"
#include "host/spec/spec.h"
#include "oci/names.h"
#include "oci/oci.h"

struct mappings {
	Grpc__LinuxIDMapping ***list;
	size_t *n;
	const char *field;
};

/* ---- Mappings as the kernel prints them ---- */

static int add_mapping(const struct mappings *m, const Grpc__LinuxIDMapping *read)
{
	Grpc__LinuxIDMapping **longer = reallocarray(*m->list, *m->n + 1, sizeof *longer);

	if (!longer)
		return -ENOMEM;
	*m->list = longer;
	longer[*m->n] = malloc(sizeof *read);
	if (!longer[*m->n])
		return -ENOMEM;
	*longer[(*m->n)++] = *read;
	return 0;
}

/* Reads a line of /proc/PID/uid_map. Returns what follows it, or NULL for none. */
static const char *read_line(const char *text, Grpc__LinuxIDMapping *ret)
{
	const char *end = strchr(text, '\n');

	grpc__linux_idmapping__init(ret);
	if (!end || sscanf(text, "%u %u %u", &ret->containerid, &ret->hostid, &ret->size) != 3)
		return NULL;
	ret->has_containerid = ret->has_hostid = ret->has_size = true;
	return end + 1;
}

static int fill_in(const struct mappings *m, const char *text, struct err *e)
{
	Grpc__LinuxIDMapping line;
	int r = 0;

	while (r == 0 && (text = read_line(text, &line)))
		r = add_mapping(m, &line);
	return r < 0 ? err_sys(e, -r, "read the mappings of a user namespace") : 0;
}

static bool has_mapping(const struct mappings *m, const Grpc__LinuxIDMapping *wanted)
{
	for (size_t i = 0; i < *m->n; i++) {
		const Grpc__LinuxIDMapping *have = (*m->list)[i];

		if (have->containerid == wanted->containerid && have->hostid == wanted->hostid &&
		    have->size == wanted->size)
			return true;
	}
	return false;
}

/* The kernel may have changed the order. */
static bool are_same(const struct mappings *m, const char *text)
{
	Grpc__LinuxIDMapping line;
	size_t n = 0;

	for (; (text = read_line(text, &line)); n++)
		if (!has_mapping(m, &line))
			return false;
	return n == *m->n;
}

/* Mappings beside a path must be those of the namespace; without any they are taken from it. */
static int agree(const struct mappings *m, const char *text, const char *path, struct err *e)
{
	if (*m->n == 0)
		return fill_in(m, text, e);
	if (!are_same(m, text))
		return err_say(e, EINVAL, "linux.%s: they are not those of '%s'", m->field, path);
	return 0;
}

/* ---- The namespace ---- */

static int read_maps(int user_ns, int proc_fd, const char *path, char **ret_uid_map,
		     char **ret_gid_map, struct err *e)
{
	struct err why = {0};
	int r = userns_read_maps(user_ns, proc_fd, ret_uid_map, ret_gid_map, &why);

	if (r == -EINVAL)
		return err_say(e, ENOTSUP, "'%s' is the host's own user namespace", path);
	if (r < 0 && e)
		*e = why;
	return r;
}

static int join(const struct guest_rules *rules, Grpc__Linux *linux, Grpc__LinuxNamespace *ns,
		int proc_fd, struct err *e)
{
	const struct mappings uids = {&linux->uidmappings, &linux->n_uidmappings, "uidMappings"};
	const struct mappings gids = {&linux->gidmappings, &linux->n_gidmappings, "gidMappings"};
	struct guest_joined *joined = rules->ret_joined;
	const struct guest_sibling *sibling = NULL;
	auto_free char *uid_map = NULL, *gid_map = NULL;
	int r = guest_namespace_open(rules, ns->path, CLONE_NEWUSER, &joined->user_ns, &sibling, e);

	if (r < 0)
		return r;
	r = read_maps(joined->user_ns, proc_fd, ns->path, &uid_map, &gid_map, e);
	if (r == 0)
		r = agree(&uids, uid_map, ns->path, e);
	if (r == 0)
		r = agree(&gids, gid_map, ns->path, e);
	if (r < 0)
		return r;
	if (sibling && !(joined->user_of = strdup(sibling->id)))
		return err_sys(e, ENOMEM, "rewrite the spec");
	joined->any |= sibling != NULL;
	/* The guest is told in other words. */
	ns->path[0] = '\0';
	return 0;
}

static int make(const struct guest_rules *rules, const Grpc__Linux *linux, int proc_fd,
		struct err *e)
{
	auto_free char *uid_map = NULL, *gid_map = NULL;
	int r = oci_id_map_print(linux->uidmappings, linux->n_uidmappings, &uid_map, e);

	if (r == 0)
		r = oci_id_map_print(linux->gidmappings, linux->n_gidmappings, &gid_map, e);
	if (r == 0)
		r = userns_make(uid_map, gid_map, proc_fd, &rules->ret_joined->user_ns, e);
	return err_wrap(e, r, "linux.uidMappings");
}

int guest_users_make(const struct guest_rules *rules, Grpc__Linux *linux, struct err *e)
{
	for (size_t i = 0; i < linux->n_namespaces; i++) {
		Grpc__LinuxNamespace *ns = linux->namespaces[i];

		if (oci_namespace_flag(ns->type) != CLONE_NEWUSER)
			continue;

		auto_close int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (proc < 0)
			return err_sys(e, errno, "open '/proc'");
		if (!ns->path || !ns->path[0])
			return make(rules, linux, proc, e);
		return err_wrap(e, join(rules, linux, ns, proc, e), "linux.namespaces[%zu].path",
				i);
	}
	return 0;
}
