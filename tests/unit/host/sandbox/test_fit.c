#include "tests/unit/host/sandbox/fake_sandbox.h"

#define MIB (UINT64_C(1) << 20)

/* The fake machine boots with 128 MiB and one vCPU. What the guest itself needs beside its
 * containers is 64 MiB and a 64th of them. */
static uint64_t room_for(uint64_t mib)
{
	return mib ? (mib + mib / 64 + 64) * MIB : 128 * MIB;
}

static void write_limits(unsigned mib, int quota)
{
	auto_free char *text = str_printf(
		"{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"rootfs\"},"
		"\"process\":{\"cwd\":\"/\",\"args\":[\"stay\"],\"user\":{\"uid\":0,\"gid\":0}},"
		"\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"}],\"resources\":"
		"{\"memory\":{\"limit\":%llu},\"cpu\":{\"quota\":%d,\"period\":100000}}}}",
		(unsigned long long) mib << 20, quota);

	write_text(here.bundle, "config.json", text);
}

static int update_memory(const char *id, unsigned mib)
{
	auto_free char *text =
		str_printf("{\"memory\":{\"limit\":%llu}}", (unsigned long long) mib << 20);
	Grpc__LinuxResources *resources;

	CHECK_EQ(oci_resources_parse(text, strlen(text), &resources, NULL), 0);
	sandbox_update(here.sb, id, resources, on_done, NULL);
	return outcome();
}

static void end(const char *id)
{
	CHECK_EQ(delete_it(id, ""), 0);
}

TEST(the_machine_grows_with_its_containers_and_shrinks_when_they_go)
{
	up();
	CHECK_EQ(create("free", NO_STREAMS), 0);
	CHECK_EQ(here.hv->memory_bytes, room_for(0));
	write_limits(256, 200000);
	CHECK_EQ(create("c1", NO_STREAMS), 0);
	CHECK_EQ(here.hv->memory_bytes, room_for(256) + 128 * MIB); /* "free" has its own */
	CHECK_EQ(here.hv->vcpus, 2);
	CHECK_EQ(here.agent.onlined, 1);
	write_limits(256, 0);
	CHECK_EQ(create("c2", NO_STREAMS), 0);
	CHECK_EQ(here.hv->memory_bytes, room_for(512) + 128 * MIB);
	end("c1");
	UNTIL(here.hv->memory_bytes == room_for(256) + 128 * MIB);
	end("c2");
	UNTIL(here.hv->memory_bytes == room_for(0));
	end("free");
	down();
}

TEST(an_update_grows_the_machine_before_and_shrinks_it_after)
{
	up();
	write_limits(256, 0);
	CHECK_EQ(create("c1", NO_STREAMS), 0);
	CHECK_EQ(start("c1", ""), 0);
	CHECK_EQ(update_memory("c1", 512), 0);
	CHECK_EQ(here.hv->memory_bytes, room_for(512));
	CHECK_EQ(here.agent.updates, 1);
	CHECK_EQ(update_memory("c1", 256), 0);
	UNTIL(here.hv->memory_bytes == room_for(256));
	CHECK_EQ(here.agent.updates, 2);

	/* One that fails leaves what was. */
	here.agent.refuse = "UpdateContainer";
	CHECK(update_memory("c1", 512) < 0);
	UNTIL(here.hv->memory_bytes == room_for(256));
	here.agent.refuse = NULL;
	here.hv->fail_resize = ETIMEDOUT;
	CHECK_EQ(update_memory("c1", 512), -ETIMEDOUT);
	CHECK_EQ(here.agent.updates, 2);
	CHECK_EQ(kill_it("c1", "", 9), 0);
	CHECK_EQ(wait_for("c1", ""), 137);
	end("c1");
	down();
}

TEST(a_container_that_the_machine_has_no_room_for_is_refused_and_the_others_stay)
{
	up();
	CHECK_EQ(create("c1", NO_STREAMS), 0);
	write_limits(256, 0);
	here.hv->fail_resize = ETIMEDOUT;
	CHECK_EQ(create("c2", NO_STREAMS), -ETIMEDOUT);
	CHECK(strstr(here.answer.err.text, "create container 'c2'"));
	CHECK_EQ(here.hv->memory_bytes, room_for(0));
	CHECK_EQ(create("c2", NO_STREAMS), 0);
	end("c2");
	end("c1");
	down();
}

static void size_once(void)
{
	auto_free char *path = str_printf("%s/configuration.toml", here.folder);
	auto_free char *text = NULL;

	CHECK_EQ(file_read(AT_FDCWD, path, 4096, &text, NULL, NULL), 0);

	auto_free char *more =
		str_printf("%s[runtime]\nstatic_sandbox_resource_mgmt = true\n", text);

	write_text(here.folder, "configuration.toml", more);
}

TEST(a_machine_that_is_sized_once_keeps_its_size)
{
	up();
	size_once();
	CHECK_EQ(create("c1", NO_STREAMS), 0);
	write_limits(256, 200000);
	CHECK_EQ(create("c2", NO_STREAMS), 0);
	CHECK_EQ(update_memory("c2", 512), 0);
	CHECK_EQ(here.hv->memory_bytes, room_for(0));
	CHECK_EQ(here.hv->vcpus, 1);
	CHECK_EQ(here.agent.updates, 1);
	end("c1");
	end("c2");
	down();
}

/* What CRI says of a pod whose containers may have 256 MiB and two CPUs together. */
static void write_pod_limits(void)
{
	write_text(here.bundle, "config.json",
		   "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"rootfs\"},"
		   "\"process\":{\"cwd\":\"/\",\"args\":[\"stay\"],\"user\":{\"uid\":0,\"gid\":0}},"
		   "\"annotations\":{\"io.kubernetes.cri.sandbox-memory\":\"268435456\","
		   "\"io.kubernetes.cri.sandbox-cpu-quota\":\"150000\","
		   "\"io.kubernetes.cri.sandbox-cpu-period\":\"100000\"},"
		   "\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"}]}}");
}

TEST(a_machine_that_is_sized_once_has_room_for_the_containers_of_its_pod)
{
	up();
	size_once();
	write_pod_limits();
	CHECK_EQ(create("c1", NO_STREAMS), 0);
	CHECK_EQ(here.hv->memory_bytes, room_for(256));
	CHECK_EQ(here.hv->vcpus, 2);
	write_limits(256, 150000);
	CHECK_EQ(create("c2", NO_STREAMS), 0);
	CHECK_EQ(here.hv->memory_bytes, room_for(256));
	CHECK_EQ(here.agent.onlined, 0);
	end("c2");
	end("c1");
	down();
}

TEST(a_machine_that_grows_boots_as_small_as_its_configuration_says)
{
	up();
	write_pod_limits();
	CHECK_EQ(create("c1", NO_STREAMS), 0);
	CHECK_EQ(here.hv->memory_bytes, room_for(0));
	CHECK_EQ(here.hv->vcpus, 1);
	end("c1");
	down();
}
