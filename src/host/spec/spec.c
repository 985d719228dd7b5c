#include "host/spec/spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/file.h"
#include "base/log.h"

/* Splits the hooks: startContainer stays in the spec, *@ret_hooks gets those of the host. */
static int split_hooks(Grpc__Spec *spec, Grpc__Hooks **ret_hooks, struct err *e)
{
	Grpc__Hooks *all = spec->hooks;

	*ret_hooks = NULL;
	if (!all)
		return 0;

	Grpc__Hooks *guest = calloc(1, sizeof *guest);

	if (!guest)
		return err_sys(e, ENOMEM, "take out the hooks");
	grpc__hooks__init(guest);
	guest->startcontainer = take_ptr(all->startcontainer);
	guest->n_startcontainer = all->n_startcontainer;
	all->n_startcontainer = 0;
	spec->hooks = guest;
	*ret_hooks = all;
	return 0;
}

static char *cleaned(const char *path)
{
	size_t room = strlen(path) + 2;
	char *result = malloc(room);

	if (result)
		(void) path_clean(path, result, room); /* there is room */
	return result;
}

char *guest_cgroups_path(const char *path, const char *container_id)
{
	const char *first = path ? strchr(path, ':') : NULL;
	const char *second = first ? strchr(first + 1, ':') : NULL;
	auto_free char *plain = NULL;

	if (!path || !path[0])
		plain = strdup(container_id);
	else if (second && !strchr(path, '/') && !strchr(second + 1, ':'))
		/* systemd: slice:prefix:name */
		plain = str_printf("%.*s/%.*s%s%s", (int) (first - path), path,
				   (int) (second - first - 1), first + 1,
				   second - first > 1 ? "-" : "", second + 1);
	else
		plain = strdup(path);
	return plain ? cleaned(plain) : NULL;
}

/* A label is for a security module of this host's kernel. It is not refused, because engines give
 * one to every container where the host has such a module. */
static void drop_label(char **label, const char *field)
{
	if (*label && **label && strcmp(*label, "unconfined") != 0)
		log_warn("ignoring %s '%s': it is about this host's kernel, the guest has its own",
			 field, *label);
	free(*label);
	*label = NULL;
}

static int fix_linux(const struct guest_rules *rules, Grpc__Linux *linux, struct err *e)
{
	int r = guest_namespaces_make(rules, linux, e);

	if (r == 0)
		r = guest_devices_make(rules, linux, e);
	if (r < 0)
		return r;
	if (linux->intelrdt)
		return err_say(e, ENOTSUP,
			       "linux.intelRdt: not supported: it is about the host's "
			       "processor");

	char *cgroups_path = guest_cgroups_path(linux->cgroupspath, rules->container_id);

	if (!cgroups_path)
		return err_sys(e, ENOMEM, "name the cgroup");
	free(linux->cgroupspath);
	linux->cgroupspath = cgroups_path;
	drop_label(&linux->mountlabel, "linux.mountLabel");
	if (rules->drop_seccomp && linux->seccomp) {
		log_debug("disable_guest_seccomp is set: linux.seccomp is not applied");
		grpc__linux_seccomp__free_unpacked(take_ptr(linux->seccomp), NULL);
	}
	return 0;
}

static void fix_process(const struct guest_rules *rules, Grpc__Process *process)
{
	process->has_terminal = true;
	process->terminal = rules->terminal;
	drop_label(&process->apparmorprofile, "process.apparmorProfile");
	drop_label(&process->selinuxlabel, "process.selinuxLabel");
}

static int find_shm(const struct guest_rules *rules, const Grpc__Spec *spec, struct err *e)
{
	const struct volume_owner owner = {
		.container_id = rules->container_id,
		.bundle = rules->bundle,
		.linux = spec->linux,
	};

	return volumes_find_shm(&owner, spec->mounts, spec->n_mounts, rules->shm, e);
}

int guest_spec_make(const struct guest_rules *rules, Grpc__Spec *spec, Grpc__Hooks **ret_hooks,
		    struct err *e)
{
	int r = 0;

	if (!spec->process)
		return err_say(e, EINVAL, "process: missing");
	if (!spec->root || !spec->root->path)
		return err_say(e, EINVAL, "root.path: missing");
	if (!spec->linux)
		return err_say(e, EINVAL, "linux: missing");

	r = guest_users_make(rules, spec->linux, e);
	if (r == 0 && rules->lends_shm)
		r = find_shm(rules, spec, e);
	if (r == 0)
		r = guest_mounts_make(rules, spec, e);
	if (r == 0)
		r = fix_linux(rules, spec->linux, e);
	if (r < 0)
		return r;
	fix_process(rules, spec->process);
	return split_hooks(spec, ret_hooks, e);
}

int guest_holder_make(const struct guest_rules *rules, Grpc__Spec *spec, Grpc__Hooks **ret_hooks,
		      struct err *e)
{
	int r;

	if (!spec->process)
		return err_say(e, EINVAL, "process: missing");
	if (!spec->linux)
		return err_say(e, EINVAL, "linux: missing");
	r = guest_users_make(rules, spec->linux, e);
	if (r == 0)
		r = guest_namespaces_make(rules, spec->linux, e);
	if (r == 0)
		r = find_shm(rules, spec, e);
	return r < 0 ? r : split_hooks(spec, ret_hooks, e);
}
