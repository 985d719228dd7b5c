#include "host/hypervisor/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/log.h"
#include "host/confine/landlock.h"

#define NAMESPACES (CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

#define READ    CONFINE_MAY_READ
#define PROGRAM (CONFINE_MAY_READ | CONFINE_MAY_EXECUTE)
#define DEVICE  (CONFINE_MAY_READ | CONFINE_MAY_WRITE | CONFINE_MAY_IOCTL)

/* Where a VMM finds its libraries and firmware. A path that does not exist is skipped. */
static const struct place {
	const char *path;
	unsigned may;   /* for Landlock */
	unsigned flags; /* of the mount */
} places[] = {
	{"/usr", PROGRAM, CONFINE_BIND_RECURSIVE},
	{"/lib", PROGRAM, CONFINE_BIND_RECURSIVE},
	{"/lib64", PROGRAM, CONFINE_BIND_RECURSIVE},
	{"/lib32", PROGRAM, CONFINE_BIND_RECURSIVE},
	{"/libx32", PROGRAM, CONFINE_BIND_RECURSIVE},
	{"/bin", PROGRAM, CONFINE_BIND_RECURSIVE},
	{"/etc/alternatives", READ, CONFINE_BIND_NOEXEC},
	{"/etc/ld.so.cache", READ, CONFINE_BIND_NOEXEC},
};

static const char *const devices[] = {"/dev/null", "/dev/urandom", "/dev/kvm"};

/* Decides about a missing @layer: returns @r if it is required, else 0 after a warning. */
static int survive(const struct vmm_confinement *v, int r, struct err *why, const char *layer,
		   struct err *e)
{
	if (v->require) {
		if (e)
			*e = *why;
		return err_wrap(e, r, "confine %s by %s (key 'require_confinement')", v->vmm,
				layer);
	}

	char words[80];

	(void) snprintf(words, sizeof words, "ignoring: %s runs without a layer of its confinement",
			v->vmm);
	log_err(LOG_WARN, why, words);
	return 0;
}

/* ---- the root ---- */

/* A folder that is a link on the host (/lib: usr/lib) becomes the same link in the VMM's root. */
static int add_place(struct confine_root *root, const struct place *p, struct err *e)
{
	char target[CONFINE_NAME_BYTES];
	ssize_t n = readlink(p->path, target, sizeof target - 1);

	if (n <= 0 || target[0] == '/' || strchr(p->path + 1, '/'))
		return confine_root_bind(root, p->path, p->path + 1,
					 p->flags | CONFINE_BIND_OPTIONAL, e);
	target[n] = '\0';
	return confine_root_link(root, target, p->path + 1, e);
}

/* For a VMM outside of /usr: the parent of the program's folder, which has its libraries and
 * firmware, or the program alone if that is "/". NULL: it is in /usr. Freed by the caller. */
static char *home_of(const char *program)
{
	auto_free char *real = realpath(program, NULL);
	auto_free char *copy = real ? strdup(real) : NULL;
	const char *above;

	if (!copy || strncmp(real, "/usr/", 5) == 0)
		return NULL;
	above = dirname(dirname(copy));
	return strcmp(above, "/") == 0 ? take_ptr(real) : strdup(above);
}

/* @ret_bound: /dev/kvm is the host's node, with its owner and group. */
static int add_devices(struct confine_root *root, const struct vmm_confinement *v, bool *ret_bound,
		       struct err *e)
{
	size_t n = ARRAY_LEN(devices) - (v->kvm ? 0 : 1);
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = confine_root_node(root, devices[i], devices[i] + 1, v->uid, v->gid, ret_bound,
				      e);
	return r;
}

static int make_root(struct confine_root *root, const struct vmm_confinement *v, const char *home,
		     bool *ret_bound, struct err *e)
{
	int r = confine_root_new(root, e);

	if (r == 0)
		r = confine_root_proc(root, e);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(places); i++)
		r = add_place(root, &places[i], e);
	if (r == 0)
		r = add_devices(root, v, ret_bound, e);
	if (r == 0 && home && strncmp(home, "/bin/", 5) != 0)
		r = confine_root_bind(root, home, home + 1, CONFINE_BIND_RECURSIVE, e);
	root->keep_proc = v->served_fd >= 0;
	return r;
}

/* ---- Landlock ---- */

/* The device nodes in the VMM's own root. */
static int allow_devices(int ruleset, const struct confine_root *root, struct err *e)
{
	auto_close int fd = root->fd < 0 ? -1 : openat(root->fd, "dev", O_PATH | O_CLOEXEC);

	return fd < 0 ? 0 : confine_landlock_fd(ruleset, fd, DEVICE, e);
}

static int allow_files(const struct confine *c, const struct vmm_confinement *v, const char *home,
		       struct err *e)
{
	int ruleset = c->ruleset_fd;
	int r = allow_devices(ruleset, &c->root, e);

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(places); i++)
		r = confine_landlock_path(ruleset, places[i].path, places[i].may, e);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(devices); i++)
		r = confine_landlock_path(ruleset, devices[i], DEVICE, e);
	if (r == 0 && home)
		r = confine_landlock_path(ruleset, home, PROGRAM, e);
	if (r == 0 && v->served_fd >= 0)
		r = confine_landlock_fd(ruleset, v->served_fd, CONFINE_MAY_ALL, e);
	for (size_t i = 0; r == 0 && i < v->n_fds; i++)
		r = confine_landlock_fd(ruleset, v->fds[i], READ, e);
	return r;
}

static int make_ruleset(struct confine *c, const struct vmm_confinement *v, const char *home,
			struct err *e)
{
	struct err why = {0};
	int r = confine_landlock_new(&c->ruleset_fd, e);

	if (r < 0)
		return r;
	if (c->ruleset_fd >= 0)
		return allow_files(c, v, home, e);
	r = err_say(&why, ENOSYS, "this kernel has no Landlock, or it is switched off (lsm=)");
	return survive(v, r, &why, "Landlock", e);
}

/* ---- the user ---- */

/* The group of /dev/kvm if only that group can open it, else (gid_t) -1. */
static gid_t kvm_group(void)
{
	struct stat st;

	if (stat("/dev/kvm", &st) < 0 || (st.st_mode & 0006) == 0006)
		return (gid_t) -1;
	return st.st_gid;
}

static int make_user(struct confine *c, const struct vmm_confinement *v, gid_t group, struct err *e)
{
	struct err why = {0};
	bool serves = c->caps != 0;
	int r;

	if (v->uid == 0 || v->uid == geteuid())
		return 0;
	r = confine_user(c, v->uid, v->gid, group, serves ? CONFINE_MAP_ALL : CONFINE_MAP_ONE,
			 &why);
	if (r == 0)
		return 0;
	r = survive(v, r, &why, "a user namespace", e);
	/* The VMM can still change its user without a user namespace, unless it serves files of
	 * others. */
	c->user.change = r == 0 && !serves;
	return r;
}

int vmm_confine(struct confine *c, const struct vmm_confinement *v, struct err *e)
{
	auto_free char *home = home_of(v->program);
	bool bound = false;
	int r = confine_filter_build(&c->filter, v->calls, e);

	c->caps = v->caps;
	if (r == 0 && geteuid() == 0) {
		c->namespaces = NAMESPACES;
		r = make_root(&c->root, v, home, &bound, e);
		if (r == 0)
			r = make_user(c, v, bound ? kvm_group() : (gid_t) -1, e);
	}
	if (r == 0)
		r = make_ruleset(c, v, home, e);
	if (r < 0)
		confine_fini(c);
	return r;
}
