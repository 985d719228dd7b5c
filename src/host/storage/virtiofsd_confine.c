#include "host/storage/virtiofsd_confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/file.h"
#include "base/log.h"
#include "base/privilege.h"
#include "host/confine/landlock.h"

/* To serve files of all owners. Without CAP_MKNOD, because overlay whiteouts (0:0), FIFOs and
 * sockets do not need it, and any other node would be a device of this host. */
#define CAPS_SERVE                                                                             \
	(PRIVILEGE(CAP_CHOWN) | PRIVILEGE(CAP_DAC_OVERRIDE) | PRIVILEGE(CAP_DAC_READ_SEARCH) | \
	 PRIVILEGE(CAP_FOWNER) | PRIVILEGE(CAP_FSETID) | PRIVILEGE(CAP_SETGID) |               \
	 PRIVILEGE(CAP_SETUID) | PRIVILEGE(CAP_SETFCAP))
/* To make the share its root, and then to drop these two; both flavours do so before they serve. */
#define CAPS_LOCK_IN (PRIVILEGE(CAP_SYS_CHROOT) | PRIVILEGE(CAP_SETPCAP))

/* Where programs and their libraries are. */
static const char *const programs[] = {"/usr", "/lib", "/lib64", "/bin"};

/* The C and the Rust flavour read one of these at start, even if they do not raise the limit. */
static const char *const limits[] = {"/proc/sys/fs/file-max", "/proc/sys/fs/nr_open"};

#define YES(call)            \
	{                    \
		.name = call \
	}
#define IF(call, index, value)                                                         \
	{                                                                              \
		.name = call, .n_args = 1, .args = { {(index), CONFINE_INT, (value)} } \
	}

/* The system calls of a file server beyond those of every program. virtiofsd's own filter, which is
 * stricter and comes later, forbids those that only its start needs (chroot, exec). */
static const struct confine_rule serving[] = {
	YES("capset"),
	YES("chroot"),
	/* Only SIGKILL, which child_start() sets: virtiofsd must not outlive the server. */
	{.name = "prctl",
	 .n_args = 2,
	 .args = {{0, CONFINE_INT, PR_SET_PDEATHSIG}, {1, CONFINE_INT, SIGKILL}}},
	IF("prctl", 0, PR_SET_NAME),
	IF("prctl", 0, PR_GET_NAME),
	IF("prctl", 0, PR_SET_SECCOMP),
	IF("prctl", 0, PR_GET_SECCOMP),
	IF("prctl", 0, PR_SET_NO_NEW_PRIVS),
	IF("prctl", 0, PR_GET_NO_NEW_PRIVS),
	IF("prctl", 0, PR_CAPBSET_READ),
	IF("prctl", 0, PR_CAPBSET_DROP),
	IF("prctl", 0, PR_GET_KEEPCAPS),
	IF("prctl", 0, PR_SET_KEEPCAPS),
	IF("prctl", 0, PR_GET_SECUREBITS),
	IF("prctl", 0, PR_SET_SECUREBITS),
	IF("prctl", 0, PR_CAP_AMBIENT),
	IF("prctl", 0, PR_SET_VMA),
	IF("prctl", 0, PR_SET_TIMERSLACK),
	IF("prctl", 0, PR_SET_IO_FLUSHER),
	YES("setgroups"),
	YES("setresgid"),
	YES("setresuid"),
	YES("setfsgid"),
	YES("setfsuid"),
	YES("setpriority"),
	YES("sched_setattr"),
	YES("sched_setscheduler"),
	/* A thread with a working folder and a umask of its own. */
	IF("unshare", 0, CLONE_FS),

	YES("chmod"),
	YES("copy_file_range"),
	YES("fchmod"),
	YES("fchmodat"),
	YES("fchmodat2"),
	YES("fchown"),
	YES("fchownat"),
	YES("fgetxattr"),
	YES("flistxattr"),
	YES("fremovexattr"),
	YES("fsetxattr"),
	YES("futimesat"),
	YES("getxattr"),
	YES("lgetxattr"),
	YES("link"),
	YES("linkat"),
	YES("listxattr"),
	YES("llistxattr"),
	YES("lremovexattr"),
	YES("lsetxattr"),
	YES("mkdir"),
	YES("mkdirat"),
	YES("mknod"),
	YES("mknodat"),
	YES("name_to_handle_at"),
	YES("open_by_handle_at"),
	YES("removexattr"),
	YES("rename"),
	YES("renameat"),
	YES("renameat2"),
	YES("rmdir"),
	YES("setxattr"),
	YES("splice"),
	YES("symlink"),
	YES("symlinkat"),
	YES("syncfs"),
	YES("truncate"),
	YES("unlink"),
	YES("unlinkat"),
	YES("utimensat"),
};

static int make_filter(struct confine_filter *f, struct err *e)
{
	const struct confine_filter_spec spec = {
		.whose = "virtiofsd",
		.otherwise = CONFINE_REFUSE,
		.code = EPERM,
		.tables = {{serving, ARRAY_LEN(serving)}, confine_calls_basic},
	};

	return confine_filter_build(f, &spec, e);
}

/* The folder of a program outside of the distributions' places, because its libraries may be there.
 * *@ret is NULL for other programs; the caller frees it. */
static int find_folder(const char *program, char **ret, struct err *e)
{
	auto_free char *path = path_absolute(program, e);

	*ret = NULL;
	if (!path)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		size_t n = strlen(programs[i]);

		if (strncmp(path, programs[i], n) == 0 && path[n] == '/')
			return 0;
	}
	*strrchr(path, '/') = '\0';
	if (!path[0])
		return err_say(e, EINVAL, "virtiofsd cannot be in the root folder");
	*ret = take_ptr(path);
	return 0;
}

static int make_root(struct confine *c, const struct virtiofsd_spec *spec, const char *folder,
		     struct err *e)
{
	const unsigned served = CONFINE_BIND_WRITABLE | CONFINE_BIND_NOEXEC |
				CONFINE_BIND_RECURSIVE | CONFINE_BIND_FOLLOW;
	int r = confine_root_new(&c->root, e);

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(programs); i++)
		r = confine_root_bind(&c->root, programs[i], programs[i] + 1, CONFINE_BIND_OPTIONAL,
				      e);
	if (r == 0)
		r = confine_root_bind(&c->root, "/etc/ld.so.cache", "etc/ld.so.cache",
				      CONFINE_BIND_OPTIONAL, e);
	if (r == 0 && folder)
		r = confine_root_bind(&c->root, folder, folder + 1, 0, e);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(limits); i++)
		r = confine_root_bind(&c->root, limits[i], limits[i] + 1, CONFINE_BIND_NOEXEC, e);
	if (r == 0)
		r = confine_root_proc_at(&c->root, "own", e);
	if (r == 0)
		r = confine_root_link(&c->root, "/own/self", "proc/self", e);
	if (r == 0)
		r = confine_root_bind(&c->root, spec->source, &VIRTIOFSD_SHARE[1], served, e);
	return r;
}

/* virtiofsd may read all of its root, run only programs of the system and of @folder, and write
 * only to the share; newer versions of Landlock also keep it from sockets and signals outside. */
static int make_ruleset(struct confine *c, const struct virtiofsd_spec *spec, const char *folder,
			struct err *e)
{
	int r = confine_landlock_new(&c->ruleset_fd, e);

	if (r < 0 || c->ruleset_fd < 0)
		return r;
	r = confine_landlock_fd(c->ruleset_fd, c->root.fd, CONFINE_MAY_READ, e);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(programs); i++)
		r = confine_landlock_path(c->ruleset_fd, programs[i], CONFINE_MAY_EXECUTE, e);
	if (r == 0 && folder)
		r = confine_landlock_path(c->ruleset_fd, folder, CONFINE_MAY_EXECUTE, e);
	if (r == 0)
		r = confine_landlock_path(c->ruleset_fd, spec->source, CONFINE_MAY_ALL, e);
	return r;
}

/* If the host gives no user namespace, virtiofsd holds its capabilities on the host: then only the
 * other layers limit them to the share. */
static void make_user(struct confine *c)
{
	struct err e = {0};

	if (confine_user(c, 0, 0, (gid_t) -1, CONFINE_MAP_ALL, &e) < 0)
		log_err(LOG_WARN, &e, "ignoring, virtiofsd has capabilities on this host");
}

int virtiofsd_confine(struct confine *c, const struct virtiofsd_spec *spec, const char *program,
		      struct err *e)
{
	auto_free char *folder = NULL;
	int r;

	c->nofile = VIRTIOFSD_NOFILE;
	c->caps = CAPS_SERVE | CAPS_LOCK_IN;
	if (geteuid() != 0)
		return 0;
	c->namespaces = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWCGROUP;
	r = find_folder(program, &folder, e);
	if (r == 0)
		r = make_root(c, spec, folder, e);
	if (r == 0)
		r = make_ruleset(c, spec, folder, e);
	if (r == 0)
		r = make_filter(&c->filter, e);
	if (r == 0)
		make_user(c);
	return r;
}
