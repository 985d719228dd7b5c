#include "host/qemu/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <linux/landlock.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/privilege.h"

/* A 9p server that is root needs them to make files for others and to open those of others. */
#define CAPS_9P                                                                                \
	(PRIVILEGE(CAP_CHOWN) | PRIVILEGE(CAP_DAC_OVERRIDE) | PRIVILEGE(CAP_DAC_READ_SEARCH) | \
	 PRIVILEGE(CAP_FOWNER) | PRIVILEGE(CAP_FSETID) | PRIVILEGE(CAP_MKNOD) |                \
	 PRIVILEGE(CAP_SETFCAP))

#define READ   (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FILE_R LANDLOCK_ACCESS_FS_READ_FILE
#define FILE_W (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE)
/* All of Landlock's first version (Linux 5.13). */
#define ALL ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)
/* Of the later ones; older headers lack the names. */
#define ALL_REFER    (UINT64_C(1) << 13) /* version 2 */
#define ALL_TRUNCATE (UINT64_C(1) << 14) /* version 3 */

/* Where a QEMU finds its libraries and firmware, and what it asks the kernel. A path that does not
 * exist is nothing to open. */
static const struct {
	const char *path;
	uint64_t access;
} allowed[] = {
	{"/usr", READ | LANDLOCK_ACCESS_FS_EXECUTE},
	{"/lib", READ | LANDLOCK_ACCESS_FS_EXECUTE},
	{"/lib64", READ | LANDLOCK_ACCESS_FS_EXECUTE},
	{"/bin", READ | LANDLOCK_ACCESS_FS_EXECUTE},
	{"/etc/ld.so.cache", FILE_R},
	{"/etc/localtime", FILE_R},
	{"/etc/qemu", READ},
	{"/sys/devices/system", READ},
	{"/sys/kernel/mm", READ},
	{"/proc/filesystems", FILE_R},
	{"/proc/meminfo", FILE_R},
	{"/proc/cpuinfo", FILE_R},
	{"/dev/null", FILE_W},
	{"/dev/zero", FILE_R},
	{"/dev/urandom", FILE_R},
	{"/dev/random", FILE_R},
};

static int rule_fd(int ruleset, int fd, uint64_t access)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = fd};

	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		return -errno;
	return 0;
}

static int rule_path(int ruleset, const char *path, uint64_t access, struct err *e)
{
	auto_close int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd < 0)
		return 0;

	int r = rule_fd(ruleset, fd, access);

	return r < 0 ? err_sys(e, -r, "allow QEMU to open '%s'", path) : 0;
}

/* The folder above the one that holds the program: a QEMU outside of /usr has its firmware there.
 * Never the root itself. */
static int rule_program(int ruleset, const char *program, struct err *e)
{
	auto_free char *real = realpath(program, NULL);

	if (!real)
		return 0;

	char *above = dirname(dirname(real));

	if (strcmp(above, "/") == 0)
		return rule_path(ruleset, program, FILE_R | LANDLOCK_ACCESS_FS_EXECUTE, e);
	return rule_path(ruleset, above, READ | LANDLOCK_ACCESS_FS_EXECUTE, e);
}

static uint64_t handled_access(long version)
{
	return ALL | (version >= 2 ? ALL_REFER : 0) | (version >= 3 ? ALL_TRUNCATE : 0);
}

/* *@ret_fd stays as it is where this kernel has no Landlock, or it is switched off. */
static int make_ruleset(const struct vm_spec *spec, enum hv_accel accel, const char *program,
			const int *fds, size_t n_fds, int *ret_fd, struct err *e)
{
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (version < 1)
		return 0;

	struct landlock_ruleset_attr attr = {.handled_access_fs = handled_access(version)};
	auto_close int rs = (int) syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
	int r = rs < 0 ? err_sys(e, errno, "make a Landlock ruleset") : 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(allowed); i++)
		r = rule_path(rs, allowed[i].path, allowed[i].access, e);
	if (r == 0)
		r = rule_program(rs, program, e);
	if (r == 0 && accel == HV_ACCEL_KVM)
		r = rule_path(rs, "/dev/kvm", FILE_W, e);
	if (r == 0 && spec->share.kind == VM_SHARE_9P)
		r = rule_path(rs, spec->share.path, attr.handled_access_fs, e);
	for (size_t i = 0; r == 0 && i < n_fds; i++) {
		r = rule_fd(rs, fds[i], FILE_R);
		if (r == -EBADFD) /* a socket: nothing that could be opened again */
			r = 0;
		if (r < 0)
			r = err_sys(e, -r, "allow QEMU to open its files");
	}
	if (r == 0)
		*ret_fd = take_fd(&rs);
	return r;
}

/* The group that /dev/kvm belongs to, if it takes the group to open it. */
static gid_t kvm_group(void)
{
	struct stat st;

	if (stat("/dev/kvm", &st) < 0 || (st.st_mode & 0006) == 0006)
		return (gid_t) -1;
	return st.st_gid;
}

int qemu_confine_prepare(struct qemu_confine *c, const struct vm_spec *spec, enum hv_accel accel,
		    const char *program, const int *fds, size_t n_fds, struct err *e)
{
	int r = make_ruleset(spec, accel, program, fds, n_fds, &c->ruleset_fd, e);

	if (r < 0)
		return r;
	c->uid = spec->uid;
	c->gid = spec->gid;
	c->isolate = geteuid() == 0;
	if (spec->uid != 0 && accel == HV_ACCEL_KVM)
		c->kvm_gid = kvm_group();
	if (spec->uid == 0 && spec->share.kind == VM_SHARE_9P)
		c->caps = CAPS_9P;
	c->n_cgroup_fds = spec->n_cgroup_fds;
	for (size_t i = 0; i < spec->n_cgroup_fds; i++)
		c->cgroup_fds[i] = -1;
	for (size_t i = 0; i < spec->n_cgroup_fds; i++) {
		c->cgroup_fds[i] = fcntl(spec->cgroup_fds[i], F_DUPFD_CLOEXEC, 0);
		if (c->cgroup_fds[i] < 0) {
			r = err_sys(e, errno, "take over a cgroup's descriptor");
			qemu_confine_fini(c);
			return r;
		}
	}
	return 0;
}

void qemu_confine_fini(struct qemu_confine *c)
{
	fd_close(c->ruleset_fd);
	for (size_t i = 0; i < c->n_cgroup_fds; i++)
		fd_close(c->cgroup_fds[i]);
	*c = QEMU_CONFINE_NONE;
}

static int join_cgroups(const struct qemu_confine *c, struct err *e)
{
	for (size_t i = 0; i < c->n_cgroup_fds; i++)
		if (write(c->cgroup_fds[i], "0", 1) != 1)
			return err_sys(e, errno, "join the sandbox's cgroup");
	return 0;
}

static int change_user(const struct qemu_confine *c, struct err *e)
{
	if (c->uid == 0 || c->uid == geteuid())
		return 0;
	if (setgroups(c->kvm_gid == (gid_t) -1 ? 0 : 1, &c->kvm_gid) < 0)
		return err_sys(e, errno, "leave all groups");
	if (setresgid(c->gid, c->gid, c->gid) < 0)
		return err_sys(e, errno, "become group %u", c->gid);
	if (setresuid(c->uid, c->uid, c->uid) < 0)
		return err_sys(e, errno, "become user %u", c->uid);
	return 0;
}

int qemu_confine_enter(void *arg, struct err *e)
{
	const struct qemu_confine *c = arg;
	const struct rlimit no_core = {0};
	int r = join_cgroups(c, e);

	if (r < 0)
		return r;
	if (c->isolate && unshare(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
		return err_sys(e, errno, "make namespaces");
	if (setrlimit(RLIMIT_CORE, &no_core) < 0)
		return err_sys(e, errno, "switch off core dumps");
	r = privilege_bound(c->caps, e);
	if (r == 0)
		r = change_user(c, e);
	if (r == 0)
		r = privilege_limit(c->caps, e);
	if (r == 0)
		r = privilege_seal(e);
	if (r < 0)
		return r;
	if (c->ruleset_fd >= 0 && syscall(SYS_landlock_restrict_self, c->ruleset_fd, 0) < 0)
		return err_sys(e, errno, "apply Landlock");
	return 0;
}
