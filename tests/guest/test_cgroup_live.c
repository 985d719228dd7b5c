/* Cgroups of a kernel that has all controllers; runs in the guest, see run. */
#include "agent/cgroup/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "base/file.h"

#include "../test.h"

#define TREE        "/sys/fs/cgroup"
#define PATIENCE_MS 20000

struct live {
	struct loop *loop;
	struct cgroup_root *root;
	struct cgroup *cg;
	int ooms, empties, freezes, thaws;
};

static void live_init(struct live *l, const char *path)
{
	struct err e = {0};
	char text[640];

	*l = (struct live){0};
	if (access(TREE "/memory.stat", F_OK) < 0)
		exit(TEST_SKIP);
	CHECK_EQ(loop_new(&l->loop, NULL), 0);
	CHECK_EQ(cgroup_root_open(TREE, &l->root, NULL), 0);
	if (cgroup_make(l->root, path, &l->cg, &e) < 0)
		CHECK_STR(err_show(&e, text, sizeof text), "");
}

static void live_fini(struct live *l)
{
	CHECK_EQ(cgroup_remove(l->cg, NULL), 0);
	cgroup_free(l->cg);
	cgroup_root_free(l->root);
	loop_free(l->loop);
}

/* A process in the cgroup from birth, which runs @body. */
static pid_t process_in(struct cgroup *cg, void (*body)(void))
{
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
		.cgroup = (uint64_t) cgroup_fd(cg),
	};
	pid_t pid = (pid_t) syscall(SYS_clone3, &args, sizeof args);

	if (pid == 0) {
		body();
		_exit(0);
	}
	CHECK(pid > 0);
	return pid;
}

static void sleep_on(void)
{
	for (;;)
		pause();
}

static int end_of(pid_t pid)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

static void file_is(const char *path, const char *want)
{
	auto_free char *text = NULL;

	CHECK_EQ(file_read(AT_FDCWD, path, 65536, &text, NULL, NULL), 0);
	CHECK_STR(text, want);
}

static void on_event(void *arg, enum cgroup_event event)
{
	struct live *l = arg;

	switch (event) {
	case CGROUP_OOM:
		l->ooms++;
		break;
	case CGROUP_EMPTY:
		l->empties++;
		break;
	case CGROUP_FROZEN:
		l->freezes++;
		break;
	case CGROUP_THAWED:
		l->thaws++;
		break;
	}
}

static void wait_for(struct live *l, const int *what)
{
	msec_t deadline = clock_deadline(PATIENCE_MS);

	while (*what == 0)
		if (loop_step(l->loop, deadline, NULL) <= 0)
			break;
	CHECK(*what > 0);
}

TEST(limits_are_what_the_kernel_reads_back)
{
	Grpc__LinuxResources res = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxMemory memory = GRPC__LINUX_MEMORY__INIT;
	Grpc__LinuxCPU cpu = GRPC__LINUX_CPU__INIT;
	Grpc__LinuxPids pids = GRPC__LINUX_PIDS__INIT;
	struct err e = {0};
	struct live l;

	live_init(&l, "/a/deep/one");
	res.memory = &memory;
	memory.limit = 64 << 20;
	memory.reservation = 32 << 20;
	res.cpu = &cpu;
	cpu.shares = 512;
	cpu.quota = 20000;
	cpu.period = 100000;
	cpu.has_burst = true;
	cpu.burst = 5000;
	cpu.cpus = (char *) "0";
	cpu.mems = (char *) "0";
	res.pids = &pids;
	pids.has_limit = true;
	pids.limit = 11;
	if (cgroup_limit(l.cg, &res, &e) < 0)
		CHECK_STR(e.text, "");
	file_is(TREE "/a/deep/one/memory.max", "67108864\n");
	file_is(TREE "/a/deep/one/memory.low", "33554432\n");
	file_is(TREE "/a/deep/one/cpu.weight", "20\n");
	file_is(TREE "/a/deep/one/cpu.max", "20000 100000\n");
	file_is(TREE "/a/deep/one/cpu.max.burst", "5000\n");
	file_is(TREE "/a/deep/one/cpuset.cpus.effective", "0\n");
	file_is(TREE "/a/deep/one/pids.max", "11\n");

	/* Quota and burst go up and down together. */
	cpu.quota = 4000;
	cpu.burst = 1000;
	CHECK_EQ(cgroup_limit(l.cg, &res, NULL), 0);
	file_is(TREE "/a/deep/one/cpu.max.burst", "1000\n");
	cpu.quota = 50000;
	cpu.burst = 40000;
	CHECK_EQ(cgroup_limit(l.cg, &res, NULL), 0);
	file_is(TREE "/a/deep/one/cpu.max.burst", "40000\n");
	cpu.quota = -1;
	cpu.has_burst = false;
	CHECK_EQ(cgroup_limit(l.cg, &res, &e), 0);
	live_fini(&l);
	CHECK_EQ(access(TREE "/a", F_OK), -1);
}

TEST(what_the_kernel_refuses_is_named)
{
	Grpc__LinuxResources res = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxCPU cpu = GRPC__LINUX_CPU__INIT;
	struct err e = {0};
	struct live l;

	live_init(&l, "x");
	res.cpu = &cpu;
	cpu.cpus = (char *) "4711";
	CHECK(cgroup_limit(l.cg, &res, &e) < 0);
	CHECK_STR(e.text, "linux.resources.cpu.cpus: write '4711' to 'cpuset.cpus'");
	live_fini(&l);
}

static void open_devices(void)
{
	int zero = open("/tmp/dev-zero", O_RDONLY);
	int node = mknod("/tmp/dev-kmsg", S_IFCHR | 0600, makedev(1, 11));
	int kmsg = open("/tmp/dev-kmsg", O_RDONLY);
	int why = errno;

	_exit((zero >= 0) | (node == 0) << 1 | (kmsg >= 0) << 2 | (kmsg < 0 && why == EPERM) << 3);
}

TEST(device_rules_are_obeyed)
{
	Grpc__LinuxResources res = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxDeviceCgroup rule = GRPC__LINUX_DEVICE_CGROUP__INIT, *rules[] = {&rule};
	struct err e = {0};
	struct live l;

	live_init(&l, "x");
	(void) mknod("/tmp/dev-zero", S_IFCHR | 0600, makedev(1, 5));
	if (cgroup_set_devices(l.cg, NULL, &e) < 0)
		CHECK_STR(e.text, "");
	CHECK_EQ(WEXITSTATUS(end_of(process_in(l.cg, open_devices))), 1 | 2 | 8);
	(void) unlink("/tmp/dev-kmsg");

	/* Replaced by one that allows more, and by none. */
	res.devices = rules;
	res.n_devices = 1;
	rule.allow = true;
	rule.type = (char *) "c";
	rule.has_major = true;
	rule.major = 1;
	rule.access = (char *) "r";
	CHECK_EQ(cgroup_set_devices(l.cg, &res, NULL), 0);
	CHECK_EQ(WEXITSTATUS(end_of(process_in(l.cg, open_devices))), 1 | 2 | 4);
	(void) unlink("/tmp/dev-kmsg");
	rule.type = (char *) "a";
	rule.has_major = false;
	rule.access = NULL;
	CHECK_EQ(cgroup_set_devices(l.cg, &res, NULL), 0);
	CHECK_EQ(WEXITSTATUS(end_of(process_in(l.cg, open_devices))), 1 | 2 | 4);
	(void) unlink("/tmp/dev-kmsg");
	(void) unlink("/tmp/dev-zero");
	live_fini(&l);
}

static void touch(size_t bytes)
{
	volatile char *p =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; i < bytes; i += 4096)
		p[i] = 1;
}

static void eat_memory(void)
{
	touch(64 << 20);
}

TEST(a_process_killed_for_memory_is_told)
{
	Grpc__LinuxResources res = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxMemory memory = GRPC__LINUX_MEMORY__INIT;
	struct live l;

	live_init(&l, "x");
	CHECK_EQ(cgroup_watch(l.cg, l.loop, on_event, &l, NULL), 0);
	res.memory = &memory;
	memory.limit = 8 << 20;
	CHECK_EQ(cgroup_limit(l.cg, &res, NULL), 0);
	CHECK_EQ(WTERMSIG(end_of(process_in(l.cg, eat_memory))), SIGKILL);
	wait_for(&l, &l.ooms);
	wait_for(&l, &l.empties);
	live_fini(&l);
}

TEST(freezing_and_thawing_are_told)
{
	struct live l;

	live_init(&l, "x");
	CHECK_EQ(cgroup_watch(l.cg, l.loop, on_event, &l, NULL), 0);

	pid_t pid = process_in(l.cg, sleep_on);

	CHECK_EQ(cgroup_freeze(l.cg, true, NULL), 0);
	wait_for(&l, &l.freezes);
	l.thaws = 0;
	CHECK_EQ(cgroup_freeze(l.cg, false, NULL), 0);
	wait_for(&l, &l.thaws);
	CHECK(!cgroup_is_empty(l.cg));

	/* Also what is frozen can be killed. */
	CHECK_EQ(cgroup_freeze(l.cg, true, NULL), 0);
	CHECK_EQ(cgroup_remove(l.cg, NULL), -EBUSY);
	l.empties = 0;
	CHECK_EQ(cgroup_kill(l.cg, NULL), 0);
	CHECK_EQ(WTERMSIG(end_of(pid)), SIGKILL);
	wait_for(&l, &l.empties);
	CHECK(cgroup_is_empty(l.cg));
	live_fini(&l);
}

TEST(processes_and_groups_below_belong_to_it)
{
	auto_free pid_t *pids = NULL;
	size_t n = 0;
	struct live l;
	struct cgroup *below = NULL;

	live_init(&l, "x");
	CHECK_EQ(mkdir(TREE "/x/y", 0755), 0);
	CHECK_EQ(mkdir(TREE "/x/y/z", 0755), 0);
	CHECK_EQ(cgroup_make(l.root, "/x/y/z/leaf", &below, NULL), 0);

	pid_t one = process_in(l.cg, sleep_on), two = process_in(below, sleep_on);

	CHECK_EQ(cgroup_pids(l.cg, &pids, &n, NULL), 0);
	CHECK_EQ(n, 2);
	CHECK((pids[0] == one && pids[1] == two) || (pids[0] == two && pids[1] == one));
	CHECK_EQ(cgroup_kill(l.cg, NULL), 0);
	CHECK_EQ(WTERMSIG(end_of(one)), SIGKILL);
	CHECK_EQ(WTERMSIG(end_of(two)), SIGKILL);
	cgroup_free(below);
	live_fini(&l);
	CHECK_EQ(access(TREE "/x", F_OK), -1);
}

TEST(a_group_that_is_in_use_is_not_made_again)
{
	struct cgroup *again = NULL;
	struct live l;

	live_init(&l, "/x");

	pid_t pid = process_in(l.cg, sleep_on);

	CHECK_EQ(cgroup_make(l.root, "x", &again, NULL), -EBUSY);
	CHECK_EQ(cgroup_kill(l.cg, NULL), 0);
	(void) end_of(pid);
	live_fini(&l);
}

static void use_memory(void)
{
	touch(4 << 20);
	(void) kill(getpid(), SIGSTOP);
}

TEST(figures_are_there)
{
	Grpc__CgroupStats *stats = NULL;
	struct live l;
	siginfo_t info;

	live_init(&l, "x");

	pid_t pid = process_in(l.cg, use_memory);

	CHECK_EQ(waitid(P_PID, (id_t) pid, &info, WSTOPPED), 0);
	CHECK_EQ(cgroup_stats(l.cg, &stats, NULL), 0);
	CHECK_EQ(stats->pids_stats->current, 1);
	CHECK(stats->memory_stats->usage->usage >= 4 << 20);
	CHECK(stats->memory_stats->n_stats > 10);
	CHECK_EQ(stats->n_hugetlb_stats > 0, access(TREE "/x/hugetlb.2MB.current", F_OK) == 0);
	grpc__cgroup_stats__free_unpacked(stats, NULL);
	CHECK_EQ(cgroup_kill(l.cg, NULL), 0);
	(void) end_of(pid);
	live_fini(&l);
}

TEST(the_group_of_a_process_is_found_below)
{
	struct live l;
	struct cgroup *below = NULL;
	struct stat found, wanted;

	live_init(&l, "x");
	CHECK_EQ(mkdir(TREE "/x/y", 0755), 0);
	CHECK_EQ(cgroup_make(l.root, "/x/y/leaf", &below, NULL), 0);

	pid_t pid = process_in(below, sleep_on);
	int fd = cgroup_open_of(l.cg, pid, NULL);

	CHECK_EQ(fstat(fd, &found), 0);
	CHECK_EQ(fstat(cgroup_fd(below), &wanted), 0);
	CHECK_EQ(found.st_ino, wanted.st_ino);
	fd_close(fd);
	CHECK_EQ(cgroup_kill(l.cg, NULL), 0);
	(void) end_of(pid);
	cgroup_free(below);
	live_fini(&l);
}
