#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "agent.pb-c.h"
#include "host/shim/server.h"

/* The form is that of "runc events --stats", which tools read: names and nesting are runc's. */

/* "No limit" is UINT64_MAX, but the library's numbers end at INT64_MAX. */
static json_t *number(uint64_t n)
{
	return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t) n);
}

static json_t *cpu(const Grpc__CpuStats *c)
{
	const Grpc__CpuUsage *u = c->cpu_usage;
	const Grpc__ThrottlingData *t = c->throttling_data;
	json_t *usage = json_object(), *throttling = json_object();

	if (u) {
		(void) json_object_set_new(usage, "total", number(u->total_usage));
		(void) json_object_set_new(usage, "kernel", number(u->usage_in_kernelmode));
		(void) json_object_set_new(usage, "user", number(u->usage_in_usermode));
	}
	if (t) {
		(void) json_object_set_new(throttling, "periods", number(t->periods));
		(void) json_object_set_new(throttling, "throttledPeriods",
					   number(t->throttled_periods));
		(void) json_object_set_new(throttling, "throttledTime", number(t->throttled_time));
	}
	return json_pack("{s:o, s:o}", "usage", usage, "throttling", throttling);
}

static json_t *memory_entry(const Grpc__MemoryData *m)
{
	if (!m)
		return json_pack("{s:i, s:i}", "limit", 0, "failcnt", 0);
	return json_pack("{s:o, s:o, s:o, s:o}", "limit", number(m->limit), "usage",
			 number(m->usage), "max", number(m->max_usage), "failcnt",
			 number(m->failcnt));
}

static json_t *memory(const Grpc__MemoryStats *m)
{
	json_t *raw = json_object();

	for (size_t i = 0; i < m->n_stats; i++)
		(void) json_object_set_new(raw, m->stats[i]->key, number(m->stats[i]->value));
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "cache", number(m->cache), "usage",
			 memory_entry(m->usage), "swap", memory_entry(m->swap_usage), "kernel",
			 memory_entry(m->kernel_usage), "kernelTCP", memory_entry(NULL), "raw",
			 raw);
}

static json_t *blkio_list(Grpc__BlkioStatsEntry *const *list, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++)
		(void) json_array_append_new(
			array, json_pack("{s:o, s:o, s:s, s:o}", "major", number(list[i]->major),
					 "minor", number(list[i]->minor), "op", list[i]->op,
					 "value", number(list[i]->value)));
	return array;
}

static json_t *blkio(const Grpc__BlkioStats *b)
{
	json_t *o = json_object();

#define LIST(name, field) (void) json_object_set_new(o, name, blkio_list(b->field, b->n_##field))
	LIST("ioServiceBytesRecursive", io_service_bytes_recursive);
	LIST("ioServicedRecursive", io_serviced_recursive);
	LIST("ioQueueRecursive", io_queued_recursive);
	LIST("ioServiceTimeRecursive", io_service_time_recursive);
	LIST("ioWaitTimeRecursive", io_wait_time_recursive);
	LIST("ioMergedRecursive", io_merged_recursive);
	LIST("ioTimeRecursive", io_time_recursive);
	LIST("sectorsRecursive", sectors_recursive);
#undef LIST
	return o;
}

static json_t *hugetlb(const Grpc__CgroupStats *c)
{
	json_t *o = json_object();

	for (size_t i = 0; i < c->n_hugetlb_stats; i++) {
		const Grpc__HugetlbStats *h = c->hugetlb_stats[i]->value;

		if (h)
			(void) json_object_set_new(
				o, c->hugetlb_stats[i]->key,
				json_pack("{s:o, s:o, s:o}", "usage", number(h->usage), "max",
					  number(h->max_usage), "failcnt", number(h->failcnt)));
	}
	return o;
}

static json_t *stats(const Grpc__CgroupStats *c)
{
	json_t *o = json_object();

	if (!c)
		return o;
	if (c->cpu_stats)
		(void) json_object_set_new(o, "cpu", cpu(c->cpu_stats));
	if (c->memory_stats)
		(void) json_object_set_new(o, "memory", memory(c->memory_stats));
	if (c->pids_stats)
		(void) json_object_set_new(o, "pids",
					   json_pack("{s:o, s:o}", "current",
						     number(c->pids_stats->current), "limit",
						     number(c->pids_stats->limit)));
	if (c->blkio_stats)
		(void) json_object_set_new(o, "blkio", blkio(c->blkio_stats));
	(void) json_object_set_new(o, "hugetlb", hugetlb(c));
	(void) json_object_set_new(o, "intel_rdt", json_object());
	(void) json_object_set_new(o, "network_interfaces", json_null());
	return o;
}

int stats_print(const void *packed, size_t bytes, char **ret, struct err *e)
{
	auto_ptr(ttrpc_message_free) ProtobufCMessage *m = NULL;
	int r = ttrpc_unpack(&grpc__stats_container_response__descriptor, packed, bytes, &m, e);

	if (r < 0)
		return r;

	json_t *o = stats(((Grpc__StatsContainerResponse *) m)->cgroup_stats);

	*ret = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return *ret ? 0 : err_sys(e, ENOMEM, "print statistics");
}
