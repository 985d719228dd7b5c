#include "tests/test.h"

#include <errno.h>

#include "host/resources/resources.h"

#define MIB (UINT64_C(1) << 20)

static const struct host_size host = {.cpus = 8, .memory_bytes = 4096 * MIB};
static struct config_hypervisor config = {.default_vcpus = 1, .default_memory = 256};
static Grpc__LinuxCPU cpu = GRPC__LINUX_CPU__INIT;
static Grpc__LinuxMemory memory = GRPC__LINUX_MEMORY__INIT;
static Grpc__LinuxResources resources = GRPC__LINUX_RESOURCES__INIT;

static struct machine_size size(void)
{
	resources.cpu = &cpu;
	resources.memory = &memory;
	const struct machine_need need = machine_need(&resources);

	return machine_size(&config, &need, &host);
}

TEST(without_limits_a_machine_is_as_configured)
{
	const struct machine_need none = machine_need(NULL);

	CHECK_EQ(machine_size(&config, &none, &host).vcpus, 1);
	CHECK_EQ(size().memory_bytes, 256 * MIB);
	config.default_vcpus = -1;
	CHECK_EQ(size().vcpus, 8);
	config.default_vcpus = 0;
	CHECK_EQ(size().vcpus, 1);
	config.default_vcpus = 100;
	CHECK_EQ(size().vcpus, 8);
}

TEST(a_quota_gets_as_many_cpus_as_it_can_use)
{
	cpu.has_quota = true;
	cpu.quota = 250000;
	CHECK_EQ(size().vcpus, 3);
	cpu.quota = 200000;
	CHECK_EQ(size().vcpus, 2);
	cpu.has_period = true;
	cpu.period = 50000;
	CHECK_EQ(size().vcpus, 4);
	cpu.quota = -1;
	CHECK_EQ(size().vcpus, 1);
	cpu.quota = INT64_MAX;
	cpu.period = 1;
	CHECK_EQ(size().vcpus, 8);
	config.default_maxvcpus = 2;
	CHECK_EQ(size().vcpus, 2);
}

static struct machine_size size_of_pod(struct pod_limits limits)
{
	struct machine_need need;

	CHECK(machine_need_of_pod(&limits, &need));
	return machine_size(&config, &need, &host);
}

TEST(a_pod_has_room_for_all_of_its_containers)
{
	struct machine_need need;

	CHECK(!machine_need_of_pod(&(struct pod_limits){.cpu_shares = 2}, &need));
	CHECK_EQ(size_of_pod((struct pod_limits){.cpu_quota_us = 250000}).vcpus, 3);
	CHECK_EQ(size_of_pod((struct pod_limits){.cpu_quota_us = 250000}).memory_bytes, 256 * MIB);
	CHECK_EQ(size_of_pod((struct pod_limits){.memory_bytes = 640 * MIB}).memory_bytes,
		 (640 + 10 + 64) * MIB);
	CHECK_EQ(size_of_pod((struct pod_limits){.memory_bytes = 640 * MIB}).vcpus, 1);
	/* Nobody has checked the author's numbers. */
	const struct pod_limits most = {
		.memory_bytes = INT64_MAX,
		.cpu_quota_us = INT64_MAX,
		.cpu_period_us = INT64_MAX,
	};

	CHECK_EQ(size_of_pod(most).vcpus, 8);
	CHECK_EQ(size_of_pod(most).memory_bytes, host.memory_bytes);
}

TEST(a_set_of_cpus_exists_in_the_guest)
{
	cpu.cpus = "0-1,3";
	CHECK_EQ(size().vcpus, 4);
	cpu.cpus = "99";
	CHECK_EQ(size().vcpus, 8);
	cpu.cpus = "";
	CHECK_EQ(size().vcpus, 1);
	cpu.cpus = "nonsense";
	CHECK_EQ(size().vcpus, 1);
}

TEST(a_memory_limit_fits_into_the_machine_beside_the_guest)
{
	memory.has_limit = true;
	memory.limit = (int64_t) (64 * MIB);
	CHECK_EQ(size().memory_bytes, 256 * MIB);
	memory.limit = (int64_t) (512 * MIB);
	CHECK(size().memory_bytes > 512 * MIB + 64 * MIB);
	CHECK_EQ(size().memory_bytes % MIB, 0);
	memory.limit = -1;
	CHECK_EQ(size().memory_bytes, 256 * MIB);
	memory.limit = INT64_MAX; /* more than there is */
	CHECK_EQ(size().memory_bytes, host.memory_bytes);
}

TEST(a_machine_has_at_most_what_the_configuration_allows)
{
	memory.has_limit = true;
	memory.limit = (int64_t) (2048 * MIB);
	config.default_maxmemory = 1024;
	CHECK_EQ(size().memory_bytes, 1024 * MIB);
	config.default_memory = 1536; /* its own words win over its own ceiling */
	CHECK_EQ(size().memory_bytes, 1536 * MIB);
}

static struct machine_need need_of(int64_t quota, int64_t limit)
{
	cpu.has_quota = quota != 0;
	cpu.quota = quota;
	memory.has_limit = limit != 0;
	memory.limit = limit;
	resources.cpu = &cpu;
	resources.memory = &memory;
	return machine_need(&resources);
}

TEST(containers_beside_each_other_need_the_sum_of_their_limits)
{
	const struct machine_need a = need_of(150000, (int64_t) (512 * MIB));
	const struct machine_need b = need_of(150000, (int64_t) (1024 * MIB));
	const struct machine_need free = machine_need(NULL);
	struct machine_need sum = {0};
	struct machine_size size;

	CHECK_EQ(machine_size(&config, &sum, &host).memory_bytes, 256 * MIB);
	machine_need_add(&sum, &a);
	machine_need_add(&sum, &b);
	size = machine_size(&config, &sum, &host);
	CHECK_EQ(size.vcpus, 3); /* two halves are a whole one */
	CHECK_EQ(size.memory_bytes, (1536 + 24 + 64) * MIB);
	machine_need_add(&sum, &free); /* uses what any machine has */
	CHECK_EQ(machine_size(&config, &sum, &host).memory_bytes, size.memory_bytes + 256 * MIB);
	for (int i = 0; i < 100; i++)
		machine_need_add(&sum,
				 &(struct machine_need){UINT64_MAX / 2, 1, UINT64_MAX / 2, 0});
	size = machine_size(&config, &sum, &host);
	CHECK_EQ(size.vcpus, machine_size_most(&config, &host).vcpus);
	CHECK_EQ(size.memory_bytes, host.memory_bytes);
}

TEST(an_update_changes_only_what_it_names)
{
	struct machine_need need = need_of(200000, (int64_t) (512 * MIB));
	Grpc__LinuxResources update = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxCPU only_cpu = GRPC__LINUX_CPU__INIT;

	only_cpu.has_quota = true;
	only_cpu.quota = 400000;
	update.cpu = &only_cpu;
	need = machine_need_updated(&need, &update);
	CHECK_EQ(need.cpu_milli, 4000);
	CHECK_EQ(need.memory_bytes, 512 * MIB);
	CHECK_EQ(need.n_unlimited, 0);
	only_cpu.quota = -1;
	need = machine_need_updated(&need, &update);
	CHECK_EQ(need.cpu_milli, 0);

	const struct machine_need more = need_of(0, -1);
	const struct machine_need both = machine_need_most(&need, &more);

	CHECK_EQ(more.n_unlimited, 1);
	CHECK_EQ(both.memory_bytes, 512 * MIB);
	CHECK_EQ(both.n_unlimited, 1);
}

/* What annotations have made of the file's one CPU and 256 MiB, and what is said. */
static void raised(struct machine_wish file, struct machine_wish to, const char *want)
{
	struct config_hypervisor c = {
		.default_vcpus = to.vcpus,
		.default_maxvcpus = to.max_vcpus,
		.default_memory = to.memory_mib,
		.default_maxmemory = to.max_memory_mib,
	};
	struct err e = {0};

	CHECK_EQ(machine_wish_check(&file, &c, &host, &e), want ? -EINVAL : 0);
	CHECK(!want || strstr(e.text, want) != NULL);
}

TEST(an_annotation_stays_below_the_ceiling)
{
	const struct machine_wish free = {1, 0, 256, 0}, tight = {1, 2, 256, 512};

	raised(free, (struct machine_wish){8, 8, 4096, 4096}, NULL);
	raised(free, (struct machine_wish){-1, 0, 64, 0}, NULL);
	raised(free, (struct machine_wish){9, 0, 256, 0},
	       "default_vcpus: 9 are more than the 8 CPUs");
	raised(free, (struct machine_wish){1, 9, 256, 0}, "default_max_vcpus: 9 are more");
	raised(free, (struct machine_wish){1, 0, 4097, 0},
	       "default_memory: 4097 are more than the 4096 MiB");
	raised(free, (struct machine_wish){1, 0, UINT32_MAX, 0}, "default_memory");
	raised(free, (struct machine_wish){1, 0, 256, 5000}, "default_maxmemory");
	raised(tight, (struct machine_wish){2, 2, 512, 512}, NULL);
	raised(tight, (struct machine_wish){3, 2, 256, 512}, "default_vcpus");
	raised(tight, (struct machine_wish){1, 2, 513, 512}, "default_memory");
	/* The ceiling is not raised by who is below it, nor taken away. */
	raised(tight, (struct machine_wish){1, 3, 256, 512}, "default_max_vcpus");
	raised(tight, (struct machine_wish){1, 0, 256, 512}, "default_max_vcpus");
	raised(tight, (struct machine_wish){1, 2, 256, 0}, "default_maxmemory");
	/* The administrator's own number is not judged. */
	raised((struct machine_wish){64, 0, 8192, 0}, (struct machine_wish){64, 0, 8192, 0}, NULL);
}
