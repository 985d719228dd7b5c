#include "tests/unit/host/sandbox/fake_sandbox.h"

/* A container of the fake machine whose root is the image FOLDER/@name. */
static int create_on(const char *id, const char *name, char *option)
{
	auto_free char *source = str_printf("%s/%s", here.folder, name);
	const struct sandbox_mount root = {
		.type = "ext4", .source = source, .options = &option, .n_options = 1};
	struct sandbox_container c = {.id = id,
				      .bundle = here.bundle,
				      .stdio = NO_STREAMS,
				      .rootfs = &root,
				      .n_rootfs = 1};

	pod_create(here.sb, &c, NULL, on_done, NULL);
	return outcome();
}

static void disk_up(void)
{
	up();
	write_text(here.folder, "image", "some bytes");
}

TEST(a_disk_of_the_first_container_is_in_the_machine_before_it_starts)
{
	disk_up();
	CHECK_EQ(create_on("c1", "image", (char *) "rw"), 0);
	CHECK(here.hv->attached & DEVICE_BIT(DEVICE_DISK));
	CHECK_STR(here.agent.root, "/run/kata-containers/c1/root/0");
	/* The fake machine has no PCI. */
	CHECK_STR(here.agent.disk, "mmioblk disk1 /run/kata-containers/c1/root/0");
	CHECK_EQ(kill_it("c1", "", 9), 0);
	CHECK_EQ(delete_it("c1", ""), 0);
	down();
}

TEST(a_machine_that_takes_no_more_refuses_the_container_and_goes_on)
{
	disk_up();
	write_text(here.folder, "other", "some bytes");
	CHECK_EQ(create_on("c1", "image", (char *) "rw"), 0);
	CHECK_EQ(create_on("c2", "other", (char *) "rw"), -EOPNOTSUPP);
	CHECK(strstr(here.answer.err.text, "cannot attach a disk to a running machine"));
	/* Its image was not kept, else it would be in use now. */
	CHECK_EQ(create_on("c2", "other", (char *) "rw"), -EOPNOTSUPP);
	CHECK_EQ(start("c1", ""), 0);
	CHECK_EQ(kill_it("c1", "", 9), 0);
	(void) wait_for("c1", "");
	CHECK_EQ(delete_it("c1", ""), 0);
	down();
}

TEST(an_image_that_containers_only_read_is_one_disk)
{
	disk_up();
	CHECK_EQ(create_on("c1", "image", (char *) "ro"), 0);
	/* Another disk would be refused by the fake machine, which runs. */
	CHECK_EQ(create_on("c2", "image", (char *) "ro"), 0);
	CHECK_STR(here.agent.disk, "mmioblk disk1 /run/kata-containers/c2/root/0");
	CHECK_EQ(kill_it("c2", "", 9), 0);
	CHECK_EQ(delete_it("c2", ""), 0);
	CHECK_EQ(create_on("c3", "image", (char *) "ro"), 0);
	CHECK_EQ(delete_it("c3", ""), 0);
	CHECK_EQ(delete_it("c1", ""), 0);
	down();
}

/* Skips where there is no loop device. One needs no file behind it to be opened. */
static void device_up(void)
{
	auto_close int fd = open("/dev/loop0", O_RDWR | O_CLOEXEC);

	if (fd < 0 || access("/sys/dev/block/7:0", F_OK) < 0)
		exit(TEST_SKIP);
	up();
}

/* A container that has /dev/loop0 as /dev/disk, with this access, and these @mounts. */
static int create_bound(const char *id, const char *access, const char *mounts)
{
	struct sandbox_container c = {.id = id, .bundle = here.bundle, .stdio = NO_STREAMS};
	auto_free char *text = str_printf(
		"{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"rootfs\"},\"hostname\":\"h\","
		"\"process\":{\"cwd\":\"/\",\"args\":[\"stay\"],\"user\":{\"uid\":0,\"gid\":0}},"
		"\"mounts\":[%s],"
		"\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"uts\"}],"
		"\"devices\":[{\"path\":\"/dev/disk\",\"type\":\"b\",\"major\":7,\"minor\":0}],"
		"\"resources\":{\"devices\":[{\"allow\":true,\"type\":\"b\",\"major\":7,\"minor\":0,"
		"\"access\":\"%s\"}]}}}",
		mounts, access);

	write_text(here.bundle, "config.json", text);
	pod_create(here.sb, &c, NULL, on_done, NULL);
	return outcome();
}

static int create_with(const char *id, const char *access)
{
	return create_bound(id, access, "");
}

TEST(a_device_that_containers_share_is_one_disk_until_the_last_of_them)
{
	device_up();
	CHECK_EQ(create_with("c1", "rwm"), 0);
	CHECK_STR(here.agent.device, "mmioblk disk1 /dev/disk");
	/* Another disk would be refused by the fake machine, which runs. */
	CHECK_EQ(create_with("c2", "rwm"), 0);
	CHECK_STR(here.agent.device, "mmioblk disk1 /dev/disk");
	CHECK_EQ(create_with("c3", "r"), 0);
	CHECK_STR(here.agent.device, "mmioblk disk1 /dev/disk");
	CHECK_EQ(delete_it("c1", ""), 0);
	CHECK_EQ(delete_it("c2", ""), 0);
	CHECK_EQ(create_with("c4", "rwm"), 0);
	CHECK_STR(here.agent.device, "mmioblk disk1 /dev/disk");
	CHECK_EQ(delete_it("c4", ""), 0);
	CHECK_EQ(delete_it("c3", ""), 0);
	down();
}

TEST(a_device_that_a_machine_may_only_read_is_lent_again_to_who_writes)
{
	device_up();
	CHECK_EQ(create_with("c1", "r"), 0);
	CHECK_EQ(create_with("c2", "r"), 0);
	CHECK_STR(here.agent.device, "mmioblk disk1 /dev/disk");
	/* The fake machine takes no more. */
	CHECK_EQ(create_with("c3", "rw"), -EOPNOTSUPP);
	CHECK(strstr(here.answer.err.text, "linux.devices[0]: '/dev/disk'"));
	CHECK_EQ(delete_it("c2", ""), 0);
	CHECK_EQ(delete_it("c1", ""), 0);
	down();
}

#define BOUND                                                                         \
	"{\"destination\":\"/srv/disk\",\"type\":\"bind\",\"source\":\"/dev/loop0\"," \
	"\"options\":[\"bind\"%s]}"

TEST(who_must_not_write_to_a_device_does_not_share_it_with_who_does)
{
	auto_free char *bound = str_printf(BOUND, ""), *readonly = str_printf(BOUND, ",\"ro\"");

	device_up();
	CHECK_EQ(create_bound("c1", "rw", bound), 0);
	CHECK_STR(here.agent.disk, "mmioblk disk1 /run/kata-containers/c1/disks/0");
	CHECK_EQ(create_bound("c2", "rw", bound), 0);
	CHECK_STR(here.agent.disk, "mmioblk disk1 /run/kata-containers/c2/disks/0");
	/* The fake machine takes no more. */
	CHECK_EQ(create_bound("c3", "rw", readonly), -EOPNOTSUPP);
	CHECK(strstr(here.answer.err.text, "mounts[0]: source '/dev/loop0'"));
	CHECK_EQ(delete_it("c2", ""), 0);
	CHECK_EQ(delete_it("c1", ""), 0);
	down();
}

TEST(those_who_must_not_write_to_a_device_share_it)
{
	auto_free char *readonly = str_printf(BOUND, ",\"ro\"");

	device_up();
	CHECK_EQ(create_bound("c1", "r", readonly), 0);
	CHECK_EQ(create_bound("c2", "r", readonly), 0);
	CHECK_STR(here.agent.disk, "mmioblk disk1 /run/kata-containers/c2/disks/0");
	CHECK_STR(here.agent.device, "mmioblk disk1 /dev/disk");
	CHECK_EQ(delete_it("c2", ""), 0);
	CHECK_EQ(delete_it("c1", ""), 0);
	down();
}

static int resize_image(const char *name, uint64_t bytes)
{
	auto_free char *device = str_printf("%s/%s", here.folder, name);
	const struct sandbox_volume_size size = {
		.guest_path = "/run/v", .device = device, .bytes = bytes};

	here.agent.resized[0] = '\0';
	sandbox_volume_resize(here.sb, &size, on_done, NULL);
	return outcome();
}

static void set_size(const char *name, off_t bytes)
{
	auto_free char *path = str_printf("%s/%s", here.folder, name);

	CHECK_EQ(truncate(path, bytes), 0);
}

TEST(a_volume_grows_after_its_disk_and_never_shrinks)
{
	disk_up();
	set_size("image", 4096);
	CHECK_EQ(create_on("c1", "image", (char *) "rw"), 0);
	CHECK_EQ(resize_image("image", 8192), -EINVAL);
	CHECK(strstr(here.answer.err.text, "it has 4096 bytes, not 8192"));
	set_size("image", 8192);
	CHECK_EQ(resize_image("image", 6144), 0);
	CHECK_STR(here.hv->resized_disk, "disk1");
	CHECK_EQ(here.hv->disk_bytes, 8192);
	CHECK_STR(here.agent.resized, "/run/v 6144");
	/* What is smaller than before, or would be cut off, does not reach the machine. */
	set_size("image", 4096);
	CHECK_EQ(resize_image("image", 4096), -EINVAL);
	CHECK(strstr(here.answer.err.text, "it has 4096 bytes, not 8192"));
	set_size("image", 9000);
	CHECK_EQ(resize_image("image", 8192), -EINVAL);
	CHECK(strstr(here.answer.err.text, "no whole number of sectors"));
	CHECK_EQ(here.hv->disk_bytes, 8192);
	CHECK_STR(here.agent.resized, "");
	CHECK_EQ(kill_it("c1", "", 9), 0);
	CHECK_EQ(delete_it("c1", ""), 0);
	down();
}

TEST(only_what_the_machine_has_and_can_write_to_grows)
{
	disk_up();
	write_text(here.folder, "other", "some bytes");
	set_size("image", 4096);
	set_size("other", 4096);
	CHECK_EQ(create_on("c1", "image", (char *) "ro"), 0);
	CHECK_EQ(resize_image("image", 4096), -EROFS);
	CHECK_EQ(resize_image("other", 4096), -ENOENT);
	CHECK_EQ(resize_image("none", 4096), -ENOENT);
	CHECK_EQ(resize_image(".", 4096), -ENOTBLK);
	CHECK_STR(here.agent.resized, "");
	CHECK_EQ(kill_it("c1", "", 9), 0);
	CHECK_EQ(delete_it("c1", ""), 0);
	down();
}
