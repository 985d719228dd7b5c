#include "tests/unit/host/spec/bundle.h"

/* A loop device of this machine, which needs no file behind it to be opened; skips where there is
 * none. */
static int find_disk(void)
{
	struct stat st;

	for (int i = 0; i < 8; i++) {
		auto_free char *node = str_printf("/dev/loop%d", i);

		if (stat(node, &st) == 0 && st.st_rdev == makedev(7, (unsigned) i) &&
		    access("/sys/dev/block/7:0", F_OK) == 0)
			return i;
	}
	exit(TEST_SKIP);
}

#define USUAL_DEVICES                                                               \
	"{\"path\":\"/dev/null\",\"type\":\"c\",\"major\":1,\"minor\":3},"          \
	"{\"path\":\"/dev/fuse\",\"type\":\"c\",\"major\":10,\"minor\":229},"       \
	"{\"path\":\"/dev/nobodys\",\"type\":\"b\",\"major\":7,\"minor\":1048575}," \
	"{\"path\":\"/dev/pipe\",\"type\":\"p\"}"

/* With the disk as the last device, and @rules for it. */
static int rewrite_disk(int minor, const char *rules, struct err *e)
{
	auto_free char *linux =
		str_printf("\"devices\":[" USUAL_DEVICES
			   ",{\"path\":\"/dev/disk\",\"type\":\"b\",\"major\":7,\"minor\":%d}],"
			   "\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}%s%s]}",
			   minor, rules[0] ? "," : "", rules);

	return rewrite(linux, "", "", e);
}

static void forget_disks(void)
{
	oci_spec_free(take_ptr(spec));
	CHECK_EQ(volumes_release(&volumes, share, &disks, NULL), 0);
	CHECK_EQ(n_lent, 0);
}

TEST(devices_that_only_the_host_has_are_refused)
{
	struct err e = {0};
	struct stat st;

	up();
	CHECK_EQ(rewrite("\"devices\":[" USUAL_DEVICES "]", "", "", NULL), 0);
	CHECK_EQ(spec->linux->n_devices, 4);
	forget_disks();
	if (stat("/dev/loop-control", &st) < 0)
		exit(TEST_SKIP);
	CHECK_EQ(rewrite("\"devices\":[" USUAL_DEVICES
			 ",{\"path\":\"/dev/loop-control\",\"type\":\"c\",\"major\":10,"
			 "\"minor\":237}]",
			 "", "", &e),
		 -ENOTSUP);
	CHECK_STR(e.text, "linux.devices[4]: '/dev/loop-control' is a device of this host, which a "
			  "virtual machine does not have");
	down();
}

TEST(a_disk_is_lent_as_the_rules_allow)
{
	int minor;
	auto_free char *exact = NULL;
	const Grpc__LinuxDeviceCgroup *rule;

	up();
	minor = find_disk();
	exact = str_printf("{\"allow\":true,\"type\":\"b\",\"major\":7,\"minor\":%d,"
			   "\"access\":\"rwm\"},{\"allow\":false,\"type\":\"b\",\"major\":7,"
			   "\"minor\":%d,\"access\":\"w\"}",
			   minor, minor);
	CHECK_EQ(rewrite_disk(minor, exact, NULL), 0);
	CHECK_EQ(n_lent, 1);
	CHECK(lent.readonly && lent.is_shared);
	CHECK_STR(container_of(volumes.prev, struct volume, link)->device->container_path,
		  "/dev/disk");
	forget_disks();

	/* A rule about all devices of the driver means another driver in the guest. */
	CHECK_EQ(rewrite_disk(minor,
			      "{\"allow\":true,\"type\":\"b\",\"major\":7,\"access\":\"rw\"}",
			      NULL),
		 0);
	CHECK_EQ(n_lent, 1);
	CHECK(!lent.readonly);
	rule = spec->linux->resources->devices[spec->linux->resources->n_devices - 1];
	CHECK(rule->allow);
	CHECK_EQ(rule->major, 7);
	CHECK_EQ(rule->minor, minor);
	CHECK_STR(rule->access, "rw");
	forget_disks();

	/* The container could not open it. */
	CHECK_EQ(rewrite_disk(minor, "", NULL), 0);
	CHECK_EQ(n_lent, 0);
	CHECK_EQ(spec->linux->n_devices, 5);
	down();
}

TEST(the_administrator_can_keep_block_devices)
{
	struct err e = {0};
	int minor;

	up();
	minor = find_disk();
	no_block_devices = true;
	CHECK_EQ(rewrite_disk(minor, "{\"allow\":true,\"type\":\"b\",\"access\":\"r\"}", &e),
		 -EPERM);
	CHECK_STR(e.text, "linux.devices[4]: '/dev/disk': block devices are not passed on (key "
			  "'disable_block_device_use')");
	CHECK_EQ(n_lent, 0);
	no_block_devices = false;
	down();
}

TEST(a_privileged_container_has_the_devices_of_its_machine)
{
	int minor;

	up();
	minor = find_disk();
	CHECK_EQ(rewrite_disk(minor, "{\"allow\":true,\"access\":\"rwm\"}", NULL), 0);
	CHECK_EQ(n_lent, 0);
	CHECK_EQ(spec->linux->n_devices, 4);
	CHECK_STR(spec->linux->devices[0]->path, "/dev/null");
	CHECK_STR(spec->linux->devices[3]->path, "/dev/pipe");
	down();
}
