#include "tests/test.h"

#include "host/cgroup/cgroup.h"

#define MIB (UINT64_C(1) << 20)

static Grpc__LinuxCPU cpu = GRPC__LINUX_CPU__INIT;
static Grpc__LinuxMemory memory = GRPC__LINUX_MEMORY__INIT;
static Grpc__LinuxResources resources = GRPC__LINUX_RESOURCES__INIT;

static struct host_limits of_lone(void)
{
	resources.cpu = &cpu;
	resources.memory = &memory;
	return host_limits_of(
		&(struct host_wants){.resources = &resources, .machine_bytes = 2048 * MIB});
}

TEST(what_is_not_limited_stays_so)
{
	const struct host_limits l = of_lone();

	CHECK_EQ(l.memory_bytes, 0);
	CHECK_EQ(l.cpu_quota_us, 0);
	CHECK_EQ(l.cpu_shares, 0);
	CHECK(!l.cpus && !l.mems);
	CHECK_EQ(host_limits_of(&(struct host_wants){.machine_bytes = MIB}).memory_bytes, 0);
}

TEST(a_limit_of_memory_leaves_room_for_the_machine)
{
	memory.has_limit = true;
	memory.limit = (int64_t) (64 * MIB);
	CHECK(of_lone().memory_bytes > 2048 * MIB);
	memory.limit = -1;
	CHECK_EQ(of_lone().memory_bytes, HOST_UNLIMITED);
}

TEST(a_quota_has_a_quarter_of_a_cpu_on_top)
{
	cpu.has_quota = true;
	cpu.quota = 50000;
	CHECK_EQ(of_lone().cpu_quota_us, 75000);
	CHECK_EQ(of_lone().cpu_period_us, 100000);
	cpu.has_period = true;
	cpu.period = 20000;
	CHECK_EQ(of_lone().cpu_quota_us, 55000);
	cpu.has_period = false;
	CHECK_EQ(host_limits_of(
			 &(struct host_wants){.resources = &resources, .cpu_period_us = 20000})
			 .cpu_quota_us,
		 55000);
	cpu.quota = -1;
	CHECK_EQ(of_lone().cpu_quota_us, HOST_UNLIMITED);
	cpu.quota = 1;
	cpu.has_period = true;
	cpu.period = 1000;
	CHECK_EQ(of_lone().cpu_quota_us, 1000); /* the kernel takes no less */
}

TEST(the_cpus_are_the_hosts)
{
	cpu.cpus = (char *) "1-2";
	CHECK_STR(of_lone().cpus, "1-2");
}

TEST(a_pod_is_limited_by_its_annotations)
{
	static Grpc__Spec__AnnotationsEntry a[] = {
		{PROTOBUF_C_MESSAGE_INIT(&grpc__spec__annotations_entry__descriptor),
		 (char *) "io.kubernetes.cri.sandbox-memory", (char *) "134217728"},
		{PROTOBUF_C_MESSAGE_INIT(&grpc__spec__annotations_entry__descriptor),
		 (char *) "io.kubernetes.cri.sandbox-cpu-quota", (char *) "200000"},
		{PROTOBUF_C_MESSAGE_INIT(&grpc__spec__annotations_entry__descriptor),
		 (char *) "io.kubernetes.cri.sandbox-cpu-period", (char *) "50000"},
		{PROTOBUF_C_MESSAGE_INIT(&grpc__spec__annotations_entry__descriptor),
		 (char *) "io.kubernetes.cri.sandbox-cpu-shares", (char *) "512"},
	};
	static Grpc__Spec__AnnotationsEntry *list[] = {&a[0], &a[1], &a[2], &a[3]};

	const struct host_wants w = {
		.annotations = list, .n_annotations = 4, .machine_bytes = 256 * MIB};
	struct host_limits l = host_limits_of(&w);

	CHECK(l.memory_bytes > 256 * MIB);
	CHECK_EQ(l.cpu_quota_us, 212500);
	CHECK_EQ(l.cpu_period_us, 50000);
	CHECK_EQ(l.cpu_shares, 512);
	a[1].value = (char *) "-1";
	a[0].value = (char *) "much";
	l = host_limits_of(&w);
	CHECK_EQ(l.cpu_quota_us, 0);
	CHECK_EQ(l.memory_bytes, 0);
}
