#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "cgroup_metrics.pb-c.h"
#include "host/hypervisor/fake/fake.h"
#include "host/shim/options.h"
#include "host/shim/server.h"
#include "host/storage/share.h"
#include "kata.pb-c.h"
#include "task.pb-c.h"
#include "tests/unit/host/sandbox/fake_agent.h"

/*
 * The server runs in a thread of its own, with a fake machine and a fake guest; the test is its
 * client over a real unix socket.
 */
static struct {
	char folder[32];
	char *bundle, *socket;
	struct loop *server_loop;
	struct server *server;
	struct fake_agent agent;
	struct hv_fake *hv;
	pthread_t thread;
	struct loop *loop;
	struct ttrpc_client *client;
	int host_ns;
	bool lone;
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
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	CHECK_EQ(fd_write_all(fd, text, strlen(text)), 0);
}

static void write_spec(const char *args)
{
	auto_free char *text = str_printf(
		"{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"rootfs\"},"
		"\"process\":{\"cwd\":\"/\",\"args\":[%s],\"user\":{\"uid\":0,\"gid\":0}},"
		"\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"}]}}",
		args);

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

static struct sockaddr_un address(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	(void) snprintf(a.sun_path, sizeof a.sun_path, "%s", here.socket);
	return a;
}

static int connect_it(void)
{
	struct sockaddr_un a = address();
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK_EQ(connect(fd, (struct sockaddr *) &a, sizeof a), 0);
	return fd;
}

static void hang_up(void)
{
	ttrpc_client_free(here.client);
	loop_free(here.loop);
	here.client = NULL;
	here.loop = NULL;
}

static void dial(void)
{
	CHECK_EQ(loop_new(&here.loop, NULL), 0);
	CHECK_EQ(ttrpc_client_new(here.loop, connect_it(), &here.client, NULL), 0);
}

static void *run_server(void *arg)
{
	(void) arg;
	CHECK_EQ(server_run(here.server, NULL), 0);
	server_free(here.server);
	return NULL;
}

/* @first_ms: see struct server_options. Does not connect. */
static void up(uint32_t first_ms)
{
	if (geteuid() != 0 || share_namespace_enter(&here.host_ns, NULL) < 0)
		exit(TEST_SKIP);
	log_open(-1, LOG_TEXT, LOG_ERROR);
	(void) signal(SIGPIPE, SIG_IGN);
	strcpy(here.folder, "/tmp/test-shim-XXXXXX");
	CHECK(mkdtemp(here.folder) != NULL);
	CHECK_EQ(mount("none", here.folder, "tmpfs", 0, NULL), 0);
	here.bundle = str_printf("%s/bundle", here.folder);
	here.socket = str_printf("%s/sock", here.folder);

	auto_free char *root = str_printf("%s/rootfs", here.bundle);
	auto_free char *base = str_printf("%s/share", here.folder);
	struct sockaddr_un a = address();
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK_EQ(dir_make(root, 0755, NULL), 0);
	write_spec("\"stay\"");
	write_config("virtio-9p", 10000);
	CHECK_EQ(bind(fd, (struct sockaddr *) &a, sizeof a), 0);
	CHECK_EQ(listen(fd, 8), 0);
	CHECK_EQ(loop_new(&here.server_loop, NULL), 0);
	fake_agent_init(&here.agent, here.server_loop);

	auto_free char *config = str_printf("%s/configuration.toml", here.folder);
	struct server_options o = {
		.id = "s1",
		.lone = here.lone,
		.host_mount_ns = here.host_ns,
		.share_base = base,
		.config_path = config,
		.make_hv = make_hv,
		.first_timeout_ms = first_ms,
	};

	CHECK_EQ(server_new(here.server_loop, &o, fd, &here.server, NULL), 0);
	CHECK_EQ(pthread_create(&here.thread, NULL, run_server, NULL), 0);
}

/* Waits for the server to end by itself. */
static void down(void)
{
	if (here.client)
		hang_up();
	CHECK_EQ(pthread_join(here.thread, NULL), 0);
	fake_agent_fini(&here.agent);
	loop_free(here.server_loop);
	fd_close(here.host_ns);
	free(here.bundle);
	free(here.socket);
	CHECK_EQ(umount2(here.folder, MNT_DETACH), 0);
	CHECK_EQ(rmdir(here.folder), 0);
}

#define T(name)                    Containerd__Task__V2__##name
#define TASK(method, message, ret) task(#method, &(message).base, (ProtobufCMessage **) (ret), NULL)

static int task(const char *method, const ProtobufCMessage *message, ProtobufCMessage **ret,
		const int *fds)
{
	struct ttrpc_request q = {
		.service = &containerd__task__v2__task__descriptor,
		.method = method,
		.message = message,
		.deadline = clock_deadline(20000),
		.fds = fds,
		.n_fds = fds ? 3 : 0,
	};

	return ttrpc_call_wait(here.client, &q, ret, NULL);
}

static int create(const char *id, const int *fds)
{
	T(CreateTaskRequest) q = CONTAINERD__TASK__V2__CREATE_TASK_REQUEST__INIT;

	q.id = (char *) id;
	q.bundle = here.bundle;
	if (fds) {
		q.stdin = "fd:0";
		q.stdout = "fd:1";
		q.stderr = "fd:2";
	}
	return task("Create", &q.base, NULL, fds);
}

static int start(const char *id, const char *exec_id)
{
	T(StartRequest) q = CONTAINERD__TASK__V2__START_REQUEST__INIT;

	q.id = (char *) id;
	q.exec_id = (char *) exec_id;
	return TASK(Start, q, NULL);
}

static int delete_it(const char *id, const char *exec_id)
{
	T(DeleteRequest) q = CONTAINERD__TASK__V2__DELETE_REQUEST__INIT;

	q.id = (char *) id;
	q.exec_id = (char *) exec_id;
	return TASK(Delete, q, NULL);
}

static int kill_it(const char *id, uint32_t signo)
{
	T(KillRequest) q = CONTAINERD__TASK__V2__KILL_REQUEST__INIT;

	q.id = (char *) id;
	q.signal = signo;
	return TASK(Kill, q, NULL);
}

static int wait_for(const char *id, const char *exec_id)
{
	T(WaitRequest) q = CONTAINERD__TASK__V2__WAIT_REQUEST__INIT;
	T(WaitResponse) *a = NULL;

	q.id = (char *) id;
	q.exec_id = (char *) exec_id;

	int r = TASK(Wait, q, &a);

	if (r == 0) {
		r = (int) a->exit_status;
		CHECK(a->exited_at->seconds > 0);
		ttrpc_message_free(&a->base);
	}
	return r;
}

static int shut_down(bool now)
{
	T(ShutdownRequest) q = CONTAINERD__TASK__V2__SHUTDOWN_REQUEST__INIT;

	q.id = "s1";
	q.now = now;
	return TASK(Shutdown, q, NULL);
}

static enum _Containerd__V1__Types__Status status_of(const char *id)
{
	T(StateRequest) q = CONTAINERD__TASK__V2__STATE_REQUEST__INIT;
	T(StateResponse) *a = NULL;

	q.id = (char *) id;
	CHECK_EQ(TASK(State, q, &a), 0);

	enum _Containerd__V1__Types__Status status = a->status;

	CHECK_STR(a->bundle, here.bundle);
	ttrpc_message_free(&a->base);
	return status;
}

TEST(a_container_is_made_run_and_removed_over_the_socket)
{
	char text[8] = "";
	int p[2];

	up(0);
	write_spec("\"say\",\"hello\"");
	dial();
	CHECK_EQ(pipe2(p, O_CLOEXEC), 0);

	auto_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int fds[] = {null, p[1], null};

	CHECK_EQ(create("c1", fds), 0);
	fd_close(p[1]);
	CHECK_EQ(status_of("c1"), CONTAINERD__V1__TYPES__STATUS__CREATED);
	CHECK_EQ(start("c1", ""), 0);
	CHECK_EQ(wait_for("c1", ""), 0);
	CHECK_EQ(read(p[0], text, sizeof text), 5);
	CHECK_STR(text, "hello");
	CHECK_EQ(read(p[0], text, sizeof text), 0);
	CHECK_EQ(status_of("c1"), CONTAINERD__V1__TYPES__STATUS__STOPPED);
	CHECK_EQ(shut_down(false), 0); /* there is a container: nothing happens */
	CHECK_EQ(delete_it("c1", ""), 0);
	CHECK_EQ(delete_it("c1", ""), -ENOENT);
	CHECK_EQ(shut_down(false), 0);
	fd_close(p[0]);
	null = fd_close(null);
	down();
}

TEST(the_server_of_a_lone_container_makes_no_second_one)
{
	here.lone = true;
	up(0);
	dial();
	CHECK_EQ(create("c1", NULL), 0);
	CHECK_EQ(create("c2", NULL), -EBUSY);
	CHECK_EQ(delete_it("c2", ""), -ENOENT);
	CHECK_EQ(delete_it("c1", ""), 0);
	CHECK_EQ(create("c1", NULL), -EBUSY);
	down();
}

TEST(a_pod_may_have_a_second_container)
{
	up(0);
	dial();
	CHECK_EQ(create("c1", NULL), 0);
	CHECK_EQ(create("c2", NULL), 0);
	CHECK_EQ(delete_it("c1", ""), 0);
	CHECK_EQ(delete_it("c2", ""), 0);
	down();
}

/* Connects as another user, who can reach the socket, and waits to be hung up on. */
static void be_another_user(void)
{
	char byte;
	auto_close int fd = -1;

	if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
		_exit(1);
	fd = connect_it();
	_exit(read(fd, &byte, 1) <= 0 ? 0 : 1);
}

TEST(another_user_is_not_served_and_ends_nothing)
{
	int status;

	up(0);
	CHECK_EQ(chmod(here.folder, 0755), 0);
	CHECK_EQ(chmod(here.socket, 0777), 0);

	pid_t pid = fork();

	if (pid == 0)
		be_another_user();
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	dial();
	CHECK_EQ(create("c1", NULL), 0);
	CHECK_EQ(delete_it("c1", ""), 0);
	down();
}

TEST(with_nothing_left_and_nobody_there_the_server_ends)
{
	up(0);
	dial();
	CHECK_EQ(create("c1", NULL), 0);
	CHECK_EQ(delete_it("c1", ""), 0);
	down(); /* hangs up */
}

TEST(a_server_that_nobody_wants_ends)
{
	up(50);
	down();
}

TEST(a_visitor_who_wants_nothing_ends_it_too)
{
	up(0);
	dial();
	down();
}

TEST(a_container_outlives_its_creator_and_dies_with_its_stand_in)
{
	static const struct ttrpc_pair owner = {"kata-owner", "1"};
	T(WaitRequest) q = CONTAINERD__TASK__V2__WAIT_REQUEST__INIT;
	struct ttrpc_request request = {
		.service = &containerd__task__v2__task__descriptor,
		.method = "Wait",
		.message = &q.base,
		.deadline = clock_deadline(200),
		.metadata = &owner,
		.n_metadata = 1,
	};

	up(0);
	dial();
	CHECK_EQ(create("c1", NULL), 0);
	CHECK_EQ(start("c1", ""), 0);
	hang_up();
	dial();
	CHECK_EQ(status_of("c1"), CONTAINERD__V1__TYPES__STATUS__RUNNING);
	q.id = "c1";
	CHECK_EQ(ttrpc_call_wait(here.client, &request, NULL, NULL), -ETIMEDOUT);
	hang_up();
	dial();
	CHECK_EQ(wait_for("c1", ""), 137);
	CHECK_EQ(delete_it("c1", ""), 0);
	down();
}

TEST(a_creator_who_hangs_up_too_early_leaves_nothing)
{
	T(CreateTaskRequest) q = CONTAINERD__TASK__V2__CREATE_TASK_REQUEST__INIT;
	struct ttrpc_request request = {
		.service = &containerd__task__v2__task__descriptor,
		.method = "Create",
		.message = &q.base,
		.deadline = clock_deadline(300),
	};

	up(0);
	here.agent.deaf = true;
	dial();
	q.id = "c1";
	q.bundle = here.bundle;
	CHECK_EQ(ttrpc_call_wait(here.client, &request, NULL, NULL), -ETIMEDOUT);
	down();
}

TEST(a_creator_who_hangs_up_takes_only_its_container_along)
{
	struct ttrpc_client *other = NULL;
	T(CreateTaskRequest) q = CONTAINERD__TASK__V2__CREATE_TASK_REQUEST__INIT;
	struct ttrpc_request request = {
		.service = &containerd__task__v2__task__descriptor,
		.method = "Create",
		.message = &q.base,
		.deadline = clock_deadline(300),
	};

	up(0);
	here.agent.slow = "slow";
	dial();
	CHECK_EQ(create("c1", NULL), 0);
	CHECK_EQ(start("c1", ""), 0);
	q.id = "slow";
	q.bundle = here.bundle;
	CHECK_EQ(ttrpc_client_new(here.loop, connect_it(), &other, NULL), 0);
	CHECK_EQ(ttrpc_call_wait(other, &request, NULL, NULL), -ETIMEDOUT);
	ttrpc_client_free(other);
	CHECK_EQ(delete_it("slow", ""), -ENOENT); /* once its create has been undone */
	CHECK_EQ(status_of("c1"), CONTAINERD__V1__TYPES__STATUS__RUNNING);
	CHECK_EQ(kill_it("c1", SIGKILL), 0);
	CHECK_EQ(wait_for("c1", ""), 137);
	CHECK_EQ(delete_it("c1", ""), 0);
	down();
}

TEST(an_exec_is_a_process_of_its_own)
{
	T(ExecProcessRequest) q = CONTAINERD__TASK__V2__EXEC_PROCESS_REQUEST__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	const char *spec = "{\"cwd\":\"/\",\"args\":[\"fail\",\"9\"]}";

	up(0);
	dial();
	CHECK_EQ(create("c1", NULL), 0);
	CHECK_EQ(start("c1", ""), 0);
	q.id = "c1";
	q.exec_id = "e1";
	CHECK_EQ(TASK(Exec, q, NULL), -EINVAL);
	any.type_url = "types.containerd.io/opencontainers/runtime-spec/1/Process";
	any.value = (ProtobufCBinaryData){.data = (uint8_t *) spec, .len = strlen(spec)};
	q.spec = &any;
	CHECK_EQ(TASK(Exec, q, NULL), 0);
	CHECK_EQ(start("c1", "e1"), 0);
	CHECK_EQ(wait_for("c1", "e1"), 9);
	CHECK_EQ(delete_it("c1", "e1"), 0);
	CHECK_EQ(kill_it("c1", 0), -EINVAL);
	CHECK_EQ(kill_it("c1", 15), 0);
	CHECK_EQ(wait_for("c1", ""), 128 + 15);
	CHECK_EQ(delete_it("c1", ""), 0);
	down();
}

TEST(statistics_come_in_the_form_that_tools_read)
{
	T(StatsRequest) q = CONTAINERD__TASK__V2__STATS_REQUEST__INIT;
	T(StatsResponse) *a = NULL;

	here.lone = true;
	up(0);
	dial();
	CHECK_EQ(create("c1", NULL), 0);
	CHECK_EQ(start("c1", ""), 0);
	q.id = "c1";
	CHECK_EQ(TASK(Stats, q, &a), 0);

	auto_free char *text = strndup((char *) a->stats->value.data, a->stats->value.len);

	CHECK(strstr(text, "\"pids\":{\"current\":3,\"limit\":0}") != NULL);
	ttrpc_message_free(&a->base);
	CHECK_EQ(delete_it("c1", ""), -EBUSY);
	CHECK_EQ(shut_down(true), 0); /* now: whatever runs */
	CHECK_EQ(delete_it("c1", ""), 0);
	down();
}

TEST(statistics_come_to_containerd_as_metrics_of_a_cgroup)
{
	T(StatsRequest) q = CONTAINERD__TASK__V2__STATS_REQUEST__INIT;
	T(StatsResponse) *a = NULL;
	ProtobufCMessage *m = NULL;

	up(0);
	dial();
	CHECK_EQ(create("c1", NULL), 0);
	q.id = "c1";
	CHECK_EQ(TASK(Stats, q, &a), 0);
	CHECK_STR(a->stats->type_url, "io.containerd.cgroups.v2.Metrics");
	CHECK_EQ(ttrpc_unpack(&io__containerd__cgroups__v2__metrics__descriptor,
			      a->stats->value.data, a->stats->value.len, &m, NULL),
		 0);
	CHECK_EQ(((Io__Containerd__Cgroups__V2__Metrics *) m)->pids->current, 3);
	ttrpc_message_free(m);
	ttrpc_message_free(&a->base);
	CHECK_EQ(delete_it("c1", ""), 0);
	down();
}

TEST(processes_and_the_machine_are_described)
{
	Kata__V1__ListProcessesRequest list = KATA__V1__LIST_PROCESSES_REQUEST__INIT;
	Kata__V1__ListProcessesResponse *l = NULL;
	Kata__V1__DescribeResponse *d = NULL;
	struct ttrpc_request request = {
		.service = &kata__v1__admin__descriptor,
		.method = "ListProcesses",
		.message = &list.base,
		.deadline = clock_deadline(20000),
	};

	up(0);
	dial();
	CHECK_EQ(create("c1", NULL), 0);
	list.id = "c1";
	list.format = "json";
	CHECK_EQ(ttrpc_call_wait(here.client, &request, (ProtobufCMessage **) &l, NULL), 0);
	CHECK_EQ(l->process_list.len, 3);
	ttrpc_message_free(&l->base);
	request.method = "Describe";
	request.message = NULL;
	CHECK_EQ(ttrpc_call_wait(here.client, &request, (ProtobufCMessage **) &d, NULL), 0);
	CHECK_STR(d->accelerator, "tcg");
	CHECK(d->n_phases >= 3);
	ttrpc_message_free(&d->base);
	CHECK_EQ(delete_it("c1", ""), 0);
	down();
}

TEST(flags_are_read_as_containerd_writes_them)
{
	char *argv[] = {"shim",       "-namespace", "ns",           "--id=x", "-debug",
			"-state-dir", "/s",         "-debug=false", "delete", NULL};
	char *unknown[] = {"shim", "-nonsense", NULL};
	char *twice[] = {"shim", "start", "delete", NULL};
	char *missing[] = {"shim", "-id", NULL};
	struct shim_options o;

	CHECK_EQ(shim_options_parse(9, argv, &o, NULL), 0);
	CHECK_STR(o.namespace, "ns");
	CHECK_STR(o.id, "x");
	CHECK_STR(o.state_dir, "/s");
	CHECK_STR(o.verb, "delete");
	CHECK(!o.debug);
	CHECK_EQ(shim_options_parse(2, unknown, &o, NULL), -EINVAL);
	CHECK_EQ(shim_options_parse(3, twice, &o, NULL), -EINVAL);
	CHECK_EQ(shim_options_parse(2, missing, &o, NULL), -EINVAL);
}
