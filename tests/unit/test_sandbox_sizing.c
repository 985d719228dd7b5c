#include "tests/test.h"

#include "host/sandbox/inside.h"

#define MIB (UINT64_C(1) << 20)

static const struct host_size host = {.cpus = 8, .memory_bytes = 4096 * MIB};
static struct config_hypervisor config = {.default_vcpus = 1, .default_memory = 256};
static Grpc__LinuxCPU cpu = GRPC__LINUX_CPU__INIT;
static Grpc__LinuxMemory memory = GRPC__LINUX_MEMORY__INIT;
static Grpc__LinuxResources resources = GRPC__LINUX_RESOURCES__INIT;
static Grpc__Linux spec = GRPC__LINUX__INIT;

static struct machine_size size(void)
{
	resources.cpu = &cpu;
	resources.memory = &memory;
	spec.resources = &resources;
	return machine_size(&config, &spec, &host);
}

TEST(without_limits_a_machine_is_as_configured)
{
	CHECK_EQ(machine_size(&config, NULL, &host).vcpus, 1);
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
