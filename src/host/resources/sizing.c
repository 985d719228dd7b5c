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

static uint64_t cpus_wanted(const Grpc__LinuxCPU *cpu)
{
	uint64_t wanted = 0;

	if (!cpu)
		return 0;
	if (cpu->has_quota && cpu->quota > 0) {
		uint64_t period =
			cpu->has_period && cpu->period ? cpu->period : CPU_PERIOD_DEFAULT_US;

		wanted = ((uint64_t) cpu->quota - 1) / period + 1;
	}
	if (cpu->cpus && cpus_in_list(cpu->cpus) > wanted)
		wanted = cpus_in_list(cpu->cpus);
	return wanted;
}

static uint32_t vcpus(const struct config_hypervisor *config, const Grpc__LinuxCPU *cpu,
		      const struct host_size *host)
{
	uint64_t most = config->default_maxvcpus ? config->default_maxvcpus : host->cpus;
	uint64_t n = config->default_vcpus < 0 ? host->cpus : (uint64_t) config->default_vcpus;
	uint64_t wanted = cpus_wanted(cpu);

	if (most > host->cpus)
		most = host->cpus;
	if (wanted > n)
		n = wanted;
	if (n > most)
		n = most;
	return n ? (uint32_t) n : 1;
}

/* The most memory that one machine may have. */
static uint64_t memory_most(uint32_t max_mib, const struct host_size *host)
{
	uint64_t most = max_mib * MIB;

	return max_mib && most < host->memory_bytes ? most : host->memory_bytes;
}

static uint64_t memory(const struct config_hypervisor *config, const Grpc__LinuxMemory *limits,
		       const struct host_size *host)
{
	uint64_t size = config->default_memory * MIB;
	uint64_t most = memory_most(config->default_maxmemory, host);

	if (most < size) /* the configured size wins over the maximum */
		most = size;

	if (!limits || !limits->has_limit || limits->limit <= 0)
		return size;

	uint64_t limit = (uint64_t) limits->limit;

	if (limit > most) /* the machine cannot have more, whatever the limit */
		limit = most;

	uint64_t wanted = limit + limit / GUEST_PER_PAGE_PART + GUEST_BASE_BYTES;

	if (wanted > size)
		size = wanted;
	if (size > most)
		size = most;
	return (size + MIB - 1) / MIB * MIB;
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
				 const Grpc__LinuxResources *r, const struct host_size *host)
{
	return (struct machine_size){
		.vcpus = vcpus(config, r ? r->cpu : NULL, host),
		.memory_bytes = memory(config, r ? r->memory : NULL, host),
	};
}
