/* Does a spec make sense? This file: the top of the document, mounts, hooks, and the container id.
 */
#include "oci/check.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "oci/names.h"

#define HOST_NAME_MAX_BYTES 64 /* the kernel's __NEW_UTS_LEN */

/* Accepts every 1.x, because the specification follows semver: 1.x only adds. */
static int check_version(const char *version, struct err *e)
{
	int end = 0;
	unsigned minor, patch;

	if (!version || !version[0])
		return refuse(e, EINVAL, "ociVersion: is missing");
	if (sscanf(version, "1.%5u.%5u%n", &minor, &patch, &end) != 2 ||
	    (version[end] && version[end] != '-' && version[end] != '+'))
		return refuse(e, EINVAL, "ociVersion: '%.32s' is not a version 1.x.y", version);
	return 0;
}

static int check_names(const Grpc__Spec *spec, unsigned namespaces, struct err *e)
{
	const struct {
		const char *field, *value;
	} names[] = {{"hostname", spec->hostname}, {"domainname", spec->domainname}};

	for (int i = 0; i < 2; i++) {
		if (!names[i].value || !names[i].value[0])
			continue;
		if (!(namespaces & CLONE_NEWUTS))
			return refuse(e, EINVAL, "%s: needs a uts namespace", names[i].field);
		if (strlen(names[i].value) > HOST_NAME_MAX_BYTES)
			return refuse(e, EINVAL, "%s: is longer than %d bytes", names[i].field,
				      HOST_NAME_MAX_BYTES);
	}
	return 0;
}

static bool is_new_bind(const Grpc__Mount *m, const struct oci_mount_options *o)
{
	bool is_bind = o->flags & MS_BIND || (m->type && strcmp(m->type, "bind") == 0);

	return is_bind && !(o->flags & MS_REMOUNT);
}

/* Refuses a bind mount without a source, because sources are relative to the bundle: it would be
 * the bundle itself, with config.json in it. */
static int check_bind(const Grpc__Mount *m, const struct oci_mount_options *o, size_t i,
		      struct err *e)
{
	if (!is_new_bind(m, o))
		return 0;
	if (!m->source || !m->source[0])
		return refuse(e, EINVAL, "mounts[%zu].source: is missing", i);
	return 0;
}

static int check_mount(const Grpc__Mount *m, size_t i, struct err *e)
{
	struct oci_mount_options o = {0};
	char field[64];

	if (!m->destination || !m->destination[0])
		return refuse(e, EINVAL, "mounts[%zu].destination: is missing", i);
	(void) snprintf(field, sizeof field, "mounts[%zu].uidMappings", i);

	int r = check_id_mappings(m->uidmappings, m->n_uidmappings, field, e);

	if (r < 0)
		return r;
	(void) snprintf(field, sizeof field, "mounts[%zu].gidMappings", i);
	r = check_id_mappings(m->gidmappings, m->n_gidmappings, field, e);
	if (r < 0)
		return r;

	r = oci_mount_options_parse(m->options, m->n_options, &o, e);
	if (r < 0)
		return err_wrap(e, r, "mounts[%zu].options", i);
	r = check_bind(m, &o, i, e);
	oci_mount_options_fini(&o);
	return r;
}

static int check_annotations(const Grpc__Spec *spec, struct err *e)
{
	for (size_t i = 0; i < spec->n_annotations; i++)
		if (!spec->annotations[i]->key || !spec->annotations[i]->key[0])
			return refuse(e, EINVAL, "annotations: a key is empty");
	return 0;
}

static int check_hooks(Grpc__Hook *const *hooks, size_t n, const char *kind, struct err *e)
{
	char field[64];

	for (size_t i = 0; i < n; i++) {
		const Grpc__Hook *hook = hooks[i];

		(void) snprintf(field, sizeof field, "hooks.%s[%zu].path", kind, i);

		int r = check_absolute(hook->path, field, e);

		if (r < 0)
			return r;
		if (hook->has_timeout && hook->timeout <= 0)
			return refuse(e, EINVAL, "hooks.%s[%zu].timeout: must be more than zero",
				      kind, i);
	}
	return 0;
}

static int check_all_hooks(const Grpc__Hooks *h, struct err *e)
{
	int r;

	if (!h)
		return 0;
	if ((r = check_hooks(h->prestart, h->n_prestart, "prestart", e)) < 0 ||
	    (r = check_hooks(h->createruntime, h->n_createruntime, "createRuntime", e)) < 0 ||
	    (r = check_hooks(h->createcontainer, h->n_createcontainer, "createContainer", e)) < 0 ||
	    (r = check_hooks(h->startcontainer, h->n_startcontainer, "startContainer", e)) < 0 ||
	    (r = check_hooks(h->poststart, h->n_poststart, "poststart", e)) < 0)
		return r;
	return check_hooks(h->poststop, h->n_poststop, "poststop", e);
}

int oci_spec_check(const Grpc__Spec *spec, struct err *e)
{
	unsigned namespaces = 0;
	int r = check_version(spec->version, e);

	if (r < 0)
		return r;
	if (!spec->root || !spec->root->path || !spec->root->path[0])
		return refuse(e, EINVAL, "root.path: is missing");
	if (!spec->linux)
		return refuse(e, EINVAL, "linux: is missing");
	if ((r = check_namespaces(spec->linux, &namespaces, e)) < 0 ||
	    (r = check_linux(spec->linux, namespaces, e)) < 0 ||
	    (r = check_names(spec, namespaces, e)) < 0 || (r = check_annotations(spec, e)) < 0 ||
	    (r = check_all_hooks(spec->hooks, e)) < 0)
		return r;
	for (size_t i = 0; i < spec->n_mounts && r == 0; i++)
		r = check_mount(spec->mounts[i], i, e);
	return r == 0 && spec->process ? oci_process_check(spec->process, e) : r;
}

int oci_id_check(const char *id, struct err *e)
{
	size_t n = strlen(id);
	size_t good =
		strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.");

	if (n == 0)
		return refuse(e, EINVAL, "the container id is empty");
	if (n > OCI_ID_MAX)
		return refuse(e, EINVAL, "the container id is longer than %d characters",
			      OCI_ID_MAX);
	if (good < n)
		return refuse(e, EINVAL,
			      "container id '%s': only letters, digits and _ + - . are allowed",
			      id);
	if (strcmp(id, ".") == 0 || strcmp(id, "..") == 0)
		return refuse(e, EINVAL, "container id '%s' is the name of a folder", id);
	return 0;
}
