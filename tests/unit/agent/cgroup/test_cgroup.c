#include "agent/cgroup/cgroup.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "agent/cgroup/convert.h"
#include "agent/cgroup/device_rules.h"
#include "agent/cgroup/tree.h"
#include "base/file.h"

#include "tests/test.h"

TEST(cpu_shares_become_a_weight)
{
	CHECK_EQ(cpu_weight_from_shares(0), 0);
	CHECK_EQ(cpu_weight_from_shares(1), 1);
	CHECK_EQ(cpu_weight_from_shares(2), 1);
	CHECK_EQ(cpu_weight_from_shares(1024), 39);
	CHECK_EQ(cpu_weight_from_shares(262144), 10000);
	CHECK_EQ(cpu_weight_from_shares(UINT64_MAX), 10000);
}

TEST(an_io_weight_keeps_its_place_between_the_ends)
{
	CHECK_EQ(io_weight_from_blkio(0), 0);
	CHECK_EQ(io_weight_from_blkio(10), 1);
	CHECK_EQ(io_weight_from_blkio(100), 910);
	CHECK_EQ(io_weight_from_blkio(1000), 10000);
}

TEST(swap_is_what_is_left_of_both_together)
{
	int64_t swap = 77;
	struct err e = {0};

	CHECK_EQ(memory_swap_from_v1(300, 100, &swap, NULL), 0);
	CHECK_EQ(swap, 200);
	CHECK_EQ(memory_swap_from_v1(100, 100, &swap, NULL), 0);
	CHECK_EQ(swap, 0);
	CHECK_EQ(memory_swap_from_v1(-1, 100, &swap, NULL), 0);
	CHECK_EQ(swap, -1);
	CHECK_EQ(memory_swap_from_v1(0, -1, &swap, NULL), 0);
	CHECK_EQ(swap, -1);
	CHECK_EQ(memory_swap_from_v1(0, 100, &swap, NULL), 0);
	CHECK_EQ(swap, 0);
	CHECK_EQ(memory_swap_from_v1(100, 0, &swap, &e), -EINVAL);
	CHECK_STR(e.text, "linux.resources.memory.swap: needs a limit");
	CHECK_EQ(memory_swap_from_v1(50, 100, &swap, NULL), -EINVAL);
}

static void path_is(const char *from, const char *want)
{
	auto_free char *path = NULL;

	CHECK_EQ(cgroup_path_from_spec(from, &path, NULL), 0);
	CHECK_STR(path, want);
}

TEST(a_path_of_the_specification_is_below_the_root)
{
	path_is("/a/b", "a/b");
	path_is("a", "a");
	path_is("//a///b/", "a/b");
	path_is("system.slice:kata:abc", "system.slice/kata-abc.scope");
	path_is(":kata:abc", "kata-abc.scope");
	path_is("/kubepods/pod1:2:3/x", "kubepods/pod1:2:3/x");
}

TEST(a_path_that_leads_elsewhere_is_refused)
{
	static const char *const bad[] = {
		"", "/", "..", "/a/../../b", "/a/./b", "/./", "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q"};
	auto_free char *path = NULL;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		CHECK_EQ(cgroup_path_from_spec(bad[i], &path, NULL), -EINVAL);

	char name[300];

	memset(name, 'x', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	CHECK_EQ(cgroup_path_from_spec(name, &path, NULL), -EINVAL);
}

/* The kernel's machine, as far as device programs use it. Returns what the program says. */
static int run_program(const struct device_program *p, int type, int access, uint32_t major,
		       uint32_t minor)
{
	uint32_t ctx[3] = {(uint32_t) access << 16 | (uint32_t) type, major, minor};
	uint64_t r[11] = {0};

	for (size_t pc = 0, steps = 0; pc < p->n && steps < 100000; pc++, steps++) {
		const struct bpf_insn *i = &p->insns[pc];
		uint32_t imm = (uint32_t) i->imm;

		switch (i->code) {
		case BPF_LDX | BPF_MEM | BPF_W:
			CHECK_EQ(i->src_reg, BPF_REG_1);
			r[i->dst_reg] = ctx[i->off / 4];
			break;
		case BPF_ALU | BPF_MOV | BPF_X:
			r[i->dst_reg] = (uint32_t) r[i->src_reg];
			break;
		case BPF_ALU64 | BPF_MOV | BPF_K:
			r[i->dst_reg] = imm;
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			r[i->dst_reg] = (uint32_t) r[i->dst_reg] & imm;
			break;
		case BPF_ALU | BPF_RSH | BPF_K:
			r[i->dst_reg] = (uint32_t) r[i->dst_reg] >> imm;
			break;
		case BPF_JMP | BPF_JNE | BPF_K:
			/* The kernel extends the sign: a number above 2^31 would never be equal. */
			pc += r[i->dst_reg] != (uint64_t) (int64_t) i->imm ? (size_t) i->off : 0;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += r[i->dst_reg] == (uint64_t) (int64_t) i->imm ? (size_t) i->off : 0;
			break;
		case BPF_JMP | BPF_JNE | BPF_X:
			pc += r[i->dst_reg] != r[i->src_reg] ? (size_t) i->off : 0;
			break;
		case BPF_JMP | BPF_EXIT:
			return (int) r[0];
		default:
			test_fail(__FILE__, __LINE__, "instruction %#x is unknown", i->code);
		}
	}
	test_fail(__FILE__, __LINE__, "the program does not end at %d", 0);
	return -1;
}

#define CHAR  BPF_DEVCG_DEV_CHAR
#define BLOCK BPF_DEVCG_DEV_BLOCK
#define M     BPF_DEVCG_ACC_MKNOD
#define R     BPF_DEVCG_ACC_READ
#define W     BPF_DEVCG_ACC_WRITE

struct rule {
	bool allow;
	const char *type;
	int64_t major, minor;
	const char *access;
};

/* -2: the number is absent. */
static struct device_program program(const struct rule *rules, size_t n)
{
	Grpc__LinuxDeviceCgroup spec[8], *list[8];
	struct device_program p;

	for (size_t i = 0; i < n; i++) {
		grpc__linux_device_cgroup__init(&spec[i]);
		spec[i].has_allow = true;
		spec[i].allow = rules[i].allow;
		spec[i].type = (char *) rules[i].type;
		spec[i].has_major = rules[i].major != -2;
		spec[i].major = rules[i].major;
		spec[i].has_minor = rules[i].minor != -2;
		spec[i].minor = rules[i].minor;
		spec[i].access = (char *) rules[i].access;
		list[i] = &spec[i];
	}
	CHECK_EQ(device_program_make(list, n, &p, NULL), 0);
	return p;
}

TEST(without_rules_only_the_common_devices_are_allowed)
{
	struct device_program p = program(NULL, 0);

	CHECK_EQ(run_program(&p, CHAR, R | W, 1, 3), 1);
	CHECK_EQ(run_program(&p, CHAR, R | W, 136, 4711), 1);
	CHECK_EQ(run_program(&p, CHAR, R, 1, 1), 0);
	CHECK_EQ(run_program(&p, BLOCK, R, 8, 0), 0);
	CHECK_EQ(run_program(&p, BLOCK, M, 8, 0), 1);
	CHECK_EQ(run_program(&p, BLOCK, M | R, 8, 0), 0);
	CHECK(!p.allows_all);
	free(p.insns);
}

TEST(what_is_allowed_to_every_container_adds_nothing)
{
	/* The rules that containerd gives a container. */
	static const struct rule rules[] = {
		{false, "a", -2, -2, "rwm"}, {true, "c", -2, -2, "m"},   {true, "b", -1, -1, "m"},
		{true, "c", 1, 3, "rwm"},    {true, "c", 136, -2, "rw"}, {true, "c", 10, 200, "r"},
	};
	static const struct rule more[] = {{true, "c", 5, -2, "rwm"}, {true, "b", 1, 3, "rwm"}};
	struct device_program without = program(NULL, 0), with = program(rules, 6);

	CHECK_EQ(with.n, without.n);
	CHECK(memcmp(with.insns, without.insns, with.n * sizeof *with.insns) == 0);
	free(with.insns);

	with = program(more, 2);
	CHECK(with.n > without.n);
	CHECK_EQ(run_program(&with, CHAR, R | W, 5, 1), 1);
	CHECK_EQ(run_program(&with, BLOCK, R | W, 1, 3), 1);
	free(with.insns);
	free(without.insns);
}

TEST(a_later_rule_wins)
{
	static const struct rule rules[] = {
		{false, "a", -2, -2, "rwm"},
		{true, "b", 8, -2, "rw"},
		{false, "b", 8, 1, "w"},
		{true, "c", 10, 229, "rwm"},
	};
	struct device_program p = program(rules, 4);

	CHECK_EQ(run_program(&p, BLOCK, R | W, 8, 0), 1);
	CHECK_EQ(run_program(&p, BLOCK, R, 8, 1), 1);
	CHECK_EQ(run_program(&p, BLOCK, W, 8, 1), 0);
	/* A part that is denied makes all denied. */
	CHECK_EQ(run_program(&p, BLOCK, R | W, 8, 1), 0);
	CHECK_EQ(run_program(&p, BLOCK, R, 9, 0), 0);
	CHECK_EQ(run_program(&p, CHAR, R, 8, 0), 0);
	CHECK_EQ(run_program(&p, CHAR, R | W | M, 10, 229), 1);
	CHECK_EQ(run_program(&p, CHAR, R, 10, 228), 0);
	free(p.insns);
}

TEST(allowing_everything_needs_no_program_unless_something_is_denied_after_it)
{
	static const struct rule all[] = {{false, "a", -2, -2, "rwm"}, {true, "a", -1, -1, "rwm"}};
	static const struct rule but[] = {{true, NULL, -2, -2, NULL}, {false, "c", 1, 1, "rw"}};
	struct device_program p = program(all, 2);

	CHECK(p.allows_all);
	CHECK_EQ(run_program(&p, BLOCK, R | W, 253, 9), 1);
	free(p.insns);
	p = program(but, 2);
	CHECK(!p.allows_all);
	CHECK_EQ(run_program(&p, CHAR, R, 1, 1), 0);
	CHECK_EQ(run_program(&p, CHAR, R, 2, 1), 1);
	free(p.insns);
}

TEST(nonsense_in_a_device_rule_is_named)
{
	Grpc__LinuxDeviceCgroup d = GRPC__LINUX_DEVICE_CGROUP__INIT, *list[] = {&d};
	struct device_program p;
	struct err e = {0};

	d.type = (char *) "x";
	CHECK_EQ(device_program_make(list, 1, &p, &e), -EINVAL);
	CHECK_STR(e.text, "linux.resources.devices[0].type: 'x' is not a, b or c");
	d.type = (char *) "c";
	d.access = (char *) "rx";
	CHECK_EQ(device_program_make(list, 1, &p, NULL), -EINVAL);
	d.access = NULL;
	d.has_major = true;
	d.major = 1LL << 40;
	CHECK_EQ(device_program_make(list, 1, &p, NULL), -EINVAL);
}

/* A folder that looks like a cgroup shows what is written where. */
struct fake {
	char dir[64];
	struct cgroup_root root;
	struct cgroup cg;
};

static void fake_init(struct fake *f, const char *const *files)
{
	*f = (struct fake){0};
	strcpy(f->dir, "/tmp/cgroup-XXXXXX");
	CHECK(mkdtemp(f->dir));
	f->cg = (struct cgroup){.root = &f->root, .path = (char *) "fake", .device_prog = -1};
	f->cg.fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (; *files; files++)
		fd_close(openat(f->cg.fd, *files, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
}

static void fake_fini(struct fake *f)
{
	CHECK_EQ(dir_remove(AT_FDCWD, f->dir, NULL), 0);
	fd_close(f->cg.fd);
}

static void has(struct fake *f, const char *file, const char *want)
{
	auto_free char *text = NULL;

	CHECK_EQ(file_read(f->cg.fd, file, 4096, &text, NULL, NULL), 0);
	CHECK_STR(text, want);
}

TEST(limits_go_into_their_files)
{
	static const char *const files[] = {
		"memory.max",  "memory.swap.max", "memory.low",       "cpu.weight",
		"cpu.max",     "cpu.max.burst",   "pids.max",         "cpuset.cpus",
		"cpuset.mems", "hugetlb.2MB.max", "io.max",           "io.bfq.weight",
		"io.weight",   "memory.high",     "cgroup.max.depth", NULL};
	Grpc__LinuxResources res = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxMemory memory = GRPC__LINUX_MEMORY__INIT;
	Grpc__LinuxCPU cpu = GRPC__LINUX_CPU__INIT;
	Grpc__LinuxPids pids = GRPC__LINUX_PIDS__INIT;
	Grpc__LinuxHugepageLimit huge = GRPC__LINUX_HUGEPAGE_LIMIT__INIT, *huges[] = {&huge};
	Grpc__LinuxBlockIO io = GRPC__LINUX_BLOCK_IO__INIT;
	Grpc__LinuxThrottleDevice throttle = GRPC__LINUX_THROTTLE_DEVICE__INIT,
				  *throttles[] = {&throttle};
	Grpc__LinuxResources__UnifiedEntry unified = GRPC__LINUX_RESOURCES__UNIFIED_ENTRY__INIT,
					   depth = GRPC__LINUX_RESOURCES__UNIFIED_ENTRY__INIT;
	Grpc__LinuxResources__UnifiedEntry *unifieds[] = {&unified, &depth};
	struct fake f;

	fake_init(&f, files);
	res.memory = &memory;
	memory.has_limit = memory.has_swap = memory.has_reservation = true;
	memory.limit = 1 << 20;
	memory.swap = 3 << 20;
	memory.reservation = 4096;
	res.cpu = &cpu;
	cpu.shares = 1024;
	cpu.quota = 50000;
	cpu.period = 100000;
	cpu.has_burst = true;
	cpu.burst = 1000;
	cpu.cpus = (char *) "0-1";
	cpu.mems = (char *) "0";
	res.pids = &pids;
	pids.has_limit = true;
	pids.limit = -1;
	res.hugepagelimits = huges;
	res.n_hugepagelimits = 1;
	huge.pagesize = (char *) "2MB";
	huge.limit = 4 << 20;
	res.blockio = &io;
	io.weight = 500;
	io.throttlereadbpsdevice = throttles;
	io.n_throttlereadbpsdevice = 1;
	throttle.major = 8;
	throttle.rate = 12345;
	res.unified = unifieds;
	res.n_unified = 2;
	unified.key = (char *) "memory.high";
	unified.value = (char *) "777777";
	depth.key = (char *) "cgroup.max.depth";
	depth.value = (char *) "7";
	CHECK_EQ(cgroup_limit(&f.cg, &res, NULL), 0);
	has(&f, "memory.max", "1048576");
	has(&f, "memory.swap.max", "2097152");
	has(&f, "memory.low", "4096");
	has(&f, "cpu.weight", "39");
	has(&f, "cpu.max", "50000 100000");
	has(&f, "cpu.max.burst", "1000");
	has(&f, "cpuset.cpus", "0-1");
	has(&f, "cpuset.mems", "0");
	has(&f, "pids.max", "max");
	has(&f, "hugetlb.2MB.max", "4194304");
	has(&f, "io.max", "8:0 rbps=12345");
	has(&f, "io.bfq.weight", "500");
	has(&f, "io.weight", "4950"); /* a kernel that has both is told both */
	has(&f, "memory.high", "777777");
	has(&f, "cgroup.max.depth", "7");
	fake_fini(&f);
}

TEST(what_is_not_set_is_left_alone)
{
	static const char *const files[] = {"memory.max", "cpu.max", "pids.max", NULL};
	Grpc__LinuxResources res = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxMemory memory = GRPC__LINUX_MEMORY__INIT;
	Grpc__LinuxCPU cpu = GRPC__LINUX_CPU__INIT;
	Grpc__LinuxPids pids = GRPC__LINUX_PIDS__INIT;
	struct fake f;

	fake_init(&f, files);
	res.memory = &memory;
	res.cpu = &cpu;
	res.pids = &pids;
	CHECK_EQ(cgroup_limit(&f.cg, &res, NULL), 0);
	has(&f, "memory.max", "");
	has(&f, "cpu.max", "");
	has(&f, "pids.max", "");
	fake_fini(&f);
}

static void refused(Grpc__LinuxResources *res, int code, const char *words)
{
	static const char *const files[] = {NULL};
	struct err e = {0};
	struct fake f;

	fake_init(&f, files);
	CHECK_EQ(cgroup_limit(&f.cg, res, &e), -code);
	if (!strstr(e.text, words))
		CHECK_STR(e.text, words);
	fake_fini(&f);
}

TEST(what_cgroup_v2_does_not_have_is_refused_by_name)
{
	Grpc__LinuxResources res = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxMemory memory = GRPC__LINUX_MEMORY__INIT;
	Grpc__LinuxNetwork network = GRPC__LINUX_NETWORK__INIT;
	Grpc__LinuxPids pids = GRPC__LINUX_PIDS__INIT;
	Grpc__LinuxResources__UnifiedEntry unified = GRPC__LINUX_RESOURCES__UNIFIED_ENTRY__INIT;
	Grpc__LinuxResources__UnifiedEntry *unifieds[] = {&unified};

	res.network = &network;
	network.has_classid = true;
	network.classid = 3;
	refused(&res, ENOTSUP, "linux.resources.network");
	res.network = NULL;
	res.memory = &memory;
	memory.has_disableoomkiller = memory.disableoomkiller = true;
	refused(&res, ENOTSUP, "linux.resources.memory.disableOOMKiller");
	res.memory = NULL;
	res.pids = &pids;
	pids.has_limit = true;
	pids.limit = 10;
	refused(&res, ENOTSUP, "linux.resources.pids.limit: the guest kernel has no 'pids.max'");
	res.pids = NULL;
	res.unified = unifieds;
	res.n_unified = 1;
	unified.key = (char *) "../../escape";
	unified.value = (char *) "1";
	refused(&res, EINVAL, "linux.resources.unified['../../escape']");
	unified.key = (char *) "cgroup.procs";
	refused(&res, EINVAL, "linux.resources.unified['cgroup.procs']");
	unified.key = (char *) "cgroup.subtree_control";
	refused(&res, EINVAL, "linux.resources.unified['cgroup.subtree_control']");
}

TEST(figures_are_read_from_their_files)
{
	static const char *const files[] = {NULL};
	Grpc__CgroupStats *stats = NULL;
	struct fake f;

	fake_init(&f, files);
	CHECK_EQ(file_replace(f.cg.fd, "cpu.stat",
			      "usage_usec 5\nuser_usec 3\nsystem_usec 2\nnr_periods 7\n", 51, 0644,
			      NULL),
		 0);
	CHECK_EQ(file_replace(f.cg.fd, "pids.current", "4\n", 2, 0644, NULL), 0);
	CHECK_EQ(file_replace(f.cg.fd, "pids.max", "max\n", 4, 0644, NULL), 0);
	CHECK_EQ(file_replace(f.cg.fd, "memory.current", "4096\n", 5, 0644, NULL), 0);
	CHECK_EQ(file_replace(f.cg.fd, "memory.stat", "anon 1\nfile 2\nbroken\n", 21, 0644, NULL),
		 0);
	CHECK_EQ(file_replace(f.cg.fd, "io.stat",
			      "8:0 rbytes=10 wbytes=20 rios=1 wios=2\nnonsense\n", 47, 0644, NULL),
		 0);
	CHECK_EQ(cgroup_stats(&f.cg, &stats, NULL), 0);
	CHECK_EQ(stats->cpu_stats->cpu_usage->total_usage, 5000);
	CHECK_EQ(stats->cpu_stats->throttling_data->periods, 7);
	CHECK_EQ(stats->pids_stats->current, 4);
	CHECK_EQ(stats->pids_stats->limit, 0);
	CHECK_EQ(stats->memory_stats->usage->usage, 4096);
	CHECK_EQ(stats->memory_stats->cache, 2);
	CHECK_EQ(stats->memory_stats->n_stats, 2);
	CHECK_EQ(stats->blkio_stats->n_io_service_bytes_recursive, 2);
	CHECK_EQ(stats->blkio_stats->io_serviced_recursive[1]->value, 2);
	grpc__cgroup_stats__free_unpacked(stats, NULL);
	fake_fini(&f);
}
