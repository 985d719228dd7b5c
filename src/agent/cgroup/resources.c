#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/cgroup/cgroup.h"
#include "agent/cgroup/convert.h"
#include "agent/cgroup/tree.h"
#include "base/array.h"
#include "base/file.h"

/*
 * linux.resources as files of the cgroup. A field that is absent, or has the value that engines
 * written in Go use for "not set", is left alone; every other is set or refused by its name.
 */

/* Writes to @file; an error names @field. */
__attribute__((format(printf, 5, 6))) static int set(const struct cgroup *cg, const char *file,
						     const char *field, struct err *e,
						     const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t) n >= sizeof text)
		return err_say(e, EINVAL, "linux.resources.%s: is too long", field);

	auto_close int fd = openat(cg->fd, file, O_WRONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return err_say(e, ENOTSUP, "linux.resources.%s: the guest kernel has no '%s'",
			       field, file);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return err_sys(e, errno, "linux.resources.%s: write '%s' to '%s'", field, text,
			       file);
	return 0;
}

/* -1 is "max". */
static int set_max(const struct cgroup *cg, const char *file, const char *field, int64_t value,
		   struct err *e)
{
	return value < 0 ? set(cg, file, field, e, "max")
			 : set(cg, file, field, e, "%" PRId64, value);
}

static int refuse(const char *field, struct err *e)
{
	return err_say(e, ENOTSUP, "linux.resources.%s: cgroup v2 has no such thing", field);
}

static int set_memory(const struct cgroup *cg, const Grpc__LinuxMemory *m, struct err *e)
{
	int64_t swap = 0;
	uint64_t usage;
	int r;

	if (m->has_kernel && m->kernel > 0)
		return refuse("memory.kernel", e);
	if (m->has_kerneltcp && m->kerneltcp > 0)
		return refuse("memory.kernelTCP", e);
	if (m->has_swappiness && m->swappiness != 60)
		return refuse("memory.swappiness", e);
	if (m->has_disableoomkiller && m->disableoomkiller)
		return refuse("memory.disableOOMKiller", e);
	r = memory_swap_from_v1(m->swap, m->limit, &swap, e);
	if (r < 0)
		return r;
	if (m->checkbeforeupdate && m->limit > 0 &&
	    cgroup_read_number(cg, "memory.current", &usage) && usage > (uint64_t) m->limit)
		return err_say(e, EBUSY,
			       "linux.resources.memory.limit: %" PRIu64 " bytes are in use", usage);
	/* A guest without swap has no file for it, and then nothing can be swapped anyway. */
	if (swap != 0 && faccessat(cg->fd, "memory.swap.max", F_OK, 0) == 0)
		r = set_max(cg, "memory.swap.max", "memory.swap", swap, e);
	else if (m->swap > 0 && m->swap == m->limit &&
		 faccessat(cg->fd, "memory.swap.max", F_OK, 0) == 0)
		r = set_max(cg, "memory.swap.max", "memory.swap", 0, e);
	if (r == 0 && m->limit != 0)
		r = set_max(cg, "memory.max", "memory.limit", m->limit, e);
	if (r == 0 && m->reservation != 0)
		r = set_max(cg, "memory.low", "memory.reservation", m->reservation, e);
	return r;
}

static int set_quota(const struct cgroup *cg, const Grpc__LinuxCPU *cpu, struct err *e)
{
	if (cpu->quota == 0 && cpu->period == 0)
		return 0;

	const char *field = cpu->quota ? "cpu.quota" : "cpu.period";
	char quota[32] = "max", period[32] = "";

	if (cpu->quota > 0)
		(void) snprintf(quota, sizeof quota, "%" PRId64, cpu->quota);
	if (cpu->period)
		(void) snprintf(period, sizeof period, " %" PRIu64, cpu->period);
	return set(cg, "cpu.max", field, e, "%s%s", quota, period);
}

static int set_cpu(const struct cgroup *cg, const Grpc__LinuxCPU *cpu, struct err *e)
{
	uint64_t weight = cpu_weight_from_shares(cpu->shares);
	int r = 0;

	if (cpu->has_realtimeruntime && cpu->realtimeruntime != 0)
		return refuse("cpu.realtimeRuntime", e);
	if (cpu->has_realtimeperiod && cpu->realtimeperiod != 0)
		return refuse("cpu.realtimePeriod", e);
	if (cpu->has_idle)
		r = set(cg, "cpu.idle", "cpu.idle", e, "%" PRId64, cpu->idle);
	/* An idle group has no weight. */
	if (r == 0 && weight && !(cpu->has_idle && cpu->idle))
		r = set(cg, "cpu.weight", "cpu.shares", e, "%" PRIu64, weight);
	/* Each write must leave the burst within the quota, so the order depends on both. */
	if (r == 0 && cpu->has_burst &&
	    set(cg, "cpu.max.burst", "cpu.burst", NULL, "%" PRIu64, cpu->burst) == 0)
		return set_quota(cg, cpu, e);
	if (r == 0)
		r = set_quota(cg, cpu, e);
	if (r == 0 && cpu->has_burst)
		r = set(cg, "cpu.max.burst", "cpu.burst", e, "%" PRIu64, cpu->burst);
	return r;
}

static int set_cpuset(const struct cgroup *cg, const Grpc__LinuxCPU *cpu, struct err *e)
{
	int r = 0;

	if (cpu->cpus && cpu->cpus[0])
		r = set(cg, "cpuset.cpus", "cpu.cpus", e, "%s", cpu->cpus);
	if (r == 0 && cpu->mems && cpu->mems[0])
		r = set(cg, "cpuset.mems", "cpu.mems", e, "%s", cpu->mems);
	return r;
}

static bool has(const struct cgroup *cg, const char *file)
{
	return faccessat(cg->fd, file, F_OK, 0) == 0;
}

/* BFQ has its own file and its own scale, which is v1's. Which of both a disk goes by depends on
 * its scheduler, so both are told where the kernel has both. */
static int set_default_io_weight(const struct cgroup *cg, uint32_t weight, struct err *e)
{
	bool bfq = has(cg, "io.bfq.weight");
	int r = bfq ? set(cg, "io.bfq.weight", "blockIO.weight", e, "%u", weight) : 0;

	if (r == 0 && (!bfq || has(cg, "io.weight")))
		r = set(cg, "io.weight", "blockIO.weight", e, "%" PRIu64,
			io_weight_from_blkio(weight));
	return r;
}

static int set_io_weight(const struct cgroup *cg, const Grpc__LinuxBlockIO *io, struct err *e)
{
	bool bfq = has(cg, "io.bfq.weight");
	int r = 0;

	if ((io->has_leafweight && io->leafweight) || io->n_weightdevice > 0) {
		for (size_t i = 0; i < io->n_weightdevice; i++)
			if (io->weightdevice[i]->leafweight)
				return refuse("blockIO.weightDevice.leafWeight", e);
		if (io->leafweight)
			return refuse("blockIO.leafWeight", e);
	}
	if (io->weight)
		r = set_default_io_weight(cg, io->weight, e);
	for (size_t i = 0; r == 0 && i < io->n_weightdevice; i++) {
		const Grpc__LinuxWeightDevice *d = io->weightdevice[i];

		if (!d->weight)
			continue;
		r = bfq ? set(cg, "io.bfq.weight", "blockIO.weightDevice", e,
			      "%" PRId64 ":%" PRId64 " %u", d->major, d->minor, d->weight)
			: set(cg, "io.weight", "blockIO.weightDevice", e,
			      "%" PRId64 ":%" PRId64 " %" PRIu64, d->major, d->minor,
			      io_weight_from_blkio(d->weight));
	}
	return r;
}

static int set_throttle(const struct cgroup *cg, Grpc__LinuxThrottleDevice *const *devices,
			size_t n, const char *key, const char *field, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		const Grpc__LinuxThrottleDevice *d = devices[i];
		char rate[32] = "max";

		if (d->rate)
			(void) snprintf(rate, sizeof rate, "%" PRIu64, d->rate);
		r = set(cg, "io.max", field, e, "%" PRId64 ":%" PRId64 " %s=%s", d->major, d->minor,
			key, rate);
	}
	return r;
}

static int set_io(const struct cgroup *cg, const Grpc__LinuxBlockIO *io, struct err *e)
{
	int r = set_io_weight(cg, io, e);

	if (r == 0)
		r = set_throttle(cg, io->throttlereadbpsdevice, io->n_throttlereadbpsdevice, "rbps",
				 "blockIO.throttleReadBpsDevice", e);
	if (r == 0)
		r = set_throttle(cg, io->throttlewritebpsdevice, io->n_throttlewritebpsdevice,
				 "wbps", "blockIO.throttleWriteBpsDevice", e);
	if (r == 0)
		r = set_throttle(cg, io->throttlereadiopsdevice, io->n_throttlereadiopsdevice,
				 "riops", "blockIO.throttleReadIOPSDevice", e);
	if (r == 0)
		r = set_throttle(cg, io->throttlewriteiopsdevice, io->n_throttlewriteiopsdevice,
				 "wiops", "blockIO.throttleWriteIOPSDevice", e);
	return r;
}

static int set_pids(const struct cgroup *cg, const Grpc__LinuxPids *pids, struct err *e)
{
	/* 0 is how engines say "not set"; runc takes it so, too. */
	if (!pids->has_limit || pids->limit == 0)
		return 0;
	return set_max(cg, "pids.max", "pids.limit", pids->limit, e);
}

static int set_hugepages(const struct cgroup *cg, const Grpc__LinuxResources *res, struct err *e)
{
	for (size_t i = 0; i < res->n_hugepagelimits; i++) {
		const Grpc__LinuxHugepageLimit *l = res->hugepagelimits[i];
		const char *size = l->pagesize ? l->pagesize : "";
		char file[64];

		if (!size[0] || strlen(size) > 16 || strchr(size, '/'))
			return err_say(e, EINVAL,
				       "linux.resources.hugepageLimits: '%.32s' is no page size",
				       size);
		(void) snprintf(file, sizeof file, "hugetlb.%s.max", size);

		int r = set(cg, file, "hugepageLimits", e, "%" PRIu64, l->limit);

		if (r < 0)
			return r;
		/* Pages that are only reserved count, too, where the kernel can. */
		(void) snprintf(file, sizeof file, "hugetlb.%s.rsvd.max", size);
		if (faccessat(cg->fd, file, F_OK, 0) == 0)
			r = set(cg, file, "hugepageLimits", e, "%" PRIu64, l->limit);
		if (r < 0)
			return r;
	}
	return 0;
}

static int set_rdma(const struct cgroup *cg, const Grpc__LinuxResources *res, struct err *e)
{
	for (size_t i = 0; i < res->n_rdma; i++) {
		const Grpc__LinuxRdma *limit = res->rdma[i]->value;
		char handles[32] = "max", objects[32] = "max";

		if (limit && limit->has_hcahandles)
			(void) snprintf(handles, sizeof handles, "%u", limit->hcahandles);
		if (limit && limit->has_hcaobjects)
			(void) snprintf(objects, sizeof objects, "%u", limit->hcaobjects);

		int r = set(cg, "rdma.max", "rdma", e, "%.64s hca_handle=%s hca_object=%s",
			    res->rdma[i]->key ? res->rdma[i]->key : "", handles, objects);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Files by which the runtime manages the cgroup; they are no limits. */
static bool is_runtimes_own(const char *file)
{
	static const char *const own[] = {
		"cgroup.procs",  "cgroup.threads", "cgroup.kill",
		"cgroup.freeze", "cgroup.type",    "cgroup.subtree_control",
	};

	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		if (strcmp(file, own[i]) == 0)
			return true;
	return false;
}

/* Writes whole lines to files of the cgroup, also to files unknown here; the kernel checks the
 * values. */
static int set_unified(const struct cgroup *cg, const Grpc__LinuxResources *res, struct err *e)
{
	for (size_t i = 0; i < res->n_unified; i++) {
		const char *file = res->unified[i]->key ? res->unified[i]->key : "";
		const char *rest = res->unified[i]->value ? res->unified[i]->value : "";
		char field[96];

		if (!file[0] || file[0] == '.' || strchr(file, '/') || is_runtimes_own(file))
			return err_say(e, EINVAL, "linux.resources.unified['%.64s']: is no limit",
				       file);
		(void) snprintf(field, sizeof field, "unified['%.64s']", file);
		while (*rest) {
			int bytes = (int) strcspn(rest, "\n");
			int r = set(cg, file, field, e, "%.*s", bytes, rest);

			if (r < 0)
				return r;
			rest += bytes + (rest[bytes] == '\n');
		}
	}
	return 0;
}

int cgroup_limit(struct cgroup *cg, const Grpc__LinuxResources *res, struct err *e)
{
	int r = 0;

	if (res->network && ((res->network->has_classid && res->network->classid) ||
			     res->network->n_priorities > 0))
		return refuse("network", e);
	if (res->memory)
		r = set_memory(cg, res->memory, e);
	if (r == 0 && res->cpu)
		r = set_cpu(cg, res->cpu, e);
	if (r == 0 && res->cpu)
		r = set_cpuset(cg, res->cpu, e);
	if (r == 0 && res->pids)
		r = set_pids(cg, res->pids, e);
	if (r == 0 && res->blockio)
		r = set_io(cg, res->blockio, e);
	if (r == 0)
		r = set_hugepages(cg, res, e);
	if (r == 0)
		r = set_rdma(cg, res, e);
	return r < 0 ? r : set_unified(cg, res, e);
}
