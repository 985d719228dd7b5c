#include "host/hypervisor/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/log.h"
#include "base/privilege.h"
#include "host/confine/landlock.h"

/* QEMU's 9p server creates and opens files of all owners. CAP_MKNOD is left out, because in a user
 * namespace it makes no devices. */
#define CAPS_9P                                                                                \
	(PRIVILEGE(CAP_CHOWN) | PRIVILEGE(CAP_DAC_OVERRIDE) | PRIVILEGE(CAP_DAC_READ_SEARCH) | \
	 PRIVILEGE(CAP_FOWNER) | PRIVILEGE(CAP_FSETID) | PRIVILEGE(CAP_SETFCAP))

#define NAMESPACES (CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

#define READ    CONFINE_MAY_READ
#define PROGRAM (CONFINE_MAY_READ | CONFINE_MAY_EXECUTE)
#define DEVICE  (CONFINE_MAY_READ | CONFINE_MAY_WRITE | CONFINE_MAY_IOCTL)

/* Where a QEMU finds its libraries and firmware. A path that does not exist is skipped. */
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

/* Decides about a missing @layer: returns @r with require_confinement, else 0 after a warning. */
static int survive(const struct vm_spec *spec, int r, struct err *why, const char *layer,
		   struct err *e)
{
	if (spec->require_confinement) {
		if (e)
			*e = *why;
		return err_wrap(e, r, "confine QEMU by %s (key 'require_confinement')", layer);
	}
	log_err(LOG_WARN, why, "ignoring: QEMU runs without a layer of its confinement");
	return 0;
}

/* ---- QEMU's root ---- */

/* A folder that is a link on the host (/lib: usr/lib) becomes the same link in QEMU's root. */
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

/* For a QEMU outside of /usr: the parent of the program's folder, which has its libraries and
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
static int add_devices(struct confine_root *root, const struct vm_spec *spec, enum hv_accel accel,
		       bool *ret_bound, struct err *e)
{
	size_t n = ARRAY_LEN(devices) - (accel == HV_ACCEL_KVM ? 0 : 1);
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = confine_root_node(root, devices[i], devices[i] + 1, spec->uid, spec->gid,
				      ret_bound, e);
	return r;
}

static int make_root(struct confine_root *root, const struct vm_spec *spec, enum hv_accel accel,
		     const char *home, bool *ret_bound, struct err *e)
{
	int r = confine_root_new(root, e);

	if (r == 0)
		r = confine_root_proc(root, e);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(places); i++)
		r = add_place(root, &places[i], e);
	if (r == 0)
		r = add_devices(root, spec, accel, ret_bound, e);
	if (r == 0 && home && strncmp(home, "/bin/", 5) != 0)
		r = confine_root_bind(root, home, home + 1, CONFINE_BIND_RECURSIVE, e);
	root->keep_proc = spec->share.kind == VM_SHARE_9P;
	return r;
}

/* ---- Landlock ---- */

/* The device nodes in QEMU's own root. */
static int allow_devices(int ruleset, const struct confine_root *root, struct err *e)
{
	auto_close int fd = root->fd < 0 ? -1 : openat(root->fd, "dev", O_PATH | O_CLOEXEC);

	return fd < 0 ? 0 : confine_landlock_fd(ruleset, fd, DEVICE, e);
}

static int allow_files(const struct confine *c, const struct vm_spec *spec, const char *home,
		       const int *fds, size_t n_fds, struct err *e)
{
	int ruleset = c->ruleset_fd;
	int r = allow_devices(ruleset, &c->root, e);

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(places); i++)
		r = confine_landlock_path(ruleset, places[i].path, places[i].may, e);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(devices); i++)
		r = confine_landlock_path(ruleset, devices[i], DEVICE, e);
	if (r == 0 && home)
		r = confine_landlock_path(ruleset, home, PROGRAM, e);
	if (r == 0 && spec->share.kind == VM_SHARE_9P)
		r = confine_landlock_path(ruleset, spec->share.path, CONFINE_MAY_ALL, e);
	for (size_t i = 0; r == 0 && i < n_fds; i++)
		r = confine_landlock_fd(ruleset, fds[i], READ, e);
	return r;
}

static int make_ruleset(struct confine *c, const struct vm_spec *spec, const char *home,
			const int *fds, size_t n_fds, struct err *e)
{
	struct err why = {0};
	int r = confine_landlock_new(&c->ruleset_fd, e);

	if (r < 0)
		return r;
	if (c->ruleset_fd >= 0)
		return allow_files(c, spec, home, fds, n_fds, e);
	r = err_say(&why, ENOSYS, "this kernel has no Landlock, or it is switched off (lsm=)");
	return survive(spec, r, &why, "Landlock", e);
}

/* ---- QEMU's user ---- */

/* The group of /dev/kvm if only that group can open it, else (gid_t) -1. */
static gid_t kvm_group(void)
{
	struct stat st;

	if (stat("/dev/kvm", &st) < 0 || (st.st_mode & 0006) == 0006)
		return (gid_t) -1;
	return st.st_gid;
}

static int make_user(struct confine *c, const struct vm_spec *spec, gid_t group, struct err *e)
{
	struct err why = {0};
	bool serves = c->caps != 0;
	int r;

	if (spec->uid == 0 || spec->uid == geteuid())
		return 0;
	r = confine_user(c, spec->uid, spec->gid, group, serves ? CONFINE_MAP_ALL : CONFINE_MAP_ONE,
			 &why);
	if (r == 0)
		return 0;
	r = survive(spec, r, &why, "a user namespace", e);
	/* QEMU can still change its user without a user namespace, unless it serves files of
	 * others. */
	c->user.change = r == 0 && !serves;
	return r;
}

int qemu_confine_prepare(struct confine *c, const struct vm_spec *spec, enum hv_accel accel,
			 const char *program, const int *fds, size_t n_fds, struct err *e)
{
	auto_free char *home = home_of(program);
	bool serves = spec->share.kind == VM_SHARE_9P, bound = false;
	struct confine_filter_spec calls;
	int r = confine_cgroups(c, spec->cgroup_fds, spec->n_cgroup_fds, e);

	qemu_calls(&calls, serves);
	if (serves && !spec->rootless)
		c->caps = CAPS_9P;
	if (r == 0)
		r = confine_filter_build(&c->filter, &calls, e);
	if (r == 0 && geteuid() == 0) {
		c->namespaces = NAMESPACES;
		r = make_root(&c->root, spec, accel, home, &bound, e);
		if (r == 0)
			r = make_user(c, spec, bound ? kvm_group() : (gid_t) -1, e);
	}
	if (r == 0)
		r = make_ruleset(c, spec, home, fds, n_fds, e);
	if (r < 0)
		confine_fini(c);
	return r;
}
