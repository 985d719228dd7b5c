/* A container that is killed, deleted or joined by others while it, or its machine, is made. */
#include "tests/unit/host/sandbox/fake_sandbox.h"

/* A Create under way: its outcome, 1 until it is known, and the words. */
struct creating {
	int r;
	char text[ERR_TEXT_MAX];
};

static void on_created(void *arg, const struct sandbox_answer *a)
{
	struct creating *c = arg;

	CHECK_EQ(c->r, 1);
	c->r = a->r;
	strcpy(c->text, a->err.text);
}

static void begin(struct creating *ret, const char *id)
{
	struct sandbox_container c = {.id = id, .bundle = here.bundle, .stdio = NO_STREAMS};

	*ret = (struct creating){.r = 1};
	pod_create(here.sb, &c, NULL, on_created, ret);
}

/* A pod with the container "pod", and "slow", whose create in the guest is not answered. */
static void begin_slow(struct creating *slow)
{
	up();
	here.agent.slow = "slow";
	CHECK_EQ(create("pod", NO_STREAMS), 0);
	CHECK_EQ(start("pod", ""), 0);
	begin(slow, "slow");
	UNTIL(here.agent.unanswered);
	CHECK_EQ(slow->r, 1);
}

/* The pod is as well as before, and can be ended. */
static void end_pod(void)
{
	CHECK_EQ(status_of("pod", ""), OCI_RUNNING);
	CHECK_EQ(create("next", NO_STREAMS), 0);
	CHECK_EQ(delete_it("next", ""), 0);
	CHECK_EQ(kill_it("pod", "", 9), 0);
	CHECK_EQ(wait_for("pod", ""), 137);
	CHECK_EQ(delete_it("pod", ""), 0);
	CHECK(here.agent.destroyed);
	CHECK(sandbox_is_over(here.sb));
	down();
}

TEST(a_kill_during_create_gives_up_that_container_and_no_other)
{
	struct creating slow;

	begin_slow(&slow);
	CHECK_EQ(kill_it("slow", "", 9), 0);
	CHECK_EQ(status_of("slow", ""), OCI_STOPPED);
	CHECK_EQ(wait_for("slow", ""), 137);
	CHECK_EQ(kill_it("slow", "", 9), 0);
	UNTIL(slow.r != 1);
	CHECK_EQ(slow.r, -ECANCELED);
	CHECK(strstr(slow.text, "create container 'slow': killed while it was being created"));
	CHECK_EQ(here.agent.removed, 1); /* the guest may have made it */
	CHECK(sandbox_has_only(here.sb, "pod"));
	end_pod();
}

TEST(a_kill_during_create_ends_the_hook_that_runs)
{
	struct creating slow;

	up();

	auto_free char *fifo = str_printf("%s/fifo", here.folder);
	auto_free char *hooks = str_printf(
		",\"hooks\":{\"createContainer\":[{\"path\":\"/bin/cat\",\"args\":[\"cat\",\"%s\"]}]}",
		fifo);

	CHECK_EQ(mkfifo(fifo, 0600), 0);
	CHECK_EQ(create("pod", NO_STREAMS), 0);
	CHECK_EQ(start("pod", ""), 0);
	write_spec("\"stay\"", hooks);
	begin(&slow, "slow");
	int fd = open_when_read(fifo);

	write_spec("\"stay\"", "");
	CHECK_EQ(kill_it("slow", "", 9), 0);
	UNTIL(slow.r != 1);
	CHECK_EQ(slow.r, -ECANCELED);
	CHECK(strstr(slow.text, "killed while it was being created"));
	fd_close(fd);
	end_pod();
}

TEST(creates_wait_for_the_machine_that_the_first_one_makes)
{
	static const char *const ids[] = {"pod", "second", "third"};
	struct creating all[3];

	up();
	here.agent.deaf = true;
	for (int i = 0; i < 2; i++)
		begin(&all[i], ids[i]);
	UNTIL(here.agent.sandbox);
	begin(&all[2], ids[2]);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(all[i].r, 1);
		CHECK_EQ(status_of(ids[i], ""), OCI_CREATING);
	}
	ttrpc_reply(take_ptr(here.agent.unanswered), NULL);
	for (int i = 0; i < 3; i++)
		UNTIL(all[i].r == 0);
	for (int i = 2; i >= 0; i--)
		CHECK_EQ(delete_it(ids[i], ""), 0);
	CHECK(sandbox_is_over(here.sb));
	down();
}

TEST(who_waits_for_a_machine_that_fails_is_told_why)
{
	static const char *const ids[] = {"pod", "second"};
	struct creating all[2];

	up();
	write_config("virtio-9p", 500);
	here.agent.deaf = true;
	for (int i = 0; i < 2; i++)
		begin(&all[i], ids[i]);
	for (int i = 0; i < 2; i++) {
		UNTIL(all[i].r != 1);
		/* Whoever was first asked for the machine. */
		CHECK(all[i].r == -ETIMEDOUT || all[i].r == -ECONNRESET);
		CHECK(strstr(all[i].text, ids[i]));
		CHECK(strstr(all[i].text, "key 'reconnect_timeout_ms'"));
	}
	UNTIL(sandbox_is_over(here.sb));
	down();
}

TEST(a_kill_of_the_one_that_made_the_machine_leaves_it_to_those_who_wait)
{
	struct creating first, second;

	up();
	here.agent.deaf = true;
	begin(&first, "first");
	UNTIL(here.agent.sandbox);
	begin(&second, "pod");
	CHECK_EQ(kill_it("first", "", 9), 0);
	CHECK_EQ(wait_for("first", ""), 137);
	ttrpc_reply(take_ptr(here.agent.unanswered), NULL);
	UNTIL(first.r != 1 && second.r != 1);
	CHECK_EQ(first.r, -ECANCELED);
	CHECK_EQ(second.r, 0);
	CHECK_EQ(start("pod", ""), 0);
	end_pod();
}

TEST(a_machine_that_nobody_waits_for_any_more_is_given_up)
{
	struct creating first, second;

	up();
	here.agent.deaf = true;
	begin(&first, "first");
	UNTIL(here.agent.sandbox);
	begin(&second, "second");
	CHECK_EQ(kill_it("second", "", 9), 0);
	CHECK_EQ(kill_it("first", "", 9), 0);
	UNTIL(first.r != 1 && second.r != 1);
	CHECK_EQ(first.r, -ECANCELED);
	CHECK_EQ(second.r, -ECANCELED);
	UNTIL(sandbox_is_over(here.sb));
	down();
}

TEST(a_delete_waits_for_the_create_that_is_under_way)
{
	struct creating slow;

	begin_slow(&slow);
	pod_delete(here.sb, "slow", "", on_done, NULL);
	CHECK(!here.done);
	ttrpc_reply(take_ptr(here.agent.unanswered), NULL);
	CHECK_EQ(outcome(), 0);
	CHECK_EQ(slow.r, 0);
	CHECK(sandbox_has_only(here.sb, "pod"));
	end_pod();
}

TEST(a_delete_of_what_could_not_be_created_finds_nothing)
{
	struct creating slow;

	begin_slow(&slow);
	pod_delete(here.sb, "slow", "", on_done, NULL);
	CHECK(!here.done);
	ttrpc_fail(take_ptr(here.agent.unanswered), TTRPC_INTERNAL, "the guest does not want to");
	CHECK_EQ(outcome(), -ENOENT);
	UNTIL(slow.r < 0);
	end_pod();
}
