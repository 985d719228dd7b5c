#include "tests/test.h"

#include "host/sandbox/create_sandbox.h"

static const struct create_sandbox_pod none;
static const struct create_sandbox_pod pod = {.hostname = "host"};

TEST(the_share_is_described_as_the_configuration_wants_it)
{
	struct config config = {.hypervisor = {.shared_fs = CONFIG_SHARED_FS_VIRTIO_FS}};
	struct create_sandbox g;

	CHECK_EQ(create_sandbox_init(&g, &config, "s1", &pod, NULL), 0);
	CHECK_STR(g.request.sandbox_id, "s1");
	CHECK_STR(g.request.hostname, "host");
	CHECK_STR(g.request.storages[0]->fstype, "virtiofs");
	CHECK_EQ(g.request.n_kernel_modules, 0);
	create_sandbox_fini(&g);
	config.hypervisor.shared_fs = CONFIG_SHARED_FS_VIRTIO_9P;
	config.hypervisor.msize_9p = 8192;
	CHECK_EQ(create_sandbox_init(&g, &config, "s1", &none, NULL), 0);
	CHECK_STR(g.request.hostname, "");
	CHECK_STR(g.request.storages[0]->driver, "9p");
	CHECK_STR(g.request.storages[0]->options[1], "msize=8192");
	create_sandbox_fini(&g);
}

TEST(a_share_that_comes_later_is_described_with_its_place)
{
	struct config config = {.hypervisor = {.shared_fs = CONFIG_SHARED_FS_VIRTIO_FS}};
	struct device_address at = {.kind = DEVICE_AT_PCI, .text = "1e/02"};
	const struct create_sandbox_pod plugged = {.share_at = &at};
	struct create_sandbox g;

	CHECK_EQ(create_sandbox_init(&g, &config, "s1", &plugged, NULL), 0);
	CHECK_EQ(g.request.storages[0]->n_driver_options, 1);
	CHECK_STR(g.request.storages[0]->driver_options[0], "pci=1e/02");
	create_sandbox_fini(&g);
	at.kind = DEVICE_AT_NAME;
	CHECK_EQ(create_sandbox_init(&g, &config, "s1", &plugged, NULL), 0);
	CHECK_EQ(g.request.storages[0]->n_driver_options, 0);
	create_sandbox_fini(&g);
}

TEST(modules_come_with_their_parameters)
{
	char *items[] = {"loop max_part=8  max_loop=4", " fuse ", ""};
	struct config config = {.agent = {.kernel_modules = {.items = items, .n = 3}}};
	struct create_sandbox g;

	CHECK_EQ(create_sandbox_init(&g, &config, "s1", &none, NULL), 0);
	CHECK_EQ(g.request.n_kernel_modules, 3);
	CHECK_STR(g.request.kernel_modules[0]->name, "loop");
	CHECK_EQ(g.request.kernel_modules[0]->n_parameters, 2);
	CHECK_STR(g.request.kernel_modules[0]->parameters[1], "max_loop=4");
	CHECK_STR(g.request.kernel_modules[1]->name, "fuse");
	CHECK_EQ(g.request.kernel_modules[1]->n_parameters, 0);
	CHECK_STR(g.request.kernel_modules[2]->name, "");
	create_sandbox_fini(&g);
}

TEST(a_pod_has_its_shared_memory_and_its_sysctls)
{
	const struct volume_shm shm = {.dev = 1, .ino = 2, .bytes = 65536};
	Grpc__Linux__SysctlEntry entry = GRPC__LINUX__SYSCTL_ENTRY__INIT;
	Grpc__Linux__SysctlEntry *list[] = {&entry};
	const struct create_sandbox_pod of = {.shm = &shm, .sysctl = list, .n_sysctl = 1};
	struct config config = {0};
	struct create_sandbox g;

	entry.key = (char *) "kernel.msgmax";
	entry.value = (char *) "1";
	CHECK_EQ(create_sandbox_init(&g, &config, "s1", &of, NULL), 0);
	CHECK_EQ(g.request.n_storages, 2);
	CHECK_STR(g.request.storages[1]->mount_point, VOLUME_SHM_GUEST_PATH);
	CHECK_STR(g.request.storages[1]->options[4], "size=65536");
	CHECK_EQ(g.request.n_sysctl, 1);
	CHECK_STR(g.request.sysctl[0]->key, "kernel.msgmax");
	CHECK_STR(g.request.sysctl[0]->value, "1");
	create_sandbox_fini(&g);
}
