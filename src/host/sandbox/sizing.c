#include <stdlib.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "host/sandbox/inside.h"

#define MIB (UINT64_C(1) << 20)

/* What a guest needs beside its container: the kernel and the agent, and for each page of memory a
 * struct page of 64 bytes (1/64 of 4 KiB). */
#define GUEST_BASE_BYTES    (64 * MIB)
#define GUEST_PER_PAGE_PART 64

/* The period that a quota is of when none is given (runtime specification, CPU). */
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

static uint64_t memory(const struct config_hypervisor *config, const Grpc__LinuxMemory *limits,
		       const struct host_size *host)
{
	uint64_t size = config->default_memory * MIB;
	uint64_t most = host->memory_bytes > size ? host->memory_bytes : size;

	if (!limits || !limits->has_limit || limits->limit <= 0)
		return size;

	uint64_t limit = (uint64_t) limits->limit;

	if (limit > most) /* no more can be had, limit or not */
		limit = most;

	uint64_t wanted = limit + limit / GUEST_PER_PAGE_PART + GUEST_BASE_BYTES;

	if (wanted > size)
		size = wanted;
	if (size > most)
		size = most;
	return (size + MIB - 1) / MIB * MIB;
}

struct machine_size machine_size(const struct config_hypervisor *config, const Grpc__Linux *linux,
				 const struct host_size *host)
{
	const Grpc__LinuxResources *r = linux ? linux->resources : NULL;

	return (struct machine_size){
		.vcpus = vcpus(config, r ? r->cpu : NULL, host),
		.memory_bytes = memory(config, r ? r->memory : NULL, host),
	};
}
