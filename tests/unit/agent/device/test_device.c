#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "agent/device/device.h"
#include "base/array.h"
#include "base/file.h"

/* A guest of our own: a sysfs and a list of modules that are plain files. */
struct fake {
	struct loop *loop;
	struct devices *devices;
	char root[64], sys[96], modules[96], built_in[96];
};

static void put(struct fake *f, const char *path, const char *text)
{
	auto_free char *full = str_printf("%s/%s", f->root, path);
	auto_free char *folder = strdup(full);

	*strrchr(folder, '/') = '\0';
	CHECK_EQ(dir_make(folder, 0755, NULL), 0);
	CHECK_EQ(file_replace(AT_FDCWD, full, text, strlen(text), 0644, NULL), 0);
}

static void fake_open(struct fake *f)
{
	strcpy(f->root, "/tmp/test-agent-device-XXXXXX");
	CHECK(mkdtemp(f->root));
	(void) snprintf(f->sys, sizeof f->sys, "%s/sys", f->root);
	(void) snprintf(f->modules, sizeof f->modules, "%s/load-order", f->root);
	(void) snprintf(f->built_in, sizeof f->built_in, "%s/built-in", f->root);

	struct device_places places = {
		.sys = f->sys,
		.dev = "/dev",
		.modules = f->modules,
		.built_in = f->built_in,
	};

	CHECK_EQ(loop_new(&f->loop, NULL), 0);
	CHECK_EQ(devices_new(f->loop, &places, &f->devices, NULL), 0);
}

static void fake_close(struct fake *f)
{
	devices_free(f->devices);
	loop_free(f->loop);
	CHECK_EQ(dir_remove(AT_FDCWD, f->root, NULL), 0);
}

TEST(a_port_is_found_by_its_name)
{
	struct fake f;
	char path[DEVICE_PATH_MAX];
	struct err e = {0};

	fake_open(&f);
	CHECK_EQ(device_find(f.devices, DEVICE_PORT, "agent.channel.0", path, &e), -ENODEV);
	CHECK_STR(e.text, "there is no virtio-serial port 'agent.channel.0'");
	put(&f, "sys/class/virtio-ports/vport1p1/name", "console.0\n");
	put(&f, "sys/class/virtio-ports/vport1p2/name", "agent.channel.0\n");
	put(&f, "sys/class/virtio-ports/vport1p3/other", "");
	CHECK_EQ(device_find(f.devices, DEVICE_PORT, "agent.channel.0", path, NULL), 0);
	CHECK_STR(path, "/dev/vport1p2");
	CHECK_EQ(device_find(f.devices, DEVICE_PORT, "agent.channel", path, NULL), -ENODEV);
	fake_close(&f);
}

TEST(a_block_device_of_any_kind_is_a_disk)
{
	struct fake f;

	fake_open(&f);
	CHECK(!devices_any_disk(f.devices));
	put(&f, "sys/class/net/eth0/x", "");
	CHECK(!devices_any_disk(f.devices));
	put(&f, "sys/block/loop0/size", "0");
	CHECK(devices_any_disk(f.devices));
	fake_close(&f);
}

TEST(a_disk_is_found_at_its_pci_path)
{
	struct fake f;
	char path[DEVICE_PATH_MAX];

	fake_open(&f);
	/* Disks with the names of nodes that are there wherever this runs. */
	put(&f, "sys/bus/pci/devices/0000:00:05.0/virtio3/block/null/size", "1");
	put(&f, "sys/bus/pci/devices/0000:00:02.1/pci_bus/0000:01/x", "");
	put(&f, "sys/bus/pci/devices/0000:01:1f.0/virtio4/block/zero/size", "1");
	put(&f, "sys/bus/pci/devices/0000:00:03.0/virtio5/net/eth0/x", "");
	CHECK_EQ(device_find(f.devices, DEVICE_BLOCK, "05", path, NULL), 0);
	CHECK_STR(path, "/dev/null");
	CHECK_EQ(device_find(f.devices, DEVICE_BLOCK, "02.1/1f.0", path, NULL), 0);
	CHECK_STR(path, "/dev/zero");
	CHECK_EQ(device_find(f.devices, DEVICE_BLOCK, "02.1/1e", path, NULL), -ENODEV);
	CHECK_EQ(device_find(f.devices, DEVICE_BLOCK, "03", path, NULL), -ENODEV);
	CHECK_EQ(device_find(f.devices, DEVICE_BLOCK, "05/01", path, NULL), -ENODEV);
	fake_close(&f);
}

TEST(a_disk_is_found_by_its_serial_number)
{
	struct fake f;
	char path[DEVICE_PATH_MAX];
	struct err e = {0};

	fake_open(&f);
	CHECK_EQ(device_find(f.devices, DEVICE_DISK, "disk1", path, &e), -ENODEV);
	CHECK_STR(e.text, "there is no disk with serial number 'disk1'");
	put(&f, "sys/block/null/serial", "disk12\n");
	put(&f, "sys/block/loop0/size", "1");
	CHECK_EQ(device_find(f.devices, DEVICE_DISK, "disk1", path, NULL), -ENODEV);
	put(&f, "sys/block/zero/serial", "disk1");
	CHECK_EQ(device_find(f.devices, DEVICE_DISK, "disk1", path, NULL), 0);
	CHECK_STR(path, "/dev/zero");
	/* Found, but without a node yet. */
	put(&f, "sys/block/no-node/serial", "disk2");
	CHECK_EQ(device_find(f.devices, DEVICE_DISK, "disk2", path, NULL), -ENODEV);
	CHECK_EQ(device_find(f.devices, DEVICE_DISK, "", path, NULL), -EINVAL);
	fake_close(&f);
}

TEST(a_disk_without_a_node_is_not_there_yet)
{
	struct fake f;
	char path[DEVICE_PATH_MAX];

	fake_open(&f);
	put(&f, "sys/bus/pci/devices/0000:00:05.0/virtio3/block/no-node/size", "1");
	CHECK_EQ(device_find(f.devices, DEVICE_BLOCK, "05", path, NULL), -ENODEV);
	fake_close(&f);
}

TEST(a_network_interface_is_found_at_its_pci_path_and_by_its_address)
{
	struct fake f;
	char name[DEVICE_PATH_MAX];
	struct err e = {0};

	fake_open(&f);
	put(&f, "sys/bus/pci/devices/0000:00:03.0/virtio5/net/eth5/x", "");
	put(&f, "sys/bus/pci/devices/0000:00:04.0/net/eth6/x", "");
	put(&f, "sys/bus/pci/devices/0000:00:05.0/virtio3/block/null/size", "1");
	CHECK_EQ(device_find(f.devices, DEVICE_NIC, "03", name, NULL), 0);
	CHECK_STR(name, "eth5");
	/* One that is not virtio's. */
	CHECK_EQ(device_find(f.devices, DEVICE_NIC, "04", name, NULL), 0);
	CHECK_STR(name, "eth6");
	CHECK_EQ(device_find(f.devices, DEVICE_NIC, "05", name, &e), -ENODEV);
	CHECK_STR(e.text, "there is no network interface at PCI path '05'");
	CHECK_EQ(device_find(f.devices, DEVICE_NIC, "04/", name, NULL), -EINVAL);
	CHECK_EQ(device_find(f.devices, DEVICE_MAC, "52:54:00:00:00:01", name, NULL), -ENODEV);
	put(&f, "sys/class/net/eth6/address", "52:54:00:00:00:01\n");
	CHECK_EQ(device_find(f.devices, DEVICE_MAC, "52:54:00:00:00:01", name, NULL), 0);
	CHECK_STR(name, "eth6");
	fake_close(&f);
}

TEST(a_virtio_device_is_there_when_its_driver_is_ready)
{
	struct fake f;
	char path[DEVICE_PATH_MAX];

	fake_open(&f);
	CHECK_EQ(device_find(f.devices, DEVICE_VIRTIO, "06", path, NULL), -ENODEV);
	put(&f, "sys/bus/pci/devices/0000:00:06.0/virtio9/status", "0x00000003\n");
	CHECK_EQ(device_find(f.devices, DEVICE_VIRTIO, "06", path, NULL), -ENODEV);
	put(&f, "sys/bus/pci/devices/0000:00:06.0/virtio9/status", "0x0000000f\n");
	CHECK_EQ(device_find(f.devices, DEVICE_VIRTIO, "06", path, NULL), 0);
	CHECK(strstr(path, "/0000:00:06.0/virtio9"));
	CHECK_EQ(device_find(f.devices, DEVICE_VIRTIO, "6/", path, NULL), -EINVAL);
	fake_close(&f);
}

TEST(what_is_no_pci_path_is_refused)
{
	static const char *const bad[] = {
		"",     "/",   "02/",    "x",     "20",
		"02.8", "02.", "02//03", "../02", "02/../03",
		"-1",   " 2",  "02.0.0", "0x2",   "1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1",
	};
	struct fake f;
	char path[DEVICE_PATH_MAX];

	fake_open(&f);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_EQ(device_find(f.devices, DEVICE_BLOCK, bad[i], path, NULL), -EINVAL);
	fake_close(&f);
}

TEST(a_node_must_be_a_device_below_dev)
{
	struct fake f;
	char path[DEVICE_PATH_MAX];

	fake_open(&f);
	CHECK_EQ(device_find(f.devices, DEVICE_NODE, "/dev/null", path, NULL), 0);
	CHECK_STR(path, "/dev/null");
	CHECK_EQ(device_find(f.devices, DEVICE_NODE, "/dev/not-there", path, NULL), -ENODEV);
	CHECK_EQ(device_find(f.devices, DEVICE_NODE, "/dev/fd", path, NULL), -EINVAL);
	CHECK_EQ(device_find(f.devices, DEVICE_NODE, "/etc/passwd", path, NULL), -EINVAL);
	CHECK_EQ(device_find(f.devices, DEVICE_NODE, "/dev/../etc/passwd", path, NULL), -EINVAL);
	CHECK_EQ(device_find(f.devices, DEVICE_NODE, "/device", path, NULL), -EINVAL);
	fake_close(&f);
}

struct waiting {
	struct device_wait w;
	int r;
	char path[DEVICE_PATH_MAX];
};

static void finished(struct device_wait *w, int r, const char *path, const struct err *e)
{
	struct waiting *x = container_of(w, struct waiting, w);

	CHECK((r < 0) == (e->code != 0) && (r < 0) == !path);
	x->r = r;
	if (path)
		strcpy(x->path, path);
}

/* Not there twice, then there. */
static int find_at_third(struct device_wait *w, char ret[DEVICE_PATH_MAX], struct err *e)
{
	static int n;

	(void) w;
	if (++n < 3)
		return err_say(e, ENODEV, "not yet");
	strcpy(ret, "found");
	return 0;
}

TEST(a_wait_can_look_in_its_own_way)
{
	struct fake f;
	struct waiting x = {
		.w = {.key = "own", .find = find_at_third, .finish = finished},
		.r = 1,
	};

	fake_open(&f);
	/* Once, and again when the kernel's announcements can be heard. */
	device_wait(f.devices, &x.w, clock_deadline(10000));
	CHECK_EQ(x.r, 1);
	device_wait_cancel(&x.w);
	device_wait(f.devices, &x.w, clock_deadline(10000));
	CHECK_EQ(x.r, 0);
	CHECK_STR(x.path, "found");
	fake_close(&f);
}

TEST(waiting_for_what_is_there_ends_at_once)
{
	struct fake f;
	struct waiting x = {
		.w = {.kind = DEVICE_NODE, .key = "/dev/null", .finish = finished},
		.r = 1,
	};

	fake_open(&f);
	device_wait(f.devices, &x.w, CLOCK_NEVER);
	CHECK_EQ(x.r, 0);
	CHECK_STR(x.path, "/dev/null");
	fake_close(&f);
}

TEST(waiting_ends_when_the_kernel_announces_the_device)
{
	struct fake f;
	struct waiting x[2];
	auto_close int fd = open("/sys/class/mem/null/uevent", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		_exit(TEST_SKIP); /* only root can make the kernel announce something */
	fake_open(&f);
	for (int i = 0; i < 2; i++) {
		x[i] = (struct waiting){
			.w = {.kind = DEVICE_PORT, .key = i ? "b" : "a", .finish = finished},
			.r = 1,
		};
		device_wait(f.devices, &x[i].w, clock_deadline(5000));
	}
	CHECK_EQ(x[0].r, 1);
	put(&f, "sys/class/virtio-ports/vport0p1/name", "a\n");
	if (write(fd, "change", 6) < 0)
		_exit(TEST_SKIP);
	while (x[0].r == 1)
		CHECK_EQ(loop_step(f.loop, clock_deadline(5000), NULL), 1);
	CHECK_EQ(x[0].r, 0);
	CHECK_STR(x[0].path, "/dev/vport0p1");
	CHECK_EQ(x[1].r, 1);
	device_wait_cancel(&x[1].w);
	fake_close(&f);
}

TEST(waiting_ends_at_its_deadline)
{
	struct fake f;
	struct waiting x = {
		.w = {.kind = DEVICE_BLOCK, .key = "02", .finish = finished},
		.r = 1,
	};

	fake_open(&f);
	device_wait(f.devices, &x.w, clock_deadline(10));
	while (x.r == 1)
		CHECK_EQ(loop_step(f.loop, clock_deadline(5000), NULL), 1);
	CHECK_EQ(x.r, -ETIMEDOUT);
	fake_close(&f);
}

#define EVENT "sys/firmware/acpi/interrupts/gpe01"

/* Whether the file begins with @text, because what was written to it before may follow. */
static bool begins(const struct fake *f, const char *path, const char *text)
{
	auto_free char *full = str_printf("%s/%s", f->root, path);
	auto_free char *got = NULL;

	CHECK_EQ(file_read(AT_FDCWD, full, 64, &got, NULL, NULL), 0);
	return strncmp(got, text, strlen(text)) == 0;
}

TEST(plugs_that_are_ignored_are_looked_for_later)
{
	struct fake f;

	fake_open(&f);
	put(&f, EVENT, "");
	put(&f, "sys/class/pci_bus/0000:00/rescan", "-");
	put(&f, "sys/class/pci_bus/0000:01/rescan", "-");
	devices_ignore_plugs(f.devices);
	CHECK(begins(&f, EVENT, "disable\n"));
	devices_see_plugs(f.devices);
	CHECK(begins(&f, EVENT, "enable\n"));
	CHECK(begins(&f, "sys/class/pci_bus/0000:00/rescan", "-"));
	CHECK(begins(&f, "sys/class/pci_bus/0000:01/rescan", "1\n"));

	/* Only the first sandbox of a machine looks. */
	put(&f, "sys/class/pci_bus/0000:01/rescan", "-");
	devices_see_plugs(f.devices);
	CHECK(begins(&f, "sys/class/pci_bus/0000:01/rescan", "-"));
	fake_close(&f);
}

TEST(where_plugs_cannot_be_ignored_nothing_is_looked_for)
{
	struct fake f;

	fake_open(&f);
	put(&f, "sys/class/pci_bus/0000:01/rescan", "-");
	devices_ignore_plugs(f.devices);
	devices_see_plugs(f.devices);
	CHECK(begins(&f, "sys/class/pci_bus/0000:01/rescan", "-"));
	fake_close(&f);
}

TEST(a_module_that_is_built_in_is_loaded)
{
	struct fake f;
	struct err e = {0};

	fake_open(&f);
	CHECK_EQ(module_load(f.devices, "ext4", NULL, NULL), -ENOENT);
	put(&f, "load-order", "virtio_ring -\next4 -\nvirtio_pci - virtio_ring\n");
	CHECK_EQ(module_load(f.devices, "ext4", NULL, NULL), 0);
	CHECK_EQ(module_load(f.devices, "virtio-pci", NULL, NULL), 0);
	CHECK_EQ(module_load(f.devices, "virtio_", NULL, &e), -ENOENT);
	CHECK_STR(e.text, "this guest has no module 'virtio_'");
	CHECK_EQ(module_load(f.devices, "", NULL, NULL), -ENOENT);
	CHECK_EQ(module_load(f.devices, "../ext4", NULL, NULL), -ENOENT);
	fake_close(&f);
}

TEST(what_the_kernel_has_built_in_is_loaded_though_the_agent_never_asks_for_it)
{
	struct fake f;
	struct err e = {0};

	fake_open(&f);
	put(&f, "load-order", "fuse -\n");
	CHECK_EQ(module_load(f.devices, "br_netfilter", NULL, NULL), -ENOENT);
	put(&f, "built-in", "br_netfilter\nloop\n");
	CHECK_EQ(module_load(f.devices, "br_netfilter", NULL, NULL), 0);
	CHECK_EQ(module_load(f.devices, "br-netfilter", "a=1", NULL), 0);
	CHECK_EQ(module_load(f.devices, "loop", NULL, NULL), 0);
	CHECK(module_exists(f.devices, "loop"));
	CHECK(!module_exists(f.devices, "loo"));
	CHECK_EQ(module_load(f.devices, "loo", NULL, &e), -ENOENT);
	CHECK_STR(e.text, "this guest has no module 'loo'");
	CHECK_EQ(module_load(f.devices, "", NULL, NULL), -ENOENT);
	CHECK_EQ(module_load(f.devices, "br_netfilter\nloop", NULL, NULL), -ENOENT);
	fake_close(&f);
}

TEST(a_module_whose_file_is_missing_is_named)
{
	struct fake f;
	struct err e = {0};

	fake_open(&f);
	put(&f, "load-order", "dep /nowhere/dep.ko\nfuse /nowhere/fuse.ko dep other\n");
	CHECK_EQ(module_load(f.devices, "fuse", "a=1", &e), -ENOENT);
	CHECK_STR(e.text, "open '/nowhere/fuse.ko'");
	fake_close(&f);
}

TEST(a_broken_list_of_modules_is_refused_and_can_be_mended)
{
	struct fake f;
	struct err e = {0};

	fake_open(&f);
	put(&f, "load-order", "fuse -\nnonsense\n");
	CHECK_EQ(module_load(f.devices, "fuse", NULL, &e), -EINVAL);
	CHECK(strstr(e.text, "line 2: no name or no file"));
	put(&f, "load-order", "fuse -\n");
	CHECK_EQ(module_load(f.devices, "fuse", NULL, NULL), 0);
	fake_close(&f);
}

TEST(only_the_bus_that_is_there_gets_its_driver)
{
	struct fake f;
	struct err e = {0};

	fake_open(&f);
	put(&f, "load-order", "virtio_pci -\n");
	CHECK_EQ(module_load_virtio(f.devices, NULL), 0);
	put(&f, "sys/bus/pci/devices/0000:00:00.0", "");
	CHECK_EQ(module_load_virtio(f.devices, NULL), 0);
	put(&f, "sys/bus/acpi/devices/LNRO0005:00", "");
	CHECK_EQ(module_load_virtio(f.devices, NULL), 0); /* must be built in */
	fake_close(&f);
	fake_open(&f);
	put(&f, "load-order", "virtio_mmio /nowhere/virtio_mmio.ko\n");
	put(&f, "sys/bus/acpi/devices/LNRO0004:00", "");
	CHECK_EQ(module_load_virtio(f.devices, NULL), 0);
	put(&f, "sys/bus/acpi/devices/LNRO0005:00", "");
	CHECK_EQ(module_load_virtio(f.devices, &e), -ENOENT);
	CHECK_STR(e.text, "open '/nowhere/virtio_mmio.ko'");
	fake_close(&f);
}
