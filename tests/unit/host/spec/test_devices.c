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

/* With a bind mount of the disk's node, which is number 0 of the mounts, and @rules for it. */
static int rewrite_bound(int minor, const char *options, const char *rules, struct err *e)
{
	auto_free char *linux = str_printf("\"resources\":{\"devices\":[%s]}", rules);
	auto_free char *mounts = str_printf("{\"destination\":\"/srv/disk\",\"type\":\"bind\","
					    "\"source\":\"/dev/loop%d\",\"options\":[\"bind\"%s]}",
					    minor, options);

	return rewrite(linux, mounts, "", e);
}

static const struct volume *last_volume(void)
{
	return container_of(volumes.next, struct volume, link);
}

static const Grpc__LinuxDeviceCgroup *last_rule(void)
{
	const Grpc__LinuxResources *r = spec->linux->resources;

	return r->devices[r->n_devices - 1];
}

#define BOUND_PLACE "/run/kata-containers/c1/disks/0"

TEST(a_node_that_is_bind_mounted_is_lent_as_the_rules_allow)
{
	auto_free char *node = NULL;
	struct stat st;
	int minor;

	up();
	minor = find_disk();
	node = str_printf("/dev/loop%d", minor);
	CHECK_EQ(stat(node, &st), 0);
	CHECK_EQ(
		rewrite_bound(minor, "", "{\"allow\":true,\"type\":\"b\",\"access\":\"rw\"}", NULL),
		0);
	CHECK_EQ(n_lent, 1);
	CHECK(!lent.readonly && lent.is_shared && !lent.write_protected);
	CHECK_STR(spec->mounts[0]->source, BOUND_PLACE);
	CHECK_STR(last_volume()->storage->mount_point, BOUND_PLACE);
	CHECK_STR(last_volume()->storage->fstype, "bind");
	CHECK_EQ(last_volume()->device->host->major, 7);
	CHECK_EQ(last_volume()->device->host->minor, minor);
	CHECK_EQ(last_volume()->device->host->filemode, st.st_mode & 07777);
	CHECK_EQ(last_volume()->device->host->gid, st.st_gid);
	CHECK_EQ(last_rule()->major, 7);
	CHECK_EQ(last_rule()->minor, minor);
	CHECK_STR(last_rule()->access, "rw");
	forget_disks();

	/* The rules allow more than the mount, for other nodes of the disk. */
	CHECK_EQ(rewrite_bound(minor, ",\"ro\"", "{\"allow\":true,\"access\":\"rwm\"}", NULL), 0);
	CHECK(lent.readonly && lent.is_shared && lent.write_protected);
	CHECK_STR(last_rule()->access, "rwm");
	forget_disks();
	CHECK_EQ(rewrite_bound(minor, "", "{\"allow\":true,\"type\":\"b\",\"access\":\"r\"}", NULL),
		 0);
	CHECK(lent.readonly && !lent.write_protected);
	down();
}

TEST(a_node_that_cannot_be_opened_is_there_without_its_disk)
{
	int minor;

	up();
	minor = find_disk();
	CHECK_EQ(rewrite_bound(minor, "", "{\"allow\":false,\"access\":\"rwm\"}", NULL), 0);
	CHECK_EQ(n_lent, 0);
	CHECK_STR(spec->mounts[0]->source, BOUND_PLACE);
	CHECK_STR(last_volume()->storage->driver, "node");
	CHECK_EQ(last_volume()->storage->node->minor, minor);
	/* The agent's folder would keep it from everybody, which is another error. */
	CHECK_STR(spec->mounts[0]->options[1], "dev");
	CHECK_EQ(spec->linux->resources->n_devices, 1);
	forget_disks();
	CHECK_EQ(rewrite_bound(minor, ",\"nodev\"", "{\"allow\":true,\"access\":\"rwm\"}", NULL),
		 0);
	CHECK_EQ(n_lent, 0);
	CHECK_EQ(spec->mounts[0]->n_options, 2);
	down();
}

TEST(the_administrator_can_keep_disks_that_are_bind_mounted)
{
	auto_free char *sentence = NULL;
	struct err e = {0};
	int minor;

	up();
	minor = find_disk();
	no_block_devices = true;
	sentence =
		str_printf("mounts[0]: source '/dev/loop%d': block devices are not passed on (key "
			   "'disable_block_device_use')",
			   minor);
	CHECK_EQ(rewrite_bound(minor, "", "{\"allow\":true,\"access\":\"rwm\"}", &e), -EPERM);
	CHECK_STR(e.text, sentence);
	CHECK_EQ(n_lent, 0);
	no_block_devices = false;
	down();
}
