#include "tests/unit/host/shim/served.h"

#include "cgroup_metrics.pb-c.h"
#include "events.pb-c.h"
#include "host/shim/options.h"
#include "kata.pb-c.h"

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

TEST(the_server_of_a_lone_container_makes_no_second_one_that_does_not_join_it)
{
	here.lone = true;
	up(0);
	dial();
	CHECK_EQ(create("c1", NULL), 0);
	CHECK_EQ(create("c2", NULL), -EPERM);
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

TEST(connect_tells_the_pid_that_state_tells)
{
	T(StateRequest) state = CONTAINERD__TASK__V2__STATE_REQUEST__INIT;
	T(StateResponse) *a = NULL;
	T(ConnectRequest) connect = CONTAINERD__TASK__V2__CONNECT_REQUEST__INIT;
	T(ConnectResponse) *b = NULL;

	up(0);
	dial();
	CHECK_EQ(create("c1", NULL), 0);
	state.id = connect.id = "c1";
	CHECK_EQ(TASK(State, state, &a), 0);
	CHECK_EQ(TASK(Connect, connect, &b), 0);
	CHECK(a->pid != 0);
	CHECK_EQ(b->task_pid, a->pid);
	ttrpc_message_free(&a->base);
	ttrpc_message_free(&b->base);
	CHECK_EQ(delete_it("c1", ""), 0);
	down();
}

TEST(connect_without_a_container_tells_the_pid_of_the_server)
{
	T(ConnectRequest) connect = CONTAINERD__TASK__V2__CONNECT_REQUEST__INIT;
	T(ConnectResponse) *a = NULL;

	up(0);
	dial();
	CHECK_EQ(TASK(Connect, connect, &a), 0);
	CHECK_EQ(a->shim_pid, (uint32_t) getpid());
	CHECK_EQ(a->task_pid, 0);
	ttrpc_message_free(&a->base);
	connect.id = "none";
	CHECK(TASK(Connect, connect, &a) < 0);
	CHECK_EQ(create("c1", NULL), 0);
	CHECK_EQ(delete_it("c1", ""), 0);
	down();
}

TEST(a_server_ends_whose_only_create_was_refused)
{
	up(0);
	dial();
	CHECK_EQ(create("../c1", NULL), -EINVAL);
	CHECK_EQ(shut_down(false), 0);
	CHECK_EQ(pthread_join(here.thread, NULL), 0);
	here.joined = true;
	down();
}

TEST(a_server_whose_only_create_was_refused_ends_when_nobody_is_there)
{
	up(0);
	dial();
	CHECK_EQ(create("../c1", NULL), -EINVAL);
	down(); /* hangs up */
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
		.deadline = CLOCK_NEVER,
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
	send_only(here.client, &request);
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
		.deadline = CLOCK_NEVER,
	};

	up(0);
	here.agent.deaf = true;
	dial();
	q.id = "c1";
	q.bundle = here.bundle;
	send_only(here.client, &request);
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
		.deadline = CLOCK_NEVER,
	};

	up(0);
	here.agent.slow = "slow";
	dial();
	CHECK_EQ(create("c1", NULL), 0);
	CHECK_EQ(start("c1", ""), 0);
	q.id = "slow";
	q.bundle = here.bundle;
	CHECK_EQ(ttrpc_client_new(here.loop, connect_it(), &other, NULL), 0);
	send_only(other, &request);
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

TEST(a_container_that_has_ended_or_never_was_has_no_statistics)
{
	T(StatsRequest) q = CONTAINERD__TASK__V2__STATS_REQUEST__INIT;

	up(0);
	dial();
	CHECK_EQ(create("c1", NULL), 0);
	CHECK_EQ(start("c1", ""), 0);
	CHECK_EQ(kill_it("c1", 9), 0);
	(void) wait_for("c1", "");
	/* containerd asks for all that it knows, and anything else is a failure to it. */
	q.id = (char *) "c1";
	CHECK_EQ(TASK(Stats, q, NULL), -ENOENT);
	q.id = (char *) "nobody";
	CHECK_EQ(TASK(Stats, q, NULL), -ENOENT);
	CHECK_EQ(delete_it("c1", ""), 0);
	down();
}

/* A containerd that takes events, in the loop of the client. */
static unsigned exits;

static void take_event(struct ttrpc_call *call, const ProtobufCMessage *request, void *arg)
{
	const Containerd__Services__Events__Ttrpc__V1__ForwardRequest *q = (const void *) request;

	(void) arg;
	exits += strcmp(q->envelope->topic, "/tasks/exit") == 0;
	ttrpc_reply(call, NULL);
}

static const struct ttrpc_method event_methods[] = {{"Forward", take_event}};
static const struct ttrpc_service event_service = {
	.descriptor = &containerd__services__events__ttrpc__v1__events__descriptor,
	.methods = event_methods,
	.n_methods = 1,
};

static struct ttrpc_server *take_events(const char *path)
{
	static const struct ttrpc_service *const services[] = {&event_service};
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct ttrpc_server *server = NULL;

	(void) snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
	CHECK_EQ(bind(fd, (struct sockaddr *) &at, sizeof at), 0);
	CHECK_EQ(listen(fd, 4), 0);
	CHECK_EQ(ttrpc_server_new(here.loop, services, 1, NULL, &server, NULL), 0);
	CHECK_EQ(ttrpc_server_listen(server, fd, NULL), 0);
	return server;
}

TEST(an_end_is_told_though_who_waits_for_it_does_not_read)
{
	T(WaitRequest) wait = CONTAINERD__TASK__V2__WAIT_REQUEST__INIT;
	const struct ttrpc_request q = {
		.service = &containerd__task__v2__task__descriptor,
		.method = "Wait",
		.message = &wait.base,
		.deadline = CLOCK_NEVER,
	};
	struct ttrpc_client *slow = NULL;
	struct loop *its = NULL;
	char path[] = "/tmp/kata-test-exits-XXXXXX";

	fd_close(mkstemp(path));
	CHECK_EQ(unlink(path), 0);
	here.events = path;
	up(0);
	dial();

	struct ttrpc_server *containerd = take_events(path);

	CHECK_EQ(create("c1", NULL), 0);
	CHECK_EQ(start("c1", ""), 0);
	CHECK_EQ(loop_new(&its, NULL), 0);
	CHECK_EQ(ttrpc_client_new(its, connect_it(), &slow, NULL), 0);
	wait.id = (char *) "c1";
	send_only(slow, &q);
	/* Nobody turns its loop any more. */
	CHECK_EQ(kill_it("c1", 9), 0);
	while (exits == 0 && loop_step(here.loop, clock_deadline(60000), NULL) > 0)
		;
	CHECK_EQ(exits, 1);
	CHECK_EQ(delete_it("c1", ""), 0);
	ttrpc_client_free(slow);
	loop_free(its);
	CHECK_EQ(shut_down(false), 0);
	ttrpc_server_free(containerd);
	down();
	CHECK_EQ(unlink(path), 0);
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

/* Asks the management socket; the answer with its head, freed by the caller. */
static char *ask_management(const char *request)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char *text = NULL;

	(void) snprintf(a.sun_path, sizeof a.sun_path, "%s/sbs/s1/shim-monitor.sock", here.folder);
	CHECK_EQ(connect(fd, (struct sockaddr *) &a, sizeof a), 0);
	CHECK_EQ(fd_write_all(fd, request, strlen(request)), 0);
	CHECK_EQ(file_read_fd(fd, "answer", 1 << 20, &text, NULL, NULL), 0);
	return text;
}

TEST(the_management_socket_tells_of_the_pod_and_believes_no_guest)
{
	auto_free char *none = NULL;
	auto_free char *metrics = NULL;
	auto_free char *volumes = NULL, *no_volume = NULL, *resize = NULL;
	auto_free char *early = NULL;
	auto_free char *list = NULL;
	auto_free char *console = NULL, *size = NULL;

	up(0);
	none = ask_management("GET /agent-url HTTP/1.1\r\n\r\n");
	CHECK(strstr(none, "HTTP/1.1 503 ") == none);
	early = ask_management("GET /direct-volume/stats?path=/x HTTP/1.1\r\n\r\n");
	CHECK(strstr(early, "HTTP/1.1 503 ") == early);
	dial();
	CHECK_EQ(create("s1", NULL), 0);

	/* A guest has two seconds, and the machine may do much else. */
	for (int i = 0; i < 30 && !(metrics && strstr(metrics, "kata_guest_")); i++) {
		free(metrics);
		metrics = ask_management("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	}
	CHECK(strstr(metrics, "HTTP/1.1 200 OK\r\n") == metrics);
	CHECK(strstr(metrics, "\nkata_shim_threads ") != NULL);
	CHECK(strstr(metrics, "\nkata_shim_threads 4711") == NULL);
	CHECK(strstr(metrics, "\nkata_guest_load{item=\"load1\"} 0.5\n") != NULL);
	list = ask_management("GET /containers HTTP/1.1\r\n\r\n");
	CHECK(strstr(list, "\r\n\r\n[{\"ociVersion\"") != NULL);
	CHECK(strstr(list, "\"id\":\"s1\",\"status\":\"created\"") != NULL);
	volumes = ask_management("GET /direct-volume/stats?path=/x HTTP/1.1\r\n\r\n");
	CHECK(strstr(volumes, "HTTP/1.1 500 ") == volumes); /* the fake guest knows no volumes */
	no_volume = ask_management("GET /direct-volume/stats HTTP/1.1\r\n\r\n");
	CHECK(strstr(no_volume, "HTTP/1.1 400 ") == no_volume);
	resize = ask_management("POST /direct-volume/resize HTTP/1.1\r\n\r\n");
	CHECK(strstr(resize, "HTTP/1.1 400 ") == resize);
	CHECK(strstr(resize, "no VolumePath") != NULL);
	free(resize);
	resize = ask_management("POST /direct-volume/resize HTTP/1.1\r\nContent-Length: 20\r\n\r\n"
				"{\"VolumePath\": \"/x\"}");
	CHECK(strstr(resize, "HTTP/1.1 400 ") == resize);
	CHECK(strstr(resize, "'Size' is not a number of bytes") != NULL);
	free(resize);
	resize = ask_management("POST /direct-volume/resize HTTP/1.1\r\nContent-Length: 36\r\n\r\n"
				"{\"VolumePath\":\"/none/x\",\"Size\":1000}");
	CHECK(strstr(resize, "HTTP/1.1 404 ") == resize);
	console = ask_management("GET /debug-console?size=80x25 HTTP/1.1\r\n\r\n");
	CHECK(strstr(console, "HTTP/1.1 403 ") == console);
	CHECK(strstr(console, "debug_console_enabled is not set") != NULL);
	size = ask_management("GET /debug-console?size=80x25x HTTP/1.1\r\n\r\n");
	CHECK(strstr(size, "HTTP/1.1 400 ") == size);
	CHECK_EQ(delete_it("s1", ""), 0);
	CHECK_EQ(shut_down(false), 0);
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
