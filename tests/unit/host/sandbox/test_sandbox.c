#include "tests/unit/host/sandbox/fake_sandbox.h"

TEST(a_container_lives_from_create_to_delete)
{
	up();
	CHECK_EQ(create("c1", NO_STREAMS), 0);
	CHECK_EQ(status_of("c1", ""), OCI_CREATED);
	CHECK(here.agent.sandbox);
	CHECK_STR(here.agent.hostname, "h");
	CHECK_STR(here.agent.root, SHARE_GUEST_PATH "/c1/rootfs");
	CHECK_EQ(start("c1", ""), 0);
	CHECK_EQ(status_of("c1", ""), OCI_RUNNING);
	CHECK_EQ(kill_it("c1", "", 15), 0);
	CHECK_EQ(wait_for("c1", ""), 128 + 15);
	CHECK_EQ(status_of("c1", ""), OCI_STOPPED);
	CHECK(!sandbox_is_over(here.sb));
	CHECK_EQ(delete_it("c1", ""), 0);
	CHECK_EQ(here.answer.exit_status, 128 + 15);
	CHECK(here.agent.destroyed);
	CHECK(sandbox_is_over(here.sb));
	down();
}

/* Somebody changed the bundle between the check and the create. */
TEST(the_checked_spec_is_the_one_that_is_used)
{
	static const char checked[] =
		"{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"rootfs\"},\"hostname\":\"checked\","
		"\"process\":{\"cwd\":\"/\",\"args\":[\"stay\"],\"user\":{\"uid\":0,\"gid\":0}},"
		"\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"uts\"}]}}";

	up();
	write_text(here.folder, OCI_SAVED_NAME, checked);
	CHECK_EQ(create("s1", NO_STREAMS), 0);
	CHECK_STR(here.agent.hostname, "checked");
	CHECK_EQ(delete_it("s1", ""), 0);
	down();
}

TEST(a_spec_that_nobody_has_saved_is_saved)
{
	auto_free char *path = NULL;
	auto_free char *text = NULL;

	up();
	path = str_printf("%s/" OCI_SAVED_NAME, here.folder);
	CHECK_EQ(create("s1", NO_STREAMS), 0);
	CHECK_EQ(file_read(AT_FDCWD, path, 4096, &text, NULL, NULL), 0);
	/* The host's form, not the guest's, in which the root is a path of the share. */
	CHECK(strstr(text, "\"path\":\"rootfs\"") != NULL);
	CHECK_EQ(delete_it("s1", ""), 0);
	down();
}

TEST(output_comes_before_the_end)
{
	int in, out;
	char text[16] = "";

	up();
	write_spec("\"say\",\"hello\"", "");
	CHECK_EQ(create("c1", with_pipes(&in, &out)), 0);
	CHECK_EQ(start("c1", ""), 0);
	CHECK_EQ(wait_for("c1", ""), 0);
	CHECK_EQ(read(out, text, sizeof text), 5);
	CHECK_STR(text, "hello");
	CHECK_EQ(delete_it("c1", ""), 0);
	CHECK_EQ(read(out, text, sizeof text), 0);
	fd_close(in);
	fd_close(out);
	down();
}

TEST(input_goes_in_and_its_end_too)
{
	int in, out;
	char text[16] = "";

	up();
	write_spec("\"cat\"", "");
	CHECK_EQ(create("c1", with_pipes(&in, &out)), 0);
	CHECK_EQ(write(in, "ping", 4), 4);
	CHECK_EQ(start("c1", ""), 0);
	fd_close(in);
	CHECK_EQ(wait_for("c1", ""), 0);
	CHECK_EQ(read(out, text, sizeof text), 4);
	CHECK_STR(text, "ping");
	CHECK_EQ(delete_it("c1", ""), 0);
	fd_close(out);
	down();
}

static Grpc__Process *process_of(const char *args)
{
	auto_free char *text = str_printf("{\"cwd\":\"/\",\"args\":[%s]}", args);
	Grpc__Process *p;

	CHECK_EQ(oci_process_parse(text, strlen(text), &p, NULL), 0);
	return p;
}

TEST(more_processes_come_and_go_in_a_container)
{
	struct sandbox_stdio none = NO_STREAMS;

	up();
	CHECK_EQ(create("c1", NO_STREAMS), 0);
	CHECK_EQ(start("c1", ""), 0);
	CHECK_EQ(sandbox_exec(here.sb, "c1", "e1", process_of("\"fail\",\"7\""), &none, NULL), 0);
	CHECK_EQ(sandbox_exec(here.sb, "c1", "e1", process_of("\"fail\",\"7\""), &none, NULL),
		 -EEXIST);
	CHECK_EQ(sandbox_exec(here.sb, "c1", "../e", process_of("\"stay\""), &none, NULL), -EINVAL);
	CHECK_EQ(status_of("c1", "e1"), OCI_CREATED);
	CHECK_EQ(start("c1", "e1"), 0);
	CHECK_EQ(wait_for("c1", "e1"), 7);
	CHECK_EQ(start("c1", "e1"), -EBUSY);
	CHECK_EQ(delete_it("c1", "e1"), 0);
	CHECK_EQ(here.answer.exit_status, 7);
	CHECK_EQ(delete_it("c1", "e1"), -ENOENT);

	CHECK_EQ(sandbox_exec(here.sb, "c1", "e2", process_of("\"stay\""), &none, NULL), 0);
	CHECK_EQ(start("c1", "e2"), 0);
	CHECK_EQ(delete_it("c1", "e2"), -EBUSY);
	CHECK_EQ(kill_it("c1", "e2", 9), 0);
	CHECK_EQ(wait_for("c1", "e2"), 137);
	CHECK_EQ(delete_it("c1", ""), -EBUSY);
	CHECK_EQ(kill_it("c1", "", 9), 0);
	CHECK_EQ(wait_for("c1", ""), 137);
	CHECK_EQ(delete_it("c1", ""), 0);
	down();
}

/* ctr writes as soon as somebody reads, and can tell the end of its input only to an exec that it
 * knows to exist. */
TEST(the_fifos_of_an_exec_are_opened_when_it_starts)
{
	struct sandbox_stdio stdio = NO_STREAMS;
	auto_free char *fifo = NULL;

	up();
	fifo = str_printf("%s/fifo", here.folder);
	CHECK_EQ(mkfifo(fifo, 0600), 0);
	stdio.in = fifo;
	CHECK_EQ(create("c1", NO_STREAMS), 0);
	CHECK_EQ(start("c1", ""), 0);
	CHECK_EQ(sandbox_exec(here.sb, "c1", "e", process_of("\"cat\""), &stdio, NULL), 0);
	CHECK(open(fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC) < 0 && errno == ENXIO);
	CHECK_EQ(sandbox_close_stdin(here.sb, "c1", "e", NULL), 0);
	CHECK_EQ(start("c1", "e"), 0);
	CHECK_EQ(wait_for("c1", "e"), 0); /* the end that was told before is the end */

	stdio.in = "/missing";
	CHECK_EQ(sandbox_exec(here.sb, "c1", "f", process_of("\"cat\""), &stdio, NULL), 0);
	CHECK_EQ(start("c1", "f"), -ENOENT);
	CHECK_EQ(delete_it("c1", "f"), 0);
	CHECK_EQ(kill_it("c1", "", 9), 0);
	CHECK_EQ(wait_for("c1", ""), 137);
	CHECK_EQ(delete_it("c1", ""), 0);
	down();
}

/* Docker waits for the end of the streams before it says that an exec cannot start. */
TEST(an_exec_that_does_not_start_lets_go_of_its_fifos)
{
	struct sandbox_stdio stdio = NO_STREAMS;
	auto_free char *fifo = NULL;
	char byte;

	up();
	fifo = str_printf("%s/fifo", here.folder);
	CHECK_EQ(mkfifo(fifo, 0600), 0);
	CHECK_EQ(create("c1", NO_STREAMS), 0);
	CHECK_EQ(start("c1", ""), 0);

	auto_close int reader = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	stdio.out = fifo;
	here.agent.refuse = "ExecProcess";
	CHECK_EQ(sandbox_exec(here.sb, "c1", "e", process_of("\"stay\""), &stdio, NULL), 0);
	CHECK(start("c1", "e") < 0);
	CHECK_EQ(read(reader, &byte, 1), 0);
	stdio.err = "/missing";
	CHECK_EQ(sandbox_exec(here.sb, "c1", "f", process_of("\"stay\""), &stdio, NULL), 0);
	CHECK_EQ(start("c1", "f"), -ENOENT);
	CHECK_EQ(read(reader, &byte, 1), 0);
	here.agent.refuse = NULL;
	CHECK_EQ(delete_it("c1", "e"), 0);
	CHECK_EQ(delete_it("c1", "f"), 0);
	CHECK_EQ(kill_it("c1", "", 9), 0);
	CHECK_EQ(wait_for("c1", ""), 137);
	CHECK_EQ(delete_it("c1", ""), 0);
	down();
}

TEST(an_exec_whose_last_waiter_was_told_is_forgotten)
{
	struct sandbox_stdio none = NO_STREAMS;
	struct sandbox_wait w = {.done = on_done, .is_last = true};

	up();
	CHECK_EQ(create("c1", NO_STREAMS), 0);
	CHECK_EQ(start("c1", ""), 0);
	CHECK_EQ(sandbox_exec(here.sb, "c1", "e1", process_of("\"fail\",\"7\""), &none, NULL), 0);
	CHECK_EQ(sandbox_wait(here.sb, "c1", "e1", &w, NULL), 0);
	sandbox_start_process(here.sb, "c1", "e1", on_done, NULL);
	CHECK_EQ(outcome(), 0); /* it was started ... */
	CHECK_EQ(outcome(), 0); /* ... and ended */
	CHECK_EQ(here.answer.exit_status, 7);
	CHECK_EQ(delete_it("c1", "e1"), -ENOENT);
	CHECK_EQ(kill_it("c1", "", 9), 0);
	CHECK_EQ(wait_for("c1", ""), 137);
	CHECK_EQ(delete_it("c1", ""), 0);
	down();
}

static void on_oom_wait_ended(void *arg, const struct sandbox_answer *a)
{
	*(int *) arg = a->r;
}

TEST(who_waits_is_told_of_a_lack_of_memory_and_of_the_end)
{
	int ended = 1;
	struct sandbox_oom_wait w = {.done = on_done};
	struct sandbox_oom_wait late = {.done = on_done};
	struct sandbox_oom_wait next = {.done = on_oom_wait_ended, .arg = &ended, .seen = 1};

	up();
	CHECK_EQ(create("c1", NO_STREAMS), 0);
	CHECK_EQ(sandbox_await_oom(here.sb, "c2", &w, NULL), -ENOENT);
	CHECK_EQ(sandbox_await_oom(here.sb, "c1", &w, NULL), 0);
	UNTIL(here.agent.oom);
	fake_oom(&here.agent, "c1");
	CHECK_EQ(outcome(), 0);
	CHECK_EQ(here.answer.count, 1);
	CHECK_EQ(sandbox_await_oom(here.sb, "c1", &late, NULL), 0);
	CHECK_EQ(outcome(), 0);
	CHECK_EQ(here.answer.count, 1);
	/* One of a container that nobody knows is the guest's nonsense; it is asked again. */
	UNTIL(here.agent.oom);
	fake_oom(&here.agent, "nobody");
	UNTIL(here.agent.oom);
	CHECK_EQ(sandbox_await_oom(here.sb, "c1", &next, NULL), 0);
	CHECK_EQ(kill_it("c1", "", 9), 0);
	CHECK_EQ(wait_for("c1", ""), 137);
	CHECK_EQ(delete_it("c1", ""), 0);
	CHECK_EQ(ended, -ENOENT);
	down();
}

/* As a publisher of events waits. */
struct oom_count {
	struct sandbox_oom_wait wait;
	int told;
};

static void on_oom_again(void *arg, const struct sandbox_answer *a)
{
	struct oom_count *n = arg;

	if (a->r < 0)
		return;
	n->told++;
	n->wait.seen = a->count;
	CHECK_EQ(sandbox_await_oom(here.sb, "c1", &n->wait, NULL), 0);
}

TEST(who_waits_for_the_next_lack_of_memory_is_told_of_each_once)
{
	struct oom_count one = {.wait = {.done = on_oom_again, .arg = &one}};
	struct oom_count other = {.wait = {.done = on_oom_again, .arg = &other}};

	up();
	CHECK_EQ(create("c1", NO_STREAMS), 0);
	CHECK_EQ(sandbox_await_oom(here.sb, "c1", &one.wait, NULL), 0);
	CHECK_EQ(sandbox_await_oom(here.sb, "c1", &other.wait, NULL), 0);
	for (int i = 1; i <= 2; i++) {
		UNTIL(here.agent.oom);
		fake_oom(&here.agent, "c1");
		UNTIL(other.told == i);
		CHECK_EQ(one.told, i);
	}
	CHECK_EQ(kill_it("c1", "", 9), 0);
	CHECK_EQ(wait_for("c1", ""), 137);
	CHECK_EQ(delete_it("c1", ""), 0);
	down();
}

TEST(a_size_asked_for_early_reaches_the_terminal_later)
{
	struct sandbox_stdio stdio = NO_STREAMS;

	up();
	stdio.terminal = true;
	CHECK_EQ(create("c1", stdio), 0);
	sandbox_resize(here.sb, "c1", "", 24, 80, on_done, NULL);
	CHECK_EQ(outcome(), 0);
	CHECK_EQ(fake_find(&here.agent, "c1", "")->columns, 80);
	CHECK(fake_find(&here.agent, "c1", "")->terminal);
	CHECK_EQ(start("c1", ""), 0);
	CHECK_EQ(sandbox_exec(here.sb, "c1", "e", process_of("\"stay\""), &stdio, NULL), 0);
	sandbox_resize(here.sb, "c1", "e", 30, 90, on_done, NULL);
	CHECK_EQ(outcome(), 0);
	CHECK_EQ(start("c1", "e"), 0);
	UNTIL(fake_find(&here.agent, "c1", "e")->columns == 90);
	CHECK_EQ(kill_it("c1", "", 9), 0);
	CHECK_EQ(wait_for("c1", ""), 137);
	CHECK_EQ(delete_it("c1", ""), 0);
	down();
}

TEST(pause_resume_stats_and_list_ask_the_guest)
{
	up();
	CHECK_EQ(create("c1", NO_STREAMS), 0);
	sandbox_pause(here.sb, "c1", on_done, NULL);
	CHECK_EQ(outcome(), -EBUSY); /* it does not run yet */
	CHECK_EQ(start("c1", ""), 0);
	sandbox_pause(here.sb, "c1", on_done, NULL);
	CHECK_EQ(outcome(), 0);
	CHECK(here.agent.paused);
	CHECK_EQ(status_of("c1", ""), OCI_PAUSED);
	sandbox_resume(here.sb, "c1", on_done, NULL);
	CHECK_EQ(outcome(), 0);
	CHECK_EQ(status_of("c1", ""), OCI_RUNNING);

	sandbox_stats(here.sb, "c1", on_done, NULL);
	CHECK_EQ(outcome(), 0);
	Grpc__StatsContainerResponse *s =
		grpc__stats_container_response__unpack(NULL, here.answer.bytes, here.data);
	CHECK_EQ(s->cgroup_stats->pids_stats->current, 3);
	grpc__stats_container_response__free_unpacked(s, NULL);

	sandbox_processes(here.sb, "c1", "json", on_done, NULL);
	CHECK_EQ(outcome(), 0);
	sandbox_kill(here.sb, "c1", "", 15, true, on_done, NULL);
	CHECK_EQ(outcome(), 0);
	CHECK_EQ(here.agent.signals_to_all, 1);
	CHECK_EQ(wait_for("c1", ""), 128 + 15);
	CHECK_EQ(delete_it("c1", ""), 0);
	down();
}

TEST(what_is_wrong_with_a_bundle_is_said_and_no_machine_is_made)
{
	up();
	write_spec("\"stay\"", ",\"mounts\":[{\"destination\":\"/x\",\"type\":\"bind\","
			       "\"source\":\"/no/such/source\",\"options\":[\"bind\"]}]");
	CHECK_EQ(create("c1", NO_STREAMS), -ENOENT);
	CHECK_STR(here.answer.err.text,
		  "create container 'c1': mounts[0]: source '/no/such/source'");
	CHECK(here.hv == NULL);
	CHECK(sandbox_is_over(here.sb));
	CHECK_EQ(create("c2", NO_STREAMS), -ECONNRESET); /* used once */
	down();
}

TEST(what_every_sandbox_shall_see_is_in_the_share)
{
	up();
	write_text(here.folder, "for-all", "x");

	auto_free char *more = str_printf("[hypervisor.qemu]\nkernel = \"/k\"\ninitrd = \"/i\"\n"
					  "shared_fs = \"virtio-9p\"\n[runtime]\n"
					  "sandbox_bind_mounts = [\"%s/for-all\"]\n",
					  here.folder);
	auto_free char *seen = str_printf("%s/s1/shared/sandbox-mounts/for-all", here.share);

	write_text(here.folder, "configuration.toml", more);
	CHECK_EQ(create("c1", NO_STREAMS), 0);
	CHECK_EQ(access(seen, R_OK), 0);
	CHECK_EQ(access(seen, W_OK), -1);
	CHECK_EQ(delete_it("c1", ""), 0);
	down();
}

static bool shows_root_of(const char *id)
{
	auto_free char *path = str_printf("%s/s1/shared/%s/rootfs", here.share, id);

	return access(path, F_OK) == 0;
}

TEST(what_a_container_has_in_the_share_goes_with_it)
{
	up();
	CHECK_EQ(create("c1", NO_STREAMS), 0);
	CHECK_EQ(create("c2", NO_STREAMS), 0);
	CHECK(shows_root_of("c2"));
	CHECK_EQ(delete_it("c2", ""), 0);
	CHECK(!shows_root_of("c2"));
	here.agent.refuse = "CreateContainer";
	CHECK_EQ(create("c3", NO_STREAMS), -EIO);
	CHECK(!shows_root_of("c3"));
	/* Its name is free again: nothing of the first attempt is in the way. */
	here.agent.refuse = NULL;
	CHECK_EQ(create("c3", NO_STREAMS), 0);
	CHECK(shows_root_of("c3"));
	CHECK(shows_root_of("c1"));
	CHECK_EQ(delete_it("c1", ""), 0);
	CHECK_EQ(delete_it("c3", ""), 0);
	down();
}

TEST(ids_are_checked_and_are_unique)
{
	up();
	CHECK_EQ(create("../c", NO_STREAMS), -EINVAL);
	CHECK_EQ(create("c1", NO_STREAMS), 0);
	CHECK_EQ(create("c1", NO_STREAMS), -EEXIST);
	CHECK_EQ(start("c2", ""), -ENOENT);
	CHECK_EQ(delete_it("c1", ""), 0); /* never started: killed */
	CHECK_EQ(here.agent.removed, 1);
	down();
}

TEST(a_guest_that_refuses_a_container_takes_everything_along)
{
	up();
	here.agent.refuse = "CreateContainer";
	CHECK_EQ(create("c1", NO_STREAMS), -EIO);
	CHECK(strstr(here.answer.err.text, "the guest does not want to") != NULL);
	CHECK(here.agent.destroyed);
	CHECK(sandbox_is_over(here.sb));
	down();
}

TEST(a_field_that_the_agent_does_not_know_is_refused_by_name)
{
	up();
	here.agent.features[2] = NULL;
	write_spec("\"stay\"", ",\"domainname\":\"d\"");
	CHECK_EQ(create("c1", NO_STREAMS), -ENOTSUP);
	CHECK(strstr(here.answer.err.text, "domainname: the agent") != NULL);
	CHECK(sandbox_is_over(here.sb));
	down();
}

TEST(a_guest_that_does_not_answer_is_given_up_in_time_and_explained)
{
	up();
	here.agent.deaf = true;
	write_config("virtio-9p", 200);
	CHECK_EQ(create("c1", NO_STREAMS), -ETIMEDOUT);
	CHECK(strstr(here.answer.err.text, "CreateSandbox") != NULL);
	CHECK(sandbox_is_over(here.sb));
	down();
}

TEST(a_machine_that_does_not_start_is_an_error)
{
	up();
	write_config("none", 10000);
	CHECK_EQ(create("c1", NO_STREAMS), -ENOTSUP);
	CHECK(sandbox_is_over(here.sb));
	down();
}

TEST(if_the_machine_dies_every_process_ends_with_137)
{
	int in, out;
	struct sandbox_wait w = {.done = on_done};
	struct sandbox_stdio none = NO_STREAMS;
	char c;

	up();
	CHECK_EQ(create("c1", with_pipes(&in, &out)), 0);
	CHECK_EQ(start("c1", ""), 0);
	CHECK_EQ(sandbox_exec(here.sb, "c1", "e", process_of("\"stay\""), &none, NULL), 0);
	CHECK_EQ(start("c1", "e"), 0);
	CHECK_EQ(sandbox_wait(here.sb, "c1", "e", &w, NULL), 0);
	hv_fake_die(here.hv, "qemu was killed");
	CHECK_EQ(outcome(), 0);
	CHECK_EQ(here.answer.exit_status, 137);
	CHECK_EQ(wait_for("c1", ""), 137);
	CHECK_EQ(read(out, &c, 1), 0);
	sandbox_stats(here.sb, "c1", on_done, NULL);
	CHECK_EQ(outcome(), -ENOENT);
	CHECK_EQ(kill_it("c1", "", 9), 0);
	UNTIL(sandbox_is_idle(here.sb));
	CHECK_EQ(delete_it("c1", ""), 0);
	CHECK(sandbox_is_over(here.sb));
	fd_close(in);
	fd_close(out);
	down();
}

TEST(if_the_line_breaks_the_machine_is_torn_down)
{
	up();
	CHECK_EQ(create("c1", NO_STREAMS), 0);
	CHECK_EQ(start("c1", ""), 0);
	ttrpc_server_free(here.agent.server);
	here.agent.server = NULL;
	CHECK_EQ(wait_for("c1", ""), 137);
	CHECK_EQ(delete_it("c1", ""), 0);
	CHECK(sandbox_is_over(here.sb));
	down();
}

static void die_of_a_panic(void *arg)
{
	(void) arg;
	hv_fake_die(here.hv, "the guest kernel panicked");
}

/* The line is found broken at once; whoever is later, the reason is the same. */
static void lose_line_then_machine(void)
{
	struct loop_timer *timer;

	ttrpc_server_free(here.agent.server);
	here.agent.server = NULL;
	CHECK_EQ(loop_timer(here.loop, clock_deadline(50), die_of_a_panic, NULL, &timer, NULL), 0);
	CHECK(outcome() < 0);
	CHECK(strstr(here.answer.err.text, "the guest kernel panicked") != NULL);
	CHECK_EQ(wait_for("c1", ""), 137);
	CHECK_EQ(delete_it("c1", ""), 0);
	CHECK(sandbox_is_over(here.sb));
}

TEST(a_machine_that_dies_behind_its_line_gives_the_reason)
{
	up();
	CHECK_EQ(create("c1", NO_STREAMS), 0);
	sandbox_start_process(here.sb, "c1", "", on_done, NULL);
	lose_line_then_machine();
	down();
}

TEST(an_exec_under_way_is_told_of_the_machine_and_not_of_the_line)
{
	struct sandbox_stdio none = NO_STREAMS;

	up();
	CHECK_EQ(create("c1", NO_STREAMS), 0);
	CHECK_EQ(start("c1", ""), 0);
	CHECK_EQ(sandbox_exec(here.sb, "c1", "e", process_of("\"stay\""), &none, NULL), 0);
	sandbox_start_process(here.sb, "c1", "e", on_done, NULL);
	lose_line_then_machine();
	down();
}

TEST(who_hangs_up_while_it_is_made_gets_it_taken_away)
{
	struct sandbox_container c = {.id = "c1", .stdio = NO_STREAMS};

	up();
	c.bundle = here.bundle;
	here.agent.deaf = true;
	pod_create(here.sb, &c, NULL, on_done, NULL);
	UNTIL(here.agent.sandbox);
	sandbox_abort(here.sb, "the caller hung up");
	CHECK_EQ(outcome(), -ECANCELED);
	CHECK(sandbox_is_over(here.sb));
	down();
}

TEST(what_is_given_up_before_its_machine_is_made_leaves_nothing)
{
	struct sandbox_container c = {.id = "c1", .stdio = NO_STREAMS};

	up();
	c.bundle = here.bundle;
	pod_create(here.sb, &c, NULL, on_done, NULL);
	sandbox_abort(here.sb, "shut down");
	CHECK_EQ(outcome(), -ECANCELED);
	CHECK(sandbox_is_over(here.sb));
	down();
}

TEST(hooks_run_in_their_order_and_a_failing_one_undoes_all)
{
	up();

	auto_free char *log = str_printf("%s/log", here.folder);
	auto_free char *hooks = str_printf(
		",\"hooks\":{"
		"\"prestart\":[{\"path\":\"/bin/sh\",\"args\":[\"sh\",\"-c\",\"echo pre >>%s\"]}],"
		"\"createRuntime\":[{\"path\":\"/bin/sh\",\"args\":[\"sh\",\"-c\",\"echo rt >>%s\"]}],"
		"\"createContainer\":[{\"path\":\"/bin/sh\",\"args\":[\"sh\",\"-c\",\"echo cc >>%s\"]}],"
		"\"poststart\":[{\"path\":\"/bin/sh\",\"args\":[\"sh\",\"-c\",\"echo start >>%s; exit 1\"]}],"
		"\"poststop\":[{\"path\":\"/bin/sh\",\"args\":[\"sh\",\"-c\",\"[ -e %s/sandbox.json ] || echo stop >>%s\"]}]}",
		log, log, log, log, here.folder, log);
	auto_free char *text = NULL;

	/* They run among the host's mounts, where this folder is no tmpfs: put the log beside
	 * it. */
	(void) umount2(here.folder, MNT_DETACH);
	auto_free char *root = str_printf("%s/bundle/rootfs", here.folder);
	CHECK_EQ(dir_make(root, 0755, NULL), 0);
	write_spec("\"fail\",\"0\"", hooks);
	write_config("virtio-9p", 10000);
	CHECK_EQ(create("c1", NO_STREAMS), 0);
	CHECK_EQ(start("c1", ""), 0);
	CHECK_EQ(wait_for("c1", ""), 0);
	CHECK_EQ(delete_it("c1", ""), 0);
	CHECK_EQ(file_read(AT_FDCWD, log, 1000, &text, NULL, NULL), 0);
	CHECK_STR(text, "pre\nrt\ncc\nstart\nstop\n");
	CHECK_EQ(dir_remove(AT_FDCWD, here.folder, NULL), 0);
	CHECK_EQ(mkdir(here.folder, 0700), 0);
	down();
}

TEST(two_containers_share_a_machine_and_the_last_takes_it_along)
{
	up();
	CHECK_EQ(create("c1", NO_STREAMS), 0);
	CHECK_EQ(create("c2", NO_STREAMS), 0);
	CHECK_EQ(delete_it("c1", ""), 0);
	CHECK(!here.agent.destroyed);
	CHECK_EQ(delete_it("c2", ""), 0);
	CHECK(here.agent.destroyed);
	CHECK(sandbox_is_over(here.sb));
	down();
}
