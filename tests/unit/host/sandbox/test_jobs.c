/* A machine's life apart from its containers', and theirs beside each other. */
#include "tests/unit/host/sandbox/fake_sandbox.h"

static int add_it(const char *id)
{
	struct sandbox_container c = {.id = id, .bundle = here.bundle, .stdio = NO_STREAMS};

	sandbox_add_container(here.sb, &c, on_done, NULL);
	return outcome();
}

static int create_added(const char *id)
{
	sandbox_create_container(here.sb, id, on_done, NULL);
	return outcome();
}

static int delete_alone(const char *id)
{
	sandbox_delete(here.sb, id, "", on_done, NULL);
	return outcome();
}

static int start_machine(const struct sandbox_spec *spec)
{
	sandbox_start(here.sb, spec, on_done, NULL);
	return outcome();
}

static int stop_machine(void)
{
	sandbox_stop(here.sb, on_done, NULL);
	return outcome();
}

TEST(a_machine_is_there_before_its_containers_and_after_them)
{
	const struct sandbox_spec spec = {.hostname = "pod"};

	up();
	CHECK_EQ(stop_machine(), -EBUSY);
	CHECK_EQ(start_machine(&spec), 0);
	CHECK_STR(here.agent.hostname, "pod");
	CHECK_EQ(start_machine(&spec), -EBUSY);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(add_it("c1"), 0);
		CHECK_STR(here.answer.spec->hostname, "h");
		CHECK_EQ(create_added("c1"), 0);
		CHECK_EQ(start("c1", ""), 0);
		CHECK_EQ(kill_it("c1", "", 9), 0);
		CHECK_EQ(wait_for("c1", ""), 137);
		CHECK_EQ(delete_alone("c1"), 0);
		CHECK(!sandbox_has_containers(here.sb));
	}
	CHECK(!here.agent.destroyed);
	CHECK_EQ(stop_machine(), 0);
	CHECK(here.agent.destroyed);
	CHECK(sandbox_is_over(here.sb));
	down();
}

TEST(a_bundle_that_is_wrong_leaves_the_machine_alone)
{
	const struct sandbox_spec spec = {0};

	up();
	CHECK_EQ(start_machine(&spec), 0);
	write_spec("\"stay\"", ",\"mounts\":[{\"destination\":\"/x\",\"type\":\"bind\","
			       "\"source\":\"/no/such/source\",\"options\":[\"bind\"]}]");
	CHECK_EQ(add_it("c1"), 0);
	CHECK_EQ(create_added("c1"), -ENOENT);
	CHECK(!sandbox_has_containers(here.sb));
	write_spec("\"stay\"", "");
	CHECK_EQ(add_it("c1"), 0);
	CHECK_EQ(create_added("c1"), 0);
	CHECK_EQ(stop_machine(), 0); /* takes along what is in it */
	CHECK_EQ(wait_for("c1", ""), 137);
	CHECK_EQ(add_it("c2"), -EBUSY);
	CHECK_EQ(delete_alone("c1"), 0);
	CHECK(sandbox_is_over(here.sb));
	down();
}

TEST(without_a_machine_no_container_is_created)
{
	up();
	CHECK_EQ(add_it("c1"), 0);
	CHECK_EQ(create_added("c1"), -EBUSY);
	CHECK(!sandbox_has_containers(here.sb));
	CHECK(here.hv == NULL);
	down();
}

TEST(a_removed_container_can_only_be_deleted)
{
	up();
	CHECK_EQ(create("c1", NO_STREAMS), 0);
	sandbox_remove_container(here.sb, "c1", on_done, NULL);
	CHECK_EQ(outcome(), 0);
	CHECK_EQ(here.agent.removed, 1);
	sandbox_remove_container(here.sb, "c1", on_done, NULL);
	CHECK_EQ(outcome(), -EBUSY);
	CHECK_EQ(start("c1", ""), -EBUSY);
	CHECK_EQ(delete_alone("c1"), 0);
	CHECK_EQ(here.agent.removed, 1);
	CHECK_EQ(stop_machine(), 0);
	down();
}

static void on_slow_done(void *arg, const struct sandbox_answer *a)
{
	*(int *) arg = a->r;
}

/* Everything that a container lives through, while another one is busy. */
static void live_beside(void)
{
	CHECK_EQ(add_it("quick"), 0);
	CHECK_EQ(create_added("quick"), 0);
	CHECK_EQ(start("quick", ""), 0);
	CHECK_EQ(kill_it("quick", "", 9), 0);
	CHECK_EQ(wait_for("quick", ""), 137);
	CHECK_EQ(delete_alone("quick"), 0);
	CHECK_EQ(status_of("slow", ""), OCI_CREATING);
}

/* Makes a hook of the container "slow" wait until the descriptor that is returned is closed. */
static int begin_slow_hook(int *ret_outcome)
{
	const struct sandbox_spec spec = {0};
	auto_free char *fifo = str_printf("%s/fifo", here.folder);
	auto_free char *hooks = str_printf(
		",\"hooks\":{\"createContainer\":[{\"path\":\"/bin/cat\",\"args\":[\"cat\",\"%s\"]}]}",
		fifo);

	*ret_outcome = 1;
	CHECK_EQ(mkfifo(fifo, 0600), 0);
	CHECK_EQ(start_machine(&spec), 0);
	write_spec("\"stay\"", hooks);
	CHECK_EQ(add_it("slow"), 0);
	sandbox_create_container(here.sb, "slow", on_slow_done, ret_outcome);

	int fd = open_when_read(fifo);

	write_spec("\"stay\"", "");
	return fd;
}

TEST(a_slow_hook_of_one_container_delays_no_other)
{
	int slow, fd;

	up();
	fd = begin_slow_hook(&slow);
	live_beside();
	CHECK_EQ(slow, 1);
	fd_close(fd);
	UNTIL(slow == 0);
	CHECK_EQ(delete_alone("slow"), 0);
	CHECK_EQ(stop_machine(), 0);
	down();
}

TEST(a_slow_create_of_one_container_delays_no_other)
{
	const struct sandbox_spec spec = {0};
	int slow = 1;

	up();
	here.agent.slow = "slow";
	CHECK_EQ(start_machine(&spec), 0);
	CHECK_EQ(add_it("slow"), 0);
	sandbox_create_container(here.sb, "slow", on_slow_done, &slow);
	UNTIL(here.agent.unanswered);
	live_beside();
	CHECK_EQ(slow, 1);
	ttrpc_reply(take_ptr(here.agent.unanswered), NULL);
	UNTIL(slow == 0);
	CHECK_EQ(delete_alone("slow"), 0);
	CHECK_EQ(stop_machine(), 0);
	down();
}

TEST(a_machine_ends_after_the_jobs_of_its_containers)
{
	int slow, fd;

	up();
	fd = begin_slow_hook(&slow);
	sandbox_stop(here.sb, on_done, NULL);
	CHECK_EQ(add_it("late"), -EBUSY);
	CHECK(!here.agent.destroyed);
	fd_close(fd);
	UNTIL(slow == 0);
	CHECK_EQ(outcome(), 0);
	CHECK(here.agent.destroyed);
	CHECK_EQ(wait_for("slow", ""), 137);
	CHECK_EQ(delete_alone("slow"), 0);
	CHECK(sandbox_is_over(here.sb));
	down();
}

TEST(a_machine_that_is_lost_and_waits_for_a_hook_delays_no_other_container)
{
	const struct sandbox_spec spec = {0};
	int slow = 1;

	up();

	auto_free char *fifo = str_printf("%s/fifo", here.folder);
	auto_free char *hooks = str_printf(
		",\"hooks\":{\"poststop\":[{\"path\":\"/bin/cat\",\"args\":[\"cat\",\"%s\"]}]}",
		fifo);

	/* The hook runs among the host's mounts, where this folder is no tmpfs. */
	auto_free char *root = str_printf("%s/bundle/rootfs", here.folder);

	CHECK_EQ(umount2(here.folder, MNT_DETACH), 0);
	CHECK_EQ(dir_make(root, 0755, NULL), 0);
	write_config("virtio-9p", 10000);
	write_spec("\"stay\"", "");
	CHECK_EQ(mkfifo(fifo, 0600), 0);
	CHECK_EQ(start_machine(&spec), 0);
	CHECK_EQ(add_it("quick"), 0);
	CHECK_EQ(create_added("quick"), 0);
	write_spec("\"stay\"", hooks);
	CHECK_EQ(add_it("slow"), 0);
	CHECK_EQ(create_added("slow"), 0);
	sandbox_delete(here.sb, "slow", "", on_slow_done, &slow);

	int fd = open_when_read(fifo);

	sandbox_abort(here.sb, "lost");
	CHECK_EQ(wait_for("quick", ""), 137);
	CHECK_EQ(delete_alone("quick"), 0);
	CHECK_EQ(slow, 1);
	fd_close(fd);
	UNTIL(slow == 0);
	UNTIL(sandbox_is_over(here.sb));
	CHECK_EQ(dir_remove(AT_FDCWD, here.folder, NULL), 0);
	CHECK_EQ(mkdir(here.folder, 0700), 0);
	down();
}

TEST(a_sandbox_that_is_given_up_ends_the_hooks_that_run)
{
	int slow, fd;

	up();
	fd = begin_slow_hook(&slow);
	sandbox_abort(here.sb, "shut down");
	UNTIL(sandbox_is_over(here.sb));
	CHECK_EQ(slow, -ECANCELED);
	fd_close(fd);
	down();
}

/* Several at once, so that the sanitizers see what they share. */
TEST(many_containers_are_made_and_removed_at_once)
{
	static const char *const ids[] = {"c1", "c2", "c3", "c4", "c5", "c6"};
	const struct sandbox_spec spec = {0};
	int r[6] = {1, 1, 1, 1, 1, 1};

	up();
	CHECK_EQ(start_machine(&spec), 0);
	for (size_t i = 0; i < 6; i++) {
		struct sandbox_container c = {.id = ids[i], .stdio = NO_STREAMS};

		c.bundle = here.bundle;
		pod_create(here.sb, &c, NULL, on_slow_done, &r[i]);
	}
	for (size_t i = 0; i < 6; i++)
		UNTIL(r[i] == 0);
	for (size_t i = 0; i < 6; i++) {
		r[i] = 1;
		pod_delete(here.sb, ids[i], "", on_slow_done, &r[i]);
	}
	for (size_t i = 0; i < 6; i++)
		UNTIL(r[i] == 0);
	UNTIL(sandbox_is_over(here.sb));
	CHECK(here.agent.destroyed);
	CHECK_EQ(here.agent.removed, 6);
	down();
}
