#include <errno.h>
#include <stdlib.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "host/resources/resources.h"

#define MIB (UINT64_C(1) << 20)

/* What a guest needs beside its container: the kernel and the agent, and for each page of memory a
 * struct page of 64 bytes (1/64 of 4 KiB). */
#define GUEST_BASE_BYTES    (64 * MIB)
#define GUEST_PER_PAGE_PART 64

/* The period of a quota when the spec gives none (runtime specification, CPU). */
#define CPU_PERIOD_DEFAULT_US 100000
/* The longest that the kernel takes (sched-bwc.rst). */
#define CPU_PERIOD_MOST_US 1000000

struct host_size host_size(void)
{
	struct sysinfo info;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct host_size size = {.cpus = cpus > 0 ? (uint32_t) cpus : 1};

	if (sysinfo(&info) == 0)
		size.memory_bytes = (uint64_t) info.totalram * info.mem_unit;
	return size;
}

/* One more than the highest CPU of a list such as "0-3,7"; 0 for an empty one. */
static uint64_t cpus_in_list(const char *list)
{
	uint64_t highest = 0;
	char *end;

	while (*list) {
		uint64_t n = strtoul(list, &end, 10);

		if (end == list) { /* a separator */
			list++;
			continue;
		}
		if (n + 1 > highest)
			highest = n + 1;
		list = end;
	}
	return highest;
}

/* More than any machine has, so that sums of it do not overflow. */
#define CPU_MILLI_MOST    (UINT64_C(1) << 32)
#define MEMORY_BYTES_MOST (UINT64_C(1) << 56)

static uint64_t at_most(uint64_t n, uint64_t most)
{
	return n < most ? n : most;
}

static uint64_t at_least(uint64_t n, uint64_t least)
{
	return n > least ? n : least;
}

/* @period of 0: the usual one. */
static uint64_t quota_milli(uint64_t quota, uint64_t period)
{
	period = period ? at_most(period, CPU_PERIOD_MOST_US) : CPU_PERIOD_DEFAULT_US;

	uint64_t part = quota % period * 1000;
	uint64_t milli = at_most(quota / period, CPU_MILLI_MOST / 1000) * 1000;

	return milli + part / period + (part % period != 0);
}

struct machine_need machine_need(const Grpc__LinuxResources *r)
{
	const struct machine_need nothing = {.n_unlimited = 1};

	return r ? machine_need_updated(&nothing, r) : nothing;
}

struct machine_need machine_need_updated(const struct machine_need *need,
					 const Grpc__LinuxResources *update)
{
	const Grpc__LinuxCPU *cpu = update->cpu;
	const Grpc__LinuxMemory *memory = update->memory;
	struct machine_need n = *need;

	if (cpu && cpu->has_quota)
		n.cpu_milli = cpu->quota > 0 ? quota_milli((uint64_t) cpu->quota,
							   cpu->has_period ? cpu->period : 0)
					     : 0;
	if (cpu && cpu->cpus && cpu->cpus[0])
		n.cpus_named = cpus_in_list(cpu->cpus);
	if (memory && memory->has_limit) {
		n.n_unlimited = memory->limit <= 0;
		n.memory_bytes = memory->limit <= 0
					 ? 0
					 : at_most((uint64_t) memory->limit, MEMORY_BYTES_MOST);
	}
	return n;
}

bool machine_need_of_pod(const struct pod_limits *limits, struct machine_need *ret)
{
	if (!limits->cpu_quota_us && !limits->memory_bytes)
		return false;
	*ret = (struct machine_need){
		.cpu_milli = quota_milli(limits->cpu_quota_us, limits->cpu_period_us),
		.memory_bytes = at_most(limits->memory_bytes, MEMORY_BYTES_MOST),
		.n_unlimited = limits->memory_bytes == 0,
	};
	return true;
}

void machine_need_add(struct machine_need *sum, const struct machine_need *one)
{
	sum->cpu_milli = at_most(sum->cpu_milli + one->cpu_milli, CPU_MILLI_MOST);
	sum->cpus_named = at_least(sum->cpus_named, one->cpus_named);
	sum->memory_bytes = at_most(sum->memory_bytes + one->memory_bytes, MEMORY_BYTES_MOST);
	sum->n_unlimited += one->n_unlimited;
}

struct machine_need machine_need_most(const struct machine_need *a, const struct machine_need *b)
{
	return (struct machine_need){
		.cpu_milli = at_least(a->cpu_milli, b->cpu_milli),
		.cpus_named = at_least(a->cpus_named, b->cpus_named),
		.memory_bytes = at_least(a->memory_bytes, b->memory_bytes),
		.n_unlimited = a->n_unlimited > b->n_unlimited ? a->n_unlimited : b->n_unlimited,
	};
}

static uint64_t vcpus_most(const struct config_hypervisor *config, const struct host_size *host)
{
	uint64_t most = config->default_maxvcpus ? config->default_maxvcpus : host->cpus;

	return at_most(most, host->cpus);
}

static uint32_t vcpus(const struct config_hypervisor *config, const struct machine_need *need,
		      const struct host_size *host)
{
	uint64_t n = config->default_vcpus < 0 ? host->cpus : (uint64_t) config->default_vcpus;

	n = at_least(n, at_least((need->cpu_milli + 999) / 1000, need->cpus_named));
	return (uint32_t) at_least(at_most(n, vcpus_most(config, host)), 1);
}

/* The most memory that one machine may have. */
static uint64_t memory_most(uint32_t max_mib, const struct host_size *host)
{
	uint64_t most = max_mib * MIB;

	return max_mib && most < host->memory_bytes ? most : host->memory_bytes;
}

/* The same, for a machine whose configured size wins over the maximum. */
static uint64_t memory_most_of(const struct config_hypervisor *config, const struct host_size *host)
{
	return at_least(memory_most(config->default_maxmemory, host), config->default_memory * MIB);
}

/* Containers without a limit share what one machine has by default. */
static uint64_t memory(const struct config_hypervisor *config, const struct machine_need *need,
		       const struct host_size *host)
{
	uint64_t size = config->default_memory * MIB;
	uint64_t most = memory_most_of(config, host);
	uint64_t limits = at_most(need->memory_bytes, most);

	if (limits == 0)
		return size;
	size = at_least(size, limits + limits / GUEST_PER_PAGE_PART + GUEST_BASE_BYTES +
				      (need->n_unlimited ? size : 0));
	return (at_most(size, most) + MIB - 1) / MIB * MIB;
}

struct machine_wish machine_wish(const struct config_hypervisor *config)
{
	return (struct machine_wish){
		.vcpus = config->default_vcpus,
		.max_vcpus = config->default_maxvcpus,
		.memory_mib = config->default_memory,
		.max_memory_mib = config->default_maxmemory,
	};
}

/* @wanted is what annotation @name has made of @was. */
static int check_raised(const char *name, uint64_t was, uint64_t wanted, uint64_t most,
			const char *unit, struct err *e)
{
	if (wanted == was || wanted <= most)
		return 0;
	return err_say(e, EINVAL,
		       "annotation io.katacontainers.config.hypervisor.%s: %llu are more than the "
		       "%llu %s that a machine may have here",
		       name, (unsigned long long) wanted, (unsigned long long) most, unit);
}

int machine_wish_check(const struct machine_wish *file, const struct config_hypervisor *config,
		       const struct host_size *host, struct err *e)
{
	uint64_t mib = memory_most(file->max_memory_mib, host) / MIB;
	uint64_t cpus =
		file->max_vcpus && file->max_vcpus < host->cpus ? file->max_vcpus : host->cpus;
	const struct machine_wish w = machine_wish(config);
	int r = check_raised("default_memory", file->memory_mib, w.memory_mib, mib, "MiB", e);

	if (r == 0)
		r = check_raised("default_maxmemory", file->max_memory_mib, w.max_memory_mib, mib,
				 "MiB", e);
	if (r == 0 && w.vcpus > 0)
		r = check_raised("default_vcpus", file->vcpus > 0 ? (uint64_t) file->vcpus : 0,
				 (uint64_t) w.vcpus, cpus, "CPUs", e);
	if (r == 0)
		r = check_raised("default_max_vcpus", file->max_vcpus, w.max_vcpus, cpus, "CPUs",
				 e);
	/* 0 and negative numbers mean all of the host. */
	if (r == 0 && file->max_vcpus && !w.max_vcpus)
		r = check_raised("default_max_vcpus", file->max_vcpus, host->cpus, cpus, "CPUs", e);
	if (r == 0 && file->max_memory_mib && !w.max_memory_mib)
		r = check_raised("default_maxmemory", file->max_memory_mib,
				 host->memory_bytes / MIB, mib, "MiB", e);
	return r;
}

struct machine_size machine_size(const struct config_hypervisor *config,
				 const struct machine_need *need, const struct host_size *host)
{
	return (struct machine_size){
		.vcpus = vcpus(config, need, host),
		.memory_bytes = memory(config, need, host),
	};
}

struct machine_size machine_size_most(const struct config_hypervisor *config,
				      const struct host_size *host)
{
	return (struct machine_size){
		.vcpus = (uint32_t) vcpus_most(config, host),
		.memory_bytes = memory_most_of(config, host) / MIB * MIB,
	};
}
