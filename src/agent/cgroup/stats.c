#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/cgroup/cgroup.h"
#include "agent/cgroup/tree.h"
#include "base/file.h"

/*
 * What a container uses, in the cgroup v1 terms of the protocol. A file that is not there (a
 * controller that this kernel lacks) leaves its part out.
 */

#define IO_DEVICES_MAX 1024

/* Calls @fn for every line "key value". */
static void each_pair(const struct cgroup *cg, const char *file,
		      void (*fn)(void *arg, const char *key, uint64_t value), void *arg)
{
	auto_free char *text = NULL;
	char *rest = NULL;

	if (file_read(cg->fd, file, CGROUP_FILE_MAX_BYTES, &text, NULL, NULL) < 0)
		return;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char *blank = strchr(line, ' ');
		uint64_t value;

		if (!blank)
			continue;
		*blank = '\0';
		if (num_parse_u64(blank + 1, &value) == 0)
			fn(arg, line, value);
	}
}

static void take_cpu(void *arg, const char *key, uint64_t value)
{
	Grpc__CpuStats *cpu = arg;
	Grpc__ThrottlingData *throttling = cpu->throttling_data;

	/* cgroup v2 counts in microseconds, the protocol in nanoseconds. */
	if (strcmp(key, "usage_usec") == 0)
		cpu->cpu_usage->total_usage = value * 1000;
	else if (strcmp(key, "user_usec") == 0)
		cpu->cpu_usage->usage_in_usermode = value * 1000;
	else if (strcmp(key, "system_usec") == 0)
		cpu->cpu_usage->usage_in_kernelmode = value * 1000;
	else if (strcmp(key, "nr_periods") == 0)
		throttling->periods = value;
	else if (strcmp(key, "nr_throttled") == 0)
		throttling->throttled_periods = value;
	else if (strcmp(key, "throttled_usec") == 0)
		throttling->throttled_time = value * 1000;
}

/* A message that grpc__cgroup_stats__free_unpacked() can free: all with malloc(). */
#define NEW(var, type, init)                       \
	({                                         \
		type *new_ = malloc(sizeof *new_); \
		if (new_)                          \
			init(new_);                \
		(var) = new_;                      \
		new_;                              \
	})

static int read_cpu(const struct cgroup *cg, Grpc__CgroupStats *stats)
{
	if (!NEW(stats->cpu_stats, Grpc__CpuStats, grpc__cpu_stats__init) ||
	    !NEW(stats->cpu_stats->cpu_usage, Grpc__CpuUsage, grpc__cpu_usage__init) ||
	    !NEW(stats->cpu_stats->throttling_data, Grpc__ThrottlingData,
		 grpc__throttling_data__init))
		return -ENOMEM;
	each_pair(cg, "cpu.stat", take_cpu, stats->cpu_stats);
	return 0;
}

static int read_pids(const struct cgroup *cg, Grpc__CgroupStats *stats)
{
	uint64_t limit;

	if (!NEW(stats->pids_stats, Grpc__PidsStats, grpc__pids_stats__init))
		return -ENOMEM;
	(void) cgroup_read_number(cg, "pids.current", &stats->pids_stats->current);
	/* In the protocol 0 is "no limit". */
	if (cgroup_read_number(cg, "pids.max", &limit) && limit != UINT64_MAX)
		stats->pids_stats->limit = limit;
	return 0;
}

struct memory_pairs {
	Grpc__MemoryStats *memory;
	size_t room;
	bool failed;
};

static void take_memory(void *arg, const char *key, uint64_t value)
{
	struct memory_pairs *pairs = arg;
	Grpc__MemoryStats *m = pairs->memory;
	Grpc__MemoryStats__StatsEntry *entry;

	if (strcmp(key, "file") == 0)
		m->cache = value;
	if (pairs->failed ||
	    !NEW(entry, Grpc__MemoryStats__StatsEntry, grpc__memory_stats__stats_entry__init)) {
		pairs->failed = true;
		return;
	}
	if (m->n_stats == pairs->room) {
		size_t room = pairs->room ? 2 * pairs->room : 64;
		Grpc__MemoryStats__StatsEntry **more = realloc(m->stats, room * sizeof *more);

		if (!more) {
			free(entry);
			pairs->failed = true;
			return;
		}
		m->stats = more;
		pairs->room = room;
	}
	entry->value = value;
	entry->key = strdup(key);
	pairs->failed = !entry->key;
	m->stats[m->n_stats++] = entry;
}

static int read_memory_data(const struct cgroup *cg, const char *prefix, Grpc__MemoryData **ret)
{
	char file[64];
	Grpc__MemoryData *data = NEW(*ret, Grpc__MemoryData, grpc__memory_data__init);

	if (!data)
		return -ENOMEM;
	(void) snprintf(file, sizeof file, "%s.current", prefix);
	(void) cgroup_read_number(cg, file, &data->usage);
	(void) snprintf(file, sizeof file, "%s.peak", prefix);
	(void) cgroup_read_number(cg, file, &data->max_usage);
	(void) snprintf(file, sizeof file, "%s.max", prefix);
	(void) cgroup_read_number(cg, file, &data->limit);
	return 0;
}

static int read_memory(const struct cgroup *cg, Grpc__CgroupStats *stats)
{
	struct memory_pairs pairs = {0};
	int r;

	pairs.memory = NEW(stats->memory_stats, Grpc__MemoryStats, grpc__memory_stats__init);
	if (!pairs.memory)
		return -ENOMEM;
	pairs.memory->use_hierarchy = true; /* v2 has no other way */
	if ((r = read_memory_data(cg, "memory", &pairs.memory->usage)) < 0 ||
	    (r = read_memory_data(cg, "memory.swap", &pairs.memory->swap_usage)) < 0)
		return r;
	(void) cgroup_read_key(cg, "memory.events", "max", &pairs.memory->usage->failcnt);
	each_pair(cg, "memory.stat", take_memory, &pairs);
	return pairs.failed ? -ENOMEM : 0;
}

static int add_io(Grpc__BlkioStatsEntry ***list, size_t *n, uint64_t major, uint64_t minor,
		  const char *op, uint64_t value)
{
	Grpc__BlkioStatsEntry **more = realloc(*list, (*n + 1) * sizeof *more);
	Grpc__BlkioStatsEntry *entry;

	if (!more)
		return -ENOMEM;
	*list = more;
	if (!NEW(entry, Grpc__BlkioStatsEntry, grpc__blkio_stats_entry__init))
		return -ENOMEM;
	entry->major = major;
	entry->minor = minor;
	entry->value = value;
	entry->op = strdup(op);
	if (!entry->op) {
		free(entry);
		return -ENOMEM;
	}
	(*list)[(*n)++] = entry;
	return 0;
}

/* "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6" */
static int take_io(Grpc__BlkioStats *io, char *line)
{
	static const struct {
		const char *key, *op;
		bool bytes;
	} table[] = {
		{"rbytes", "Read", true}, {"wbytes", "Write", true}, {"dbytes", "Discard", true},
		{"rios", "Read", false},  {"wios", "Write", false},  {"dios", "Discard", false},
	};
	uint64_t major, minor, value;
	int used = 0;
	char *rest = NULL;

	if (sscanf(line, "%" SCNu64 ":%" SCNu64 "%n", &major, &minor, &used) != 2)
		return 0;
	for (char *word = strtok_r(line + used, " ", &rest); word;
	     word = strtok_r(NULL, " ", &rest)) {
		for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
			size_t bytes = strlen(table[i].key);

			if (strncmp(word, table[i].key, bytes) != 0 || word[bytes] != '=' ||
			    num_parse_u64(word + bytes + 1, &value) < 0)
				continue;

			int r = table[i].bytes ? add_io(&io->io_service_bytes_recursive,
							&io->n_io_service_bytes_recursive, major,
							minor, table[i].op, value)
					       : add_io(&io->io_serviced_recursive,
							&io->n_io_serviced_recursive, major, minor,
							table[i].op, value);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int read_io(const struct cgroup *cg, Grpc__CgroupStats *stats)
{
	auto_free char *text = NULL;
	char *rest = NULL;
	int r = 0, n = 0;

	if (!NEW(stats->blkio_stats, Grpc__BlkioStats, grpc__blkio_stats__init))
		return -ENOMEM;
	if (file_read(cg->fd, "io.stat", CGROUP_FILE_MAX_BYTES, &text, NULL, NULL) < 0)
		return 0;
	for (char *line = strtok_r(text, "\n", &rest); r == 0 && line && n < IO_DEVICES_MAX;
	     line = strtok_r(NULL, "\n", &rest), n++)
		r = take_io(stats->blkio_stats, line);
	return r;
}

/* "hugetlb.2MB.current" has a "2MB" in it. */
static int take_hugetlb(const struct cgroup *cg, Grpc__CgroupStats *stats, const char *file)
{
	char size[32], name[64];
	Grpc__CgroupStats__HugetlbStatsEntry **more, *entry;

	if (sscanf(file, "hugetlb.%31[0-9A-Z].current", size) != 1)
		return 0;
	more = realloc(stats->hugetlb_stats, (stats->n_hugetlb_stats + 1) * sizeof *more);
	if (!more)
		return -ENOMEM;
	stats->hugetlb_stats = more;
	if (!NEW(entry, Grpc__CgroupStats__HugetlbStatsEntry,
		 grpc__cgroup_stats__hugetlb_stats_entry__init))
		return -ENOMEM;
	more[stats->n_hugetlb_stats++] = entry;
	entry->key = strdup(size);
	if (!entry->key || !NEW(entry->value, Grpc__HugetlbStats, grpc__hugetlb_stats__init))
		return -ENOMEM;
	(void) cgroup_read_number(cg, file, &entry->value->usage);
	(void) snprintf(name, sizeof name, "hugetlb.%s.events", size);
	(void) cgroup_read_key(cg, name, "max", &entry->value->failcnt);
	return 0;
}

static int read_hugetlb(const struct cgroup *cg, Grpc__CgroupStats *stats)
{
	int fd = openat(cg->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int r = 0;

	if (!dir) {
		fd_close(fd);
		return -errno;
	}
	while (r == 0 && (entry = readdir(dir))) {
		size_t bytes = strlen(entry->d_name);

		if (strncmp(entry->d_name, "hugetlb.", 8) == 0 && bytes > 16 &&
		    strcmp(entry->d_name + bytes - 8, ".current") == 0 &&
		    !strstr(entry->d_name, ".rsvd."))
			r = take_hugetlb(cg, stats, entry->d_name);
	}
	(void) closedir(dir);
	return r;
}

int cgroup_stats(struct cgroup *cg, Grpc__CgroupStats **ret, struct err *e)
{
	Grpc__CgroupStats *stats;
	int r = -ENOMEM;

	if (NEW(stats, Grpc__CgroupStats, grpc__cgroup_stats__init))
		r = read_cpu(cg, stats);
	if (r == 0)
		r = read_pids(cg, stats);
	if (r == 0)
		r = read_memory(cg, stats);
	if (r == 0)
		r = read_io(cg, stats);
	if (r == 0)
		r = read_hugetlb(cg, stats);
	if (r < 0) {
		if (stats)
			grpc__cgroup_stats__free_unpacked(stats, NULL);
		return err_sys(e, -r, "read the figures of cgroup '%s'", cg->path);
	}
	*ret = stats;
	return 0;
}
