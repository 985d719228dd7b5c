#include "host/cli/process_spec.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/file.h"
#include "oci/names.h"

static int read_file(const char *path, Grpc__Process **ret, struct err *e)
{
	auto_free char *text = NULL;
	size_t bytes = 0;
	int r = file_read(AT_FDCWD, path, OCI_DOCUMENT_MAX_BYTES, &text, &bytes, e);

	if (r == 0)
		r = oci_process_parse(text, bytes, ret, e);
	return err_wrap(e, r, "%s", path);
}

/* A copy of the container's own process, as it was at create, for the caller to change. */
static int inherit(const struct state_dir *dir, Grpc__Process **ret, struct err *e)
{
	auto_ptr(oci_spec_free) Grpc__Spec *spec = NULL;
	int r = oci_spec_saved(dir->fd, &spec, e);

	if (r < 0)
		return r;
	if (!spec->process)
		return err_say(e, EINVAL, "container '%s': process: is missing", dir->id);
	*ret = take_ptr(spec->process);
	(*ret)->terminal = false;
	(*ret)->has_terminal = true;
	return 0;
}

static void free_strings(size_t n, char **items)
{
	for (size_t i = 0; i < n; i++)
		free(items[i]);
	free(items);
}

/* Appends copies of @n words to the *@have words of *@items. */
static int append(size_t *have, char ***items, const char *const *words, size_t n, struct err *e)
{
	char **more = reallocarray(*items, *have + n + 1, sizeof *more);

	if (!more)
		return err_sys(e, ENOMEM, "describe a process");
	*items = more;
	for (size_t i = 0; i < n; i++) {
		more[*have] = strdup(words[i]);
		if (!more[*have])
			return err_sys(e, ENOMEM, "describe a process");
		(*have)++;
	}
	return 0;
}

static int number(const char *text, size_t bytes, const char *option, uint32_t *ret, struct err *e)
{
	auto_free char *copy = strndup(text, bytes);
	uint64_t v;

	if (!copy)
		return err_sys(e, ENOMEM, "read option --%s", option);
	if (num_parse_u64(copy, &v) < 0 || v >= UINT32_MAX)
		return err_say(e, EINVAL, "option --%s: '%s' is not a numeric id", option, copy);
	*ret = (uint32_t) v;
	return 0;
}

static int set_user(Grpc__Process *p, const struct process_options *o, struct err *e)
{
	Grpc__User *user = p->user;
	int r = 0;

	if (!user) {
		user = calloc(1, sizeof *user);
		if (!user)
			return err_sys(e, ENOMEM, "describe a process");
		grpc__user__init(user);
		p->user = user;
	}
	user->has_uid = user->has_gid = true;
	if (o->user) {
		size_t uid_bytes = strcspn(o->user, ":");

		r = number(o->user, uid_bytes, "user", &user->uid, e);
		if (r == 0 && o->user[uid_bytes])
			r = number(o->user + uid_bytes + 1, strlen(o->user + uid_bytes + 1), "user",
				   &user->gid, e);
	}
	if (r < 0 || o->gids.n == 0)
		return r;

	uint32_t *gids = reallocarray(user->additionalgids, user->n_additionalgids + o->gids.n,
				      sizeof *gids);

	if (!gids)
		return err_sys(e, ENOMEM, "describe a process");
	user->additionalgids = gids;
	for (size_t i = 0; r == 0 && i < o->gids.n; i++)
		r = number(o->gids.items[i], strlen(o->gids.items[i]), "additional-gids",
			   &gids[user->n_additionalgids++], e);
	return r;
}

/* Adds a capability to every set from which a program that is executed can get it. */
static int add_caps(Grpc__Process *p, const struct option_list *caps, struct err *e)
{
	if (caps->n == 0)
		return 0;
	for (size_t i = 0; i < caps->n; i++)
		if (oci_cap_number(caps->items[i]) < 0)
			return err_say(e, EINVAL, "option --cap: there is no capability '%s'",
				       caps->items[i]);
	if (!p->capabilities) {
		p->capabilities = calloc(1, sizeof *p->capabilities);
		if (!p->capabilities)
			return err_sys(e, ENOMEM, "describe a process");
		grpc__linux_capabilities__init(p->capabilities);
	}

	Grpc__LinuxCapabilities *c = p->capabilities;
	int r = append(&c->n_bounding, &c->bounding, caps->items, caps->n, e);

	if (r == 0)
		r = append(&c->n_effective, &c->effective, caps->items, caps->n, e);
	if (r == 0)
		r = append(&c->n_permitted, &c->permitted, caps->items, caps->n, e);
	if (r == 0 && c->n_ambient > 0)
		r = append(&c->n_inheritable, &c->inheritable, caps->items, caps->n, e);
	if (r == 0 && c->n_ambient > 0)
		r = append(&c->n_ambient, &c->ambient, caps->items, caps->n, e);
	return r;
}

static int apply(const struct process_options *o, int argc, char **argv, Grpc__Process *p,
		 struct err *e)
{
	free_strings(p->n_args, p->args);
	p->args = NULL;
	p->n_args = 0;

	int r = append(&p->n_args, &p->args, (const char *const *) argv, (size_t) argc, e);

	if (r == 0)
		r = append(&p->n_env, &p->env, o->env.items, o->env.n, e);
	if (r == 0)
		r = set_user(p, o, e);
	if (r == 0)
		r = add_caps(p, &o->caps, e);
	if (r == 0 && o->cwd) {
		free(p->cwd);
		p->cwd = strdup(o->cwd);
		if (!p->cwd)
			r = err_sys(e, ENOMEM, "describe a process");
	}
	p->terminal = o->tty;
	if (o->no_new_privs)
		p->nonewprivileges = p->has_nonewprivileges = true;
	return r;
}

int process_spec_make(const struct process_options *o, const struct state_dir *dir, int argc,
		      char **argv, Grpc__Process **ret, struct err *e)
{
	auto_ptr(oci_process_free) Grpc__Process *p = NULL;
	int r;

	if (o->apparmor || o->label)
		return err_say(e, ENOTSUP, "option --%s: the guest has no such security module",
			       o->apparmor ? "apparmor" : "process-label");
	if (o->file) {
		r = read_file(o->file, &p, e);
		if (r == 0 && o->tty)
			p->terminal = p->has_terminal = true;
	} else if (argc == 0) {
		return err_say(e, EINVAL, "exec needs a command, or a process.json with --process");
	} else {
		r = inherit(dir, &p, e);
		if (r == 0)
			r = apply(o, argc, argv, p, e);
	}
	if (r == 0)
		r = oci_process_check(p, e);
	if (r == 0)
		*ret = take_ptr(p);
	return r;
}
