#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/file.h"
#include "base/log.h"
#include "base/privilege.h"
#include "host/hypervisor/qemu/qemu.h"

static const struct qemu_user plain = {.uid = 1879048200, .gid = 1879048200};

static int prepare(struct confine *c, const struct qemu_user *user,
		   const struct qemu_devices *devices, struct err *e)
{
	struct qemu_command command = {.argv = {(char *) "/bin/busybox"}, .argc = 1};
	static const struct qemu_devices none;
	auto_close int folder = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);

	command.fds[0].fd = folder;
	command.n_fds = devices ? 1 : 0;
	return qemu_confine(c, &command, devices ? devices : &none, user, false, e);
}

static void need_root(void)
{
	if (geteuid() != 0)
		exit(TEST_SKIP);
}

/* A process without "/proc" gets no user namespace from here: as on a kernel that gives none. */
static void go_where_no_namespace_is(char dir[32])
{
	(void) strcpy(dir, "/tmp/confine.XXXXXX");
	CHECK(mkdtemp(dir));
	CHECK_EQ(chroot(dir), 0);
	CHECK_EQ(chdir("/"), 0);
}

static void leave(const char *dir, int outside)
{
	CHECK_EQ(fchdir(outside), 0);
	CHECK_EQ(chroot("."), 0);
	CHECK_EQ(dir_remove(AT_FDCWD, dir, NULL), 0);
}

TEST(a_layer_that_the_kernel_lacks_is_said_and_the_rest_is_used)
{
	auto_close int outside = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_close int log = memfd_create("log", MFD_CLOEXEC);
	struct confine c = CONFINE_NONE;
	char dir[32], said[1024] = "";

	need_root();
	log_open(log, LOG_TEXT, LOG_INFO);
	go_where_no_namespace_is(dir);
	CHECK_EQ(prepare(&c, &plain, NULL, NULL), 0);
	leave(dir, outside);
	CHECK(c.user.change);
	CHECK_EQ(c.user.userns_fd, -1);
	CHECK_EQ(c.user.uid, plain.uid);
	CHECK(c.root.fd >= 0);
	CHECK(c.filter.n > 0);
	confine_fini(&c);
	CHECK(pread(log, said, sizeof said - 1, 0) > 0);
	CHECK(strstr(said, "ignoring: QEMU runs without a layer of its confinement"));
}

TEST(a_layer_that_has_to_be_there_and_is_not_is_a_failure)
{
	auto_close int outside = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct confine c = CONFINE_NONE;
	struct qemu_user user = plain;
	struct err e = {0};
	char dir[32];

	need_root();
	user.require_confinement = true;
	go_where_no_namespace_is(dir);
	CHECK_EQ(prepare(&c, &user, NULL, &e), -ENOENT);
	leave(dir, outside);
	CHECK(strstr(e.text, "confine QEMU by a user namespace (key 'require_confinement')"));
	CHECK_EQ(c.root.fd, -1);
}

TEST(only_a_server_of_files_keeps_capabilities_and_none_to_make_devices)
{
	struct confine c = CONFINE_NONE;
	struct qemu_devices devices = {.served_fd = 0};

	need_root();
	CHECK_EQ(prepare(&c, &plain, NULL, NULL), 0);
	CHECK_EQ(c.caps, 0);
	CHECK(!c.root.keep_proc);
	confine_fini(&c);
	devices.served_fd = QEMU_FD_FIRST;
	devices.serves_others = true;
	CHECK_EQ(prepare(&c, &plain, &devices, NULL), 0);
	CHECK(c.caps & PRIVILEGE(CAP_CHOWN));
	CHECK(!(c.caps & PRIVILEGE(CAP_MKNOD)));
	CHECK(!(c.caps & PRIVILEGE(CAP_SYS_ADMIN)));
	CHECK(c.root.keep_proc);
	confine_fini(&c);
	devices.serves_others = false;
	CHECK_EQ(prepare(&c, &plain, &devices, NULL), 0);
	CHECK_EQ(c.caps, 0);
	confine_fini(&c);
}

/* A number that is not refused by the filter gives another error, for the arguments are
 * nonsense. */
static const struct attempt {
	long number;
	long first;
	bool server, killed;
	int code;
} attempts[] = {
	{SYS_socket, AF_INET, false, false, EPERM},
	{SYS_socket, AF_NETLINK, false, false, EPERM},
	{SYS_socket, AF_VSOCK, false, false, EPERM},
	{SYS_socket, AF_UNIX, true, false, EPERM},
	{SYS_socketpair, AF_INET, false, false, ENOSYS},
	{SYS_connect, -1, false, false, EPERM},
	{SYS_io_uring_setup, 0, false, false, ENOSYS},
	{SYS_userfaultfd, 0, false, false, ENOSYS},
	{SYS_mkdirat, -1, false, false, ENOSYS},
	{SYS_unlinkat, -1, false, false, ENOSYS},
	{SYS_setresuid, 0, true, false, ENOSYS},
	{SYS_shmget, 0, false, false, ENOSYS},
	{SYS_open_by_handle_at, -1, true, false, ENOSYS},
	{SYS_execveat, -1, true, false, ENOSYS},
	{SYS_prctl, PR_SET_PDEATHSIG, true, false, ENOSYS}, /* not to outlive us */
	{SYS_prctl, PR_SET_DUMPABLE, false, false, ENOSYS},
	{SYS_prctl, PR_SET_NO_NEW_PRIVS, false, false, EINVAL},
	{SYS_mkdirat, -1, true, false, EFAULT},
	{SYS_read, -1, false, false, EBADF},
	{SYS_mount, 0, true, true, 0},
	{SYS_keyctl, 0, true, true, 0},
	{SYS_bpf, 0, true, true, 0},
	{SYS_ptrace, 0, true, true, 0},
	{SYS_process_vm_writev, 1, true, true, 0},
	{SYS_unshare, 0, true, true, 0},
	{SYS_setns, -1, true, true, 0},
	{SYS_perf_event_open, 0, true, true, 0},
};

static int try_in_filter(const struct confine_filter *f, const struct attempt *a)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		if (privilege_seal(NULL) < 0 || confine_filter_enter(f, NULL) < 0)
			_exit(99 + 100);
		_exit(syscall(a->number, a->first, 0, 0, 0, 0) < 0 ? errno : 0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	return status;
}

TEST(what_qemu_never_calls_is_refused_or_kills)
{
	struct confine_filter filters[2] = {{0}, {0}};

	for (int server = 0; server < 2; server++) {
		struct confine_filter_spec spec;

		qemu_syscalls(&spec, server);
		CHECK_EQ(confine_filter_build(&filters[server], &spec, NULL), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(attempts); i++) {
		int status = try_in_filter(&filters[attempts[i].server], &attempts[i]);

		CHECK_EQ(WIFSIGNALED(status) ? WTERMSIG(status) : 0,
			 attempts[i].killed ? SIGSYS : 0);
		if (!attempts[i].killed)
			CHECK_EQ(WEXITSTATUS(status), attempts[i].code);
	}
	for (int server = 0; server < 2; server++)
		confine_filter_fini(&filters[server]);
}
