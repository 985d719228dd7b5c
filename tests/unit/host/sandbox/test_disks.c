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
