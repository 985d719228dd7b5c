#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/child.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/privilege.h"
#include "host/confine/confine.h"
#include "host/confine/ids.h"
#include "host/confine/landlock.h"

static const struct confine_rule rules[] = {
	{.name = "socket", .n_args = 1, .args = {{0, CONFINE_INT, AF_UNIX}}},
	{.name = "prctl"},
	{.name = "a_call_of_the_year_3000"},
	{.name = "sync", .verdict = CONFINE_REFUSE, .code = EXDEV},
};

static int build(struct confine_filter *f)
{
	const struct confine_filter_spec spec = {
		.whose = "a test",
		.otherwise = CONFINE_REFUSE,
		.code = ENOSYS,
		.tables = {{rules, ARRAY_LEN(rules)}, confine_calls_basic, confine_calls_deadly},
	};

	return confine_filter_build(f, &spec, NULL);
}

/* The wait status of a process in the filter that does @what; its exit code is what that
 * returns. */
static int in_filter(int (*what)(void))
{
	struct confine_filter f = {0};
	int status = 0;

	CHECK_EQ(build(&f), 0);
	(void) fflush(NULL);

	pid_t child = fork();

	CHECK(child >= 0);
	if (child == 0) {
		if (privilege_seal(NULL) < 0 || confine_filter_enter(&f, NULL) < 0)
			_exit(99);
		_exit(what());
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	confine_filter_fini(&f);
	return status;
}

static int code_in_filter(int (*what)(void))
{
	int status = in_filter(what);

	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? errno : 0;
}

static int inet_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0;
}

/* The kernel reads 32 bits of it. */
static int inet_socket_with_high_bits(void)
{
	return syscall(SYS_socket, 0x100000000L | AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0;
}

static int refused_with_a_code(void)
{
	return syscall(SYS_sync) < 0 ? errno : 0;
}

static int not_named(void)
{
	return mkdir("/proc/nowhere", 0700) < 0 ? errno : 0;
}

static int uring(void)
{
	return syscall(SYS_io_uring_setup, 1, NULL) < 0 ? errno : 0;
}

static int new_style_clone(void)
{
	return syscall(SYS_clone3, NULL, 0) < 0 ? errno : 0;
}

static int clone_a_namespace(void)
{
	long child = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);

	if (child == 0)
		_exit(0);
	return child < 0 ? errno : 0;
}

static int clone_a_child(void)
{
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	return child < 0 ? errno : 0;
}

TEST(a_filter_lets_through_what_is_named)
{
	CHECK_EQ(code_in_filter(unix_socket), 0);
	CHECK_EQ(code_in_filter(clone_a_child), 0);
}

TEST(a_filter_refuses_what_is_not_named)
{
	CHECK_EQ(code_in_filter(not_named), ENOSYS);
}

TEST(a_filter_looks_at_arguments)
{
	CHECK_EQ(code_in_filter(inet_socket), ENOSYS);
	CHECK_EQ(code_in_filter(inet_socket_with_high_bits), ENOSYS);
	CHECK_EQ(code_in_filter(clone_a_namespace), ENOSYS);
}

TEST(a_filter_refuses_with_the_code_of_the_table)
{
	CHECK_EQ(code_in_filter(refused_with_a_code), EXDEV);
	CHECK_EQ(code_in_filter(uring), ENOSYS);
	CHECK_EQ(code_in_filter(new_style_clone), ENOSYS);
}

static int do_mount(void)
{
	return mount("none", "/nowhere", "tmpfs", 0, NULL);
}

static int do_unshare(void)
{
	return unshare(CLONE_NEWUSER);
}

static int do_keys(void)
{
	return (int) syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 0);
}

static int do_bpf(void)
{
	return (int) syscall(SYS_bpf, 0, NULL, 0);
}

static int do_trace(void)
{
	return (int) syscall(SYS_ptrace, 0, 0, 0, 0);
}

static int do_read_others(void)
{
	return (int) syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0);
}

#if defined(__x86_64__)
/* getpid() by the numbers of x32: another table of calls on the same processor. */
static int do_x32(void)
{
	return (int) syscall(0x40000000 + SYS_getpid);
}
#endif

TEST(a_deadly_call_kills)
{
	static int (*const calls[])(void) = {
		do_mount,
		do_unshare,
		do_keys,
		do_bpf,
		do_trace,
		do_read_others,
#if defined(__x86_64__)
		do_x32,
#endif
	};

	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		int status = in_filter(calls[i]);

		CHECK(WIFSIGNALED(status));
		CHECK_EQ(WTERMSIG(status), SIGSYS);
	}
}

static const struct confine_table *const shared_tables[] = {&confine_calls_basic,
							    &confine_calls_deadly};

TEST(no_call_is_both_in_the_shared_tables)
{
	for (size_t i = 0; i < shared_tables[0]->n; i++)
		for (size_t j = 0; j < shared_tables[1]->n; j++)
			CHECK(strcmp(shared_tables[0]->rules[i].name,
				     shared_tables[1]->rules[j].name) != 0);
}

static void need_root(void)
{
	if (geteuid() != 0 || prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) != 1)
		exit(TEST_SKIP);
}

/* A folder that goes when the test ends well. */
static void make_temp(char dir[64])
{
	(void) snprintf(dir, 64, "/tmp/test_confine.XXXXXX");
	CHECK(mkdtemp(dir));
}

static void check_ids(const char *uid_map, const char *gid_map, uint32_t first, uint32_t count)
{
	struct confine_ids ids = confine_ids_choose(uid_map, gid_map);

	CHECK_EQ(ids.first, first);
	CHECK_EQ(ids.count, count);
}

#define EVERY_ID "         0          0 4294967295\n"

TEST(ids_are_those_that_nothing_else_uses)
{
	check_ids(EVERY_ID, EVERY_ID, CONFINE_FIRST_ID, CONFINE_N_IDS);
	check_ids("0 0 1000\n1000 1000 4294966295\n", EVERY_ID, CONFINE_FIRST_ID, CONFINE_N_IDS);
}

TEST(a_user_namespace_gives_the_upper_half_of_what_it_has)
{
	const char *podmans =
		"         0       1000          1\n         1     100000      65536\n";

	check_ids(podmans, podmans, 32769, 32768);
	check_ids("0 100000 65536\n", "0 100000 65536\n", 32768, 32768);
	/* As users and as groups. */
	check_ids("0 100000 65536\n", "0 100000 1000\n", 500, 500);
	check_ids("0 1 3\n", "0 1 3\n", 2, 1);
	check_ids("4294967000 1 295\n", EVERY_ID, 4294967148U, 147);
}

TEST(a_user_namespace_with_one_user_has_none_to_give)
{
	check_ids("0 1000 1\n", "0 1000 1\n", 1, 0);
	check_ids("0 1 9\n", "20 1 9\n", 0, 0);
	check_ids("", "", 0, 0);
	check_ids("nonsense", EVERY_ID, 0, 0);
}

TEST(two_claims_are_two_numbers)
{
	char dir[64];
	uid_t one = 0, two = 0;
	auto_close int first = -1;
	auto_close int second = -1;

	make_temp(dir);
	CHECK_EQ(confine_id_claim(dir, &one, &first, NULL), 0);
	CHECK_EQ(confine_id_claim(dir, &two, &second, NULL), 0);
	CHECK(one != two);
	CHECK(one >= CONFINE_FIRST_ID && one < CONFINE_FIRST_ID + CONFINE_N_IDS);
	CHECK_EQ(dir_remove(AT_FDCWD, dir, NULL), 0);
}

/* By the lock of another open file, as another server has it. */
static bool is_locked(const char *dir, uid_t id)
{
	auto_free char *path = str_printf("%s/" CONFINE_IDS_FILE, dir);
	auto_close int fd = open(path, O_RDWR | O_CLOEXEC);
	struct flock lock = {.l_type = F_WRLCK,
			     .l_whence = SEEK_SET,
			     .l_start = (off_t) (id - CONFINE_FIRST_ID),
			     .l_len = 1};

	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_OFD_GETLK, &lock), 0);
	return lock.l_type != F_UNLCK;
}

TEST(a_claim_ends_with_its_holder_even_if_that_is_killed)
{
	char dir[64];
	int p[2], status;
	uid_t id = 0;

	make_temp(dir);
	CHECK_EQ(pipe2(p, O_CLOEXEC), 0);

	pid_t child = fork();

	if (child == 0) {
		int fd = -1;

		if (confine_id_claim(dir, &id, &fd, NULL) == 0)
			(void) !write(p[1], &id, sizeof id);
		for (;;)
			(void) pause();
	}
	CHECK_EQ(fd_read_all(p[0], &id, sizeof id), 0);
	CHECK(is_locked(dir, id));
	CHECK_EQ(kill(child, SIGKILL), 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(!is_locked(dir, id));
	(void) close(p[0]);
	(void) close(p[1]);
	CHECK_EQ(dir_remove(AT_FDCWD, dir, NULL), 0);
}

/* A busybox of its own in a root of its own, which says what it sees. */
static void confined_shell(struct confine *c, const char *script, char *out, size_t out_bytes)
{
	const char *const argv[] = {"sh", "-c", script, NULL};
	const char *const envp[] = {NULL};
	int p[2], status = 0;
	struct child child = CHILD_NONE;
	struct err e = {0};

	CHECK_EQ(pipe2(p, O_CLOEXEC), 0);

	const struct child_fd fds[] = {{p[1], 1}, {p[1], 2}};
	const struct child_spec spec = {
		.path = "/bin/busybox",
		.argv = argv,
		.envp = envp,
		.fds = fds,
		.n_fds = ARRAY_LEN(fds),
		.new_pid_namespace = true,
		.die_with_parent = true,
		.prepare = confine_enter,
		.prepare_arg = c,
	};
	int r = child_start(&spec, &child, &e);

	if (r < 0)
		test_fail(__FILE__, __LINE__, "%s: %s", e.text, strerror(-r));
	(void) close(p[1]);

	size_t n = 0;
	ssize_t got;

	while ((got = read(p[0], out + n, out_bytes - 1 - n)) > 0)
		n += (size_t) got;
	out[n] = '\0';
	(void) close(p[0]);
	CHECK_EQ(child_wait(&child, clock_deadline(60000), &status, NULL), 0);
	CHECK_EQ(status, 0);
}

static void make_root(struct confine *c)
{
	bool bound = false;

	CHECK_EQ(confine_root_new(&c->root, NULL), 0);
	CHECK_EQ(confine_root_bind(&c->root, "/bin/busybox", "bin/busybox", 0, NULL), 0);
	CHECK_EQ(confine_root_node(&c->root, "/dev/null", "dev/null", 0, 0, &bound, NULL), 0);
	CHECK_EQ(confine_root_node(&c->root, "/dev/nowhere", "dev/x", 0, 0, &bound, NULL), 0);
	CHECK_EQ(confine_root_bind(&c->root, "/nowhere", "nowhere", CONFINE_BIND_OPTIONAL, NULL),
		 0);
	CHECK_EQ(confine_root_link(&c->root, "busybox", "bin/sh", NULL), 0);
	CHECK_EQ(confine_root_proc(&c->root, NULL), 0);
	c->namespaces = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
}

TEST(a_process_in_a_root_sees_what_is_bound_and_cannot_write)
{
	struct confine c = CONFINE_NONE;
	char out[1024];

	need_root();
	make_root(&c);
	confined_shell(
		&c,
		"cd /; echo *; echo bin/* dev/*; echo $$; busybox ls /proc | busybox grep -c sys;"
		"echo 2>&1 x >/file; echo x >/dev/null && echo device; busybox wc -c </proc/1/environ",
		out, sizeof out);
	CHECK_STR(out, "bin dev proc\nbin/busybox bin/sh dev/null\n1\n0\n"
		       "sh: can't create /file: Read-only file system\ndevice\n"
		       "0\n");
	confine_fini(&c);
}

TEST(a_process_is_a_user_alone_in_a_namespace)
{
	struct confine c = CONFINE_NONE;
	char out[1024];

	need_root();
	make_root(&c);
	CHECK_EQ(confine_user(&c, 1879050000, 1879050001, 7, CONFINE_MAP_ONE, NULL), 0);
	confined_shell(&c,
		       "busybox grep -E '^(Uid|CapEff|CapBnd|NoNew)' /proc/1/status; "
		       "busybox tr -s ' ' </proc/1/uid_map; busybox id -G",
		       out, sizeof out);
	CHECK_STR(out, "Uid:\t1879050000\t1879050000\t1879050000\t1879050000\n"
		       "CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\n"
		       "1879050000 1879050000 1\n1879050001 65534\n");
	confine_fini(&c);
}

static void *nothing(void *arg)
{
	return arg;
}

static void *make_threads(void *stop)
{
	pthread_t thread;

	while (!atomic_load((atomic_bool *) stop))
		if (pthread_create(&thread, NULL, nothing, NULL) == 0)
			(void) pthread_join(thread, NULL);
	return NULL;
}

TEST(a_process_changes_its_user_whatever_threads_its_maker_has)
{
	struct confine c = CONFINE_NONE;
	atomic_bool stop = false;
	pthread_t maker;
	char out[64];

	need_root();
	CHECK_EQ(confine_user(&c, 1879050000, 1879050000, 7, CONFINE_MAP_ONE, NULL), 0);
	CHECK_EQ(pthread_create(&maker, NULL, make_threads, &stop), 0);
	(void) alarm(60); /* ends this process: a child that waits for a thread waits for ever */
	for (int i = 0; i < 20; i++)
		confined_shell(&c, "busybox id -u", out, sizeof out);
	CHECK_STR(out, "1879050000\n");
	(void) alarm(0);
	atomic_store(&stop, true);
	CHECK_EQ(pthread_join(maker, NULL), 0);
	confine_fini(&c);
}

TEST(a_user_that_serves_files_keeps_its_capabilities_over_exec)
{
	struct confine c = CONFINE_NONE;
	char out[1024];

	need_root();
	make_root(&c);
	c.caps = PRIVILEGE(CAP_CHOWN);
	CHECK_EQ(confine_user(&c, 1879050000, 1879050000, (gid_t) -1, CONFINE_MAP_ALL, NULL), 0);
	confined_shell(&c, "busybox grep -E '^Cap(Prm|Eff|Bnd)' /proc/1/status", out, sizeof out);
	CHECK_STR(out, "CapPrm:\t0000000000000001\nCapEff:\t0000000000000001\n"
		       "CapBnd:\t0000000000000001\n");
	confine_fini(&c);
}

TEST(a_root_is_emptied_while_its_process_runs)
{
	static const char script[] = "echo up; read line; cd /; echo *; echo x >/file";
	const char *const argv[] = {"sh", "-c", script, NULL};
	struct confine c = CONFINE_NONE;
	struct child child = CHILD_NONE;
	char out[256] = "";
	int to[2], from[2], status = 0;
	struct err e = {0};

	need_root();
	make_root(&c);
	CHECK_EQ(pipe2(to, O_CLOEXEC), 0);
	CHECK_EQ(pipe2(from, O_CLOEXEC), 0);

	const struct child_fd fds[] = {{to[0], 0}, {from[1], 1}, {from[1], 2}};
	const struct child_spec spec = {
		.path = "/bin/busybox",
		.argv = argv,
		.fds = fds,
		.n_fds = ARRAY_LEN(fds),
		.new_pid_namespace = true,
		.die_with_parent = true,
		.prepare = confine_enter,
		.prepare_arg = &c,
	};

	CHECK_EQ(child_start(&spec, &child, &e), 0);
	(void) close(from[1]);
	CHECK_EQ(fd_read_all(from[0], out, 3), 0);
	CHECK_EQ(confine_root_empty(&c.root, child.pidfd, &e), 0);
	CHECK_EQ(write(to[1], "\n", 1), 1);

	size_t n = 0;
	ssize_t got;

	while ((got = read(from[0], out + n, sizeof out - 1 - n)) > 0)
		n += (size_t) got;
	out[n] = '\0';
	CHECK_STR(out, "*\nsh: can't create /file: Read-only file system\n");
	CHECK_EQ(child_wait(&child, clock_deadline(60000), &status, NULL), 0);
	(void) close(from[0]);
	(void) close(to[0]);
	(void) close(to[1]);
	confine_fini(&c);
}

TEST(landlock_takes_files_away_and_leaves_what_is_named)
{
	int ruleset = -1, status = 0;

	CHECK_EQ(confine_landlock_new(&ruleset, NULL), 0);
	if (ruleset < 0)
		exit(TEST_SKIP);
	CHECK_EQ(confine_landlock_path(ruleset, "/etc/passwd", CONFINE_MAY_READ, NULL), 0);
	CHECK_EQ(confine_landlock_path(ruleset, "/nowhere", CONFINE_MAY_READ, NULL), 0);

	pid_t child = fork();

	if (child == 0) {
		if (privilege_seal(NULL) < 0 || confine_landlock_enter(ruleset, NULL) < 0)
			_exit(99);

		int named = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
		int other = open("/etc/group", O_RDONLY | O_CLOEXEC);
		int code = errno;

		_exit(named >= 0 && other < 0 && code == EACCES ? 0 : 1);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	(void) close(ruleset);
}
