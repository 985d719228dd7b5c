#include "host/shim/metrics.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent.pb-c.h"
#include "base/array.h"
#include "base/auto.h"
#include "cgroup_metrics.pb-c.h"
#include "ttrpc/ttrpc.h"

typedef Io__Containerd__Cgroups__V2__MemoryStat memory_stat;
typedef Io__Containerd__Cgroups__V2__CPUStat cpu_stat;
typedef Io__Containerd__Cgroups__V2__IOEntry io_entry;

#define NS_PER_US 1000
/* More devices than a machine has. */
#define DEVICES_MAX 64

/* The messages that one answer is made of. */
struct metrics {
	Io__Containerd__Cgroups__V2__Metrics all;
	Io__Containerd__Cgroups__V2__PidsStat pids;
	cpu_stat cpu;
	memory_stat memory;
	Io__Containerd__Cgroups__V2__IOStat io;
	io_entry devices[DEVICES_MAX];
	io_entry *device_list[DEVICES_MAX];
};

/* The lines of memory.stat that have a field. */
static const struct memory_line {
	const char *key;
	size_t offset;
} memory_lines[] = {
#define LINE(name)                                 \
	{                                          \
#name, offsetof(memory_stat, name) \
	}
	LINE(anon),
	LINE(file),
	LINE(kernel_stack),
	LINE(slab),
	LINE(sock),
	LINE(shmem),
	LINE(file_mapped),
	LINE(file_dirty),
	LINE(file_writeback),
	LINE(anon_thp),
	LINE(inactive_anon),
	LINE(active_anon),
	LINE(inactive_file),
	LINE(active_file),
	LINE(unevictable),
	LINE(slab_reclaimable),
	LINE(slab_unreclaimable),
	LINE(pgfault),
	LINE(pgmajfault),
#undef LINE
};

static void take_memory_line(memory_stat *m, const char *key, uint64_t value)
{
	for (size_t i = 0; i < ARRAY_LEN(memory_lines); i++)
		if (strcmp(memory_lines[i].key, key) == 0)
			*(uint64_t *) ((char *) m + memory_lines[i].offset) = value;
}

static void take_memory(struct metrics *m, const Grpc__MemoryStats *from)
{
	for (size_t i = 0; i < from->n_stats; i++)
		take_memory_line(&m->memory, from->stats[i]->key, from->stats[i]->value);
	if (from->usage) {
		m->memory.usage = from->usage->usage;
		m->memory.usage_limit = from->usage->limit;
		m->memory.max_usage = from->usage->max_usage;
	}
	if (from->swap_usage) {
		m->memory.swap_usage = from->swap_usage->usage;
		m->memory.swap_limit = from->swap_usage->limit;
	}
	m->all.memory = &m->memory;
}

static void take_cpu(struct metrics *m, const Grpc__CpuStats *from)
{
	if (from->cpu_usage) {
		m->cpu.usage_usec = from->cpu_usage->total_usage / NS_PER_US;
		m->cpu.user_usec = from->cpu_usage->usage_in_usermode / NS_PER_US;
		m->cpu.system_usec = from->cpu_usage->usage_in_kernelmode / NS_PER_US;
	}
	if (from->throttling_data) {
		m->cpu.nr_periods = from->throttling_data->periods;
		m->cpu.nr_throttled = from->throttling_data->throttled_periods;
		m->cpu.throttled_usec = from->throttling_data->throttled_time / NS_PER_US;
	}
	m->all.cpu = &m->cpu;
}

/* The entry of a device, made if there is room for one more; else NULL. */
static io_entry *device_of(struct metrics *m, const Grpc__BlkioStatsEntry *from)
{
	size_t n = m->io.n_usage;

	for (size_t i = 0; i < n; i++)
		if (m->devices[i].major == from->major && m->devices[i].minor == from->minor)
			return &m->devices[i];
	if (n == DEVICES_MAX)
		return NULL;
	io__containerd__cgroups__v2__ioentry__init(&m->devices[n]);
	m->devices[n].major = from->major;
	m->devices[n].minor = from->minor;
	m->device_list[n] = &m->devices[n];
	m->io.n_usage++;
	return &m->devices[n];
}

static void take_io(struct metrics *m, const Grpc__BlkioStats *from)
{
	for (size_t i = 0; i < from->n_io_service_bytes_recursive; i++) {
		const Grpc__BlkioStatsEntry *entry = from->io_service_bytes_recursive[i];
		io_entry *device = device_of(m, entry);

		if (device && strcasecmp(entry->op, "read") == 0)
			device->rbytes = entry->value;
		else if (device && strcasecmp(entry->op, "write") == 0)
			device->wbytes = entry->value;
	}
	for (size_t i = 0; i < from->n_io_serviced_recursive; i++) {
		const Grpc__BlkioStatsEntry *entry = from->io_serviced_recursive[i];
		io_entry *device = device_of(m, entry);

		if (device && strcasecmp(entry->op, "read") == 0)
			device->rios = entry->value;
		else if (device && strcasecmp(entry->op, "write") == 0)
			device->wios = entry->value;
	}
	m->io.usage = m->device_list;
	m->all.io = &m->io;
}

static void take_all(struct metrics *m, const Grpc__CgroupStats *from)
{
	io__containerd__cgroups__v2__metrics__init(&m->all);
	io__containerd__cgroups__v2__pids_stat__init(&m->pids);
	io__containerd__cgroups__v2__cpustat__init(&m->cpu);
	io__containerd__cgroups__v2__memory_stat__init(&m->memory);
	io__containerd__cgroups__v2__iostat__init(&m->io);
	if (from && from->pids_stats) {
		m->pids.current = from->pids_stats->current;
		m->pids.limit = from->pids_stats->limit;
		m->all.pids = &m->pids;
	}
	if (from && from->cpu_stats)
		take_cpu(m, from->cpu_stats);
	if (from && from->memory_stats)
		take_memory(m, from->memory_stats);
	if (from && from->blkio_stats)
		take_io(m, from->blkio_stats);
}

int metrics_pack(const void *stats, size_t bytes, uint8_t **ret, size_t *ret_bytes, struct err *e)
{
	auto_ptr(ttrpc_message_free) ProtobufCMessage *message = NULL;
	auto_free struct metrics *m = calloc(1, sizeof *m);
	int r = ttrpc_unpack(&grpc__stats_container_response__descriptor, stats, bytes, &message,
			     e);

	if (r < 0)
		return r;
	if (!m)
		return err_sys(e, ENOMEM, "pack statistics");
	take_all(m, ((Grpc__StatsContainerResponse *) message)->cgroup_stats);
	*ret_bytes = protobuf_c_message_get_packed_size(&m->all.base);
	*ret = malloc(*ret_bytes ? *ret_bytes : 1);
	if (!*ret)
		return err_sys(e, ENOMEM, "pack statistics");
	(void) protobuf_c_message_pack(&m->all.base, *ret);
	return 0;
}
