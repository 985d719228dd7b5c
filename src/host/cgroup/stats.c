/* What the processes of a cgroup use of the host, in the words in which an agent tells what a
 * container uses of its guest: so whoever reads the one reads the other. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "agent.pb-c.h"
#include "base/array.h"
#include "base/file.h"
#include "host/cgroup/cgroup_priv.h"

#define NS_PER_US UINT64_C(1000)

/* Lines of memory.stat: their names in v1, and in v2, which are those that are told. */
static const struct {
	const char *v1, *v2;
} memory_lines[] = {
	{"total_rss", "anon"},
	{"total_cache", "file"},
	{"total_shmem", "shmem"},
	{"total_mapped_file", "file_mapped"},
	{"total_inactive_anon", "inactive_anon"},
	{"total_active_anon", "active_anon"},
	{"total_inactive_file", "inactive_file"},
	{"total_active_file", "active_file"},
	{"total_pgfault", "pgfault"},
	{"total_pgmajfault", "pgmajfault"},
};

/* The messages that one answer is made of. */
struct usage {
	Grpc__StatsContainerResponse all;
	Grpc__CgroupStats cgroup;
	Grpc__CpuStats cpu;
	Grpc__CpuUsage cpu_usage;
	Grpc__ThrottlingData throttling;
	Grpc__MemoryStats memory;
	Grpc__MemoryData bytes;
	Grpc__MemoryStats__StatsEntry lines[ARRAY_LEN(memory_lines)];
	Grpc__MemoryStats__StatsEntry *line_list[ARRAY_LEN(memory_lines)];
	Grpc__PidsStats pids;
};

/* The number that is all of a file. 0 when it is not there, or is "max". */
static uint64_t number_in(const struct host_cgroup *g, const char *controller, const char *file)
{
	const char *folder = host_cgroup_of(g, controller);
	auto_free char *path = folder ? str_printf("%s/%s", folder, file) : NULL;
	auto_free char *text = NULL;
	uint64_t n = 0;

	if (!path || file_read(AT_FDCWD, path, CGROUP_FILE_MAX_BYTES, &text, NULL, NULL) < 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	return num_parse_u64(text, &n) == 0 ? n : 0;
}

static uint64_t line_in(const struct host_cgroup *g, const char *controller, const char *file,
			const char *key)
{
	const char *folder = host_cgroup_of(g, controller);
	uint64_t n = 0;

	return folder && host_cgroup_key(folder, file, key, &n) ? n : 0;
}

static void take_cpu(struct usage *u, const struct host_cgroup *g)
{
	Grpc__CpuUsage *c = &u->cpu_usage;
	Grpc__ThrottlingData *t = &u->throttling;

	if (host_cgroup_is_unified(g)) {
		c->total_usage = line_in(g, "cpu", "cpu.stat", "usage_usec") * NS_PER_US;
		c->usage_in_usermode = line_in(g, "cpu", "cpu.stat", "user_usec") * NS_PER_US;
		c->usage_in_kernelmode = line_in(g, "cpu", "cpu.stat", "system_usec") * NS_PER_US;
		t->throttled_time = line_in(g, "cpu", "cpu.stat", "throttled_usec") * NS_PER_US;
	} else {
		c->total_usage = number_in(g, "cpuacct", "cpuacct.usage");
		c->usage_in_usermode = number_in(g, "cpuacct", "cpuacct.usage_user");
		c->usage_in_kernelmode = number_in(g, "cpuacct", "cpuacct.usage_sys");
		t->throttled_time = line_in(g, "cpu", "cpu.stat", "throttled_time");
	}
	t->periods = line_in(g, "cpu", "cpu.stat", "nr_periods");
	t->throttled_periods = line_in(g, "cpu", "cpu.stat", "nr_throttled");
	u->cpu.cpu_usage = c;
	u->cpu.throttling_data = t;
}

static void take_memory(struct usage *u, const struct host_cgroup *g)
{
	bool v2 = host_cgroup_is_unified(g);
	Grpc__MemoryData *b = &u->bytes;

	b->usage = number_in(g, "memory", v2 ? "memory.current" : "memory.usage_in_bytes");
	b->max_usage = number_in(g, "memory", v2 ? "memory.peak" : "memory.max_usage_in_bytes");
	b->failcnt = v2 ? line_in(g, "memory", "memory.events", "max")
			: number_in(g, "memory", "memory.failcnt");
	b->limit = host_cgroup_memory_limit(g);
	u->memory.usage = b;
	for (size_t i = 0; i < ARRAY_LEN(memory_lines); i++) {
		Grpc__MemoryStats__StatsEntry *line = &u->lines[i];

		grpc__memory_stats__stats_entry__init(line);
		line->key = (char *) memory_lines[i].v2;
		line->value = line_in(g, "memory", "memory.stat",
				      v2 ? memory_lines[i].v2 : memory_lines[i].v1);
		u->line_list[i] = line;
	}
	u->memory.stats = u->line_list;
	u->memory.n_stats = ARRAY_LEN(memory_lines);
}

static void take_all(struct usage *u, const struct host_cgroup *g)
{
	grpc__stats_container_response__init(&u->all);
	grpc__cgroup_stats__init(&u->cgroup);
	grpc__cpu_stats__init(&u->cpu);
	grpc__cpu_usage__init(&u->cpu_usage);
	grpc__throttling_data__init(&u->throttling);
	grpc__memory_stats__init(&u->memory);
	grpc__memory_data__init(&u->bytes);
	grpc__pids_stats__init(&u->pids);
	take_cpu(u, g);
	take_memory(u, g);
	u->pids.current = number_in(g, "pids", "pids.current");
	u->cgroup.cpu_stats = &u->cpu;
	u->cgroup.memory_stats = &u->memory;
	u->cgroup.pids_stats = &u->pids;
	u->all.cgroup_stats = &u->cgroup;
}

int host_cgroup_stats(const struct host_cgroup *g, void **ret, size_t *ret_bytes, struct err *e)
{
	auto_free struct usage *u = calloc(1, sizeof *u);

	if (!u)
		return err_sys(e, ENOMEM, "read the statistics of cgroup '%s'", g->name);
	take_all(u, g);

	size_t bytes = protobuf_c_message_get_packed_size(&u->all.base);
	auto_free uint8_t *packed = malloc(bytes);

	if (!packed)
		return err_sys(e, ENOMEM, "read the statistics of cgroup '%s'", g->name);
	*ret_bytes = protobuf_c_message_pack(&u->all.base, packed);
	*ret = take_ptr(packed);
	return 0;
}
