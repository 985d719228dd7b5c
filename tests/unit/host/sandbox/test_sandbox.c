#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "host/hypervisor/fake/fake.h"
#include "host/sandbox/sandbox.h"
#include "host/shim/pod.h"
#include "host/storage/share.h"
#include "tests/unit/host/sandbox/fake_agent.h"

/* A whole sandbox over a fake machine with a fake guest, and a bundle in a folder of its own. Unless
 * a case says otherwise, its machine comes and goes by the shim's policy. */
static struct {
	struct loop *loop;
	struct sandbox *sb;
	struct hv_fake *hv;
	struct fake_agent agent;
	char folder[32];
	char *bundle;
	char *share;
	int host_ns;
	bool done;
	struct sandbox_answer answer;
	uint8_t data[256];
} here;

static int make_hv(void *arg, struct loop *loop, struct hv **ret, struct err *e)
{
	(void) arg;

	int r = hv_fake_new(loop, &here.hv, e);

	if (r < 0)
		return r;
	here.hv->serve = fake_agent_serve;
	here.hv->serve_arg = &here.agent;
	*ret = &here.hv->hv;
	return 0;
}

static void write_text(const char *folder, const char *name, const char *text)
{
	auto_free char *path = str_printf("%s/%s", folder, name);
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	CHECK_EQ(fd_write_all(fd, text, strlen(text)), 0);
}

static void write_spec(const char *args, const char *more)
{
	auto_free char *text = str_printf(
		"{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"rootfs\"},\"hostname\":\"h\","
		"\"process\":{\"cwd\":\"/\",\"args\":[%s],\"user\":{\"uid\":0,\"gid\":0}},"
		"\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"uts\"}]}%s}",
		args, more);

	write_text(here.bundle, "config.json", text);
}

/* What differs from the defaults: no program and no file is needed. */
static void write_config(const char *shared_fs, unsigned timeout_ms)
{
	auto_free char *text = str_printf("[hypervisor.qemu]\nkernel = \"/kernel\"\n"
					  "initrd = \"/initrd\"\n"
					  "default_memory = 128\nshared_fs = \"%s\"\n"
					  "[agent.kata]\nreconnect_timeout_ms = %u\n",
					  shared_fs, timeout_ms);

	write_text(here.folder, "configuration.toml", text);
}

static void up(void)
{
	if (geteuid() != 0 || share_namespace_enter(&here.host_ns, NULL) < 0)
		exit(TEST_SKIP);
	log_open(-1, LOG_TEXT, LOG_ERROR);
	(void) signal(SIGPIPE, SIG_IGN);
	strcpy(here.folder, "/tmp/test-sandbox-XXXXXX");
	CHECK(mkdtemp(here.folder) != NULL);
	CHECK_EQ(mount("none", here.folder, "tmpfs", 0, NULL), 0);
	here.bundle = str_printf("%s/bundle", here.folder);
	here.share = str_printf("%s/share", here.folder);

	auto_free char *root = str_printf("%s/bundle/rootfs", here.folder);

	CHECK_EQ(dir_make(root, 0755, NULL), 0);
	write_spec("\"stay\"", "");
	write_config("virtio-9p", 10000);
	CHECK_EQ(loop_new(&here.loop, NULL), 0);
	fake_agent_init(&here.agent, here.loop);

	auto_free char *config = str_printf("%s/configuration.toml", here.folder);
	struct sandbox_options o = {
		.loop = here.loop,
		.id = "s1",
		.state_dir = here.folder,
		.share_base = here.share,
		.host_mount_ns = here.host_ns,
		.config_path = config,
		.make_hv = make_hv,
	};

	CHECK_EQ(sandbox_new(&o, &here.sb, NULL), 0);
}

/* Turns the loop until @what holds. */
#define UNTIL(what)                                                                \
	do {                                                                       \
		msec_t until_ = clock_deadline(20000);                             \
		while (!(what))                                                    \
			if (loop_step(here.loop, until_, NULL) != 1)               \
				test_fail(__FILE__, __LINE__, "never: %s", #what); \
	} while (0)

static void down(void)
{
	UNTIL(sandbox_is_idle(here.sb));
	/* Nothing may be left but empty folders. */
	auto_free char *notes = str_printf("%s/sandbox.json", here.folder);
	auto_free char *share = str_printf("%s/s1", here.share);

	if (!sandbox_has_containers(here.sb)) {
		CHECK_EQ(access(notes, F_OK), -1);
		CHECK_EQ(access(share, F_OK), -1);
	}
	sandbox_free(here.sb);
	fake_agent_fini(&here.agent);
	loop_free(here.loop);
	fd_close(here.host_ns);
	free(here.bundle);
	free(here.share);
	(void) umount2(here.folder, MNT_DETACH);
	CHECK_EQ(rmdir(here.folder), 0);
}

static void on_done(void *arg, const struct sandbox_answer *a)
{
	(void) arg;
	CHECK(!here.done);
	here.done = true;
	here.answer = *a;
	if (a->bytes > 0 && a->bytes <= sizeof here.data)
		memcpy(here.data, a->data, a->bytes);
}

/* How the operation that was begun ended. */
static int outcome(void)
{
	UNTIL(here.done);
	here.done = false;
	if (here.answer.r == 0)
		CHECK_EQ(here.answer.err.code, 0);
	else
		CHECK_EQ(here.answer.err.code, -here.answer.r);
	return here.answer.r;
}

#define NO_STREAMS ((struct sandbox_stdio){.in = "", .out = "", .err = "", .fds = {-1, -1, -1}})

static int create(const char *id, struct sandbox_stdio stdio)
{
	struct sandbox_container c = {.id = id, .bundle = here.bundle, .stdio = stdio};

	pod_create(here.sb, &c, NULL, on_done, NULL);
	return outcome();
}

static int start(const char *id, const char *exec_id)
{
	sandbox_start_process(here.sb, id, exec_id, on_done, NULL);
	return outcome();
}

static int kill_it(const char *id, const char *exec_id, uint32_t signo)
{
	sandbox_kill(here.sb, id, exec_id, signo, false, on_done, NULL);
	return outcome();
}

static int delete_it(const char *id, const char *exec_id)
{
	pod_delete(here.sb, id, exec_id, on_done, NULL);
	return outcome();
}

static uint32_t wait_for(const char *id, const char *exec_id)
{
	struct sandbox_wait w = {.done = on_done};

	CHECK_EQ(sandbox_wait(here.sb, id, exec_id, &w, NULL), 0);
	CHECK_EQ(outcome(), 0);
	CHECK(here.answer.exited_at.tv_sec > 0);
	return here.answer.exit_status;
}

static enum oci_status status_of(const char *id, const char *exec_id)
{
	struct sandbox_process p;

	CHECK_EQ(sandbox_state(here.sb, id, exec_id, &p, NULL), 0);
	return p.status;
}

static struct sandbox_stdio with_pipes(int *ret_in, int *ret_out)
{
	int in[2], out[2];

	CHECK_EQ(pipe2(in, O_CLOEXEC), 0);
	CHECK_EQ(pipe2(out, O_CLOEXEC), 0);
	*ret_in = in[1];
	*ret_out = out[0];
	return (struct sandbox_stdio){
		.in = "fd:0", .out = "fd:1", .err = "", .fds = {in[0], out[1], -1}};
}

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
	CHECK_EQ(create("c2", NO_STREAMS), -EBUSY); /* used once */
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
	CHECK_EQ(outcome(), -EBUSY);
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
	CHECK_EQ(add_it("c2"), -EBUSY);
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

	int fd = open(fifo, O_WRONLY | O_CLOEXEC); /* once the hook reads */

	CHECK(fd >= 0);
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
