#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

#include "agent.pb-c.h"
#include "agent/device/device.h"
#include "agent/rpc/rpc.h"
#include "base/file.h"
#include "base/log.h"
#include "health.pb-c.h"
#include "ttrpc/ttrpc.h"

/* The table of calls behind a real line, without a guest. */
struct fake {
	struct loop *loop;
	struct reaper *reaper;
	struct devices *devices;
	struct rpc *rpc;
	struct ttrpc_client *client;
	char run[64];
	int finished;
};

static void finished(void *arg)
{
	((struct fake *) arg)->finished++;
}

static void fake_open(struct fake *f)
{
	int line[2];

	*f = (struct fake){0};
	(void) signal(SIGPIPE, SIG_IGN);
	log_open(-1, LOG_TEXT, LOG_INFO);
	strcpy(f->run, "/tmp/test-agent-rpc-XXXXXX");
	CHECK(mkdtemp(f->run));
	CHECK_EQ(loop_new(&f->loop, NULL), 0);
	CHECK_EQ(reaper_new(f->loop, &f->reaper, NULL), 0);
	CHECK_EQ(devices_new(f->loop, &DEVICE_PLACES, &f->devices, NULL), 0);

	struct rpc_config config = {
		.loop = f->loop,
		.reaper = f->reaper,
		.devices = f->devices,
		.hotplug_timeout_ms = 50,
		.run_dir = f->run,
		.finished = finished,
		.arg = f,
	};

	CHECK_EQ(rpc_new(&config, &f->rpc, NULL), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, line), 0);
	CHECK_EQ(rpc_serve(f->rpc, line[0], NULL), 0);
	CHECK_EQ(ttrpc_client_new(f->loop, line[1], &f->client, NULL), 0);
}

static void fake_close(struct fake *f)
{
	ttrpc_client_free(f->client);
	rpc_free(f->rpc);
	devices_free(f->devices);
	reaper_free(f->reaper);
	loop_free(f->loop);
	CHECK_EQ(dir_remove(AT_FDCWD, f->run, NULL), 0);
}

static int call(struct fake *f, const char *method, const void *message, void *ret, struct err *e)
{
	struct ttrpc_request request = {
		.service = &grpc__agent_service__descriptor,
		.method = method,
		.message = message,
		.deadline = clock_deadline(10000),
	};

	return ttrpc_call_wait(f->client, &request, ret, e);
}

static void make_sandbox(struct fake *f)
{
	Grpc__CreateSandboxRequest req = GRPC__CREATE_SANDBOX_REQUEST__INIT;

	CHECK_EQ(call(f, "CreateSandbox", &req, NULL, NULL), 0);
}

TEST(health_is_always_well)
{
	struct fake f;
	Grpc__CheckRequest req = GRPC__CHECK_REQUEST__INIT;
	struct ttrpc_request request = {
		.service = &grpc__health__descriptor,
		.method = "Check",
		.message = &req.base,
		.deadline = clock_deadline(10000),
	};
	ProtobufCMessage *reply = NULL;

	fake_open(&f);
	CHECK_EQ(ttrpc_call_wait(f.client, &request, &reply, NULL), 0);
	CHECK_EQ(((Grpc__HealthCheckResponse *) reply)->status,
		 GRPC__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING);
	ttrpc_message_free(take_ptr(reply));
	request.method = "Version";
	CHECK_EQ(ttrpc_call_wait(f.client, &request, &reply, NULL), 0);
	CHECK_STR(((Grpc__VersionCheckResponse *) reply)->grpc_version, "0.0.1");
	ttrpc_message_free(reply);
	fake_close(&f);
}

TEST(the_agent_says_what_it_can)
{
	struct fake f;
	Grpc__GuestDetailsRequest req = GRPC__GUEST_DETAILS_REQUEST__INIT;
	Grpc__GuestDetailsResponse *reply = NULL;
	bool ordered = false, virtiofs = false;

	fake_open(&f);
	CHECK_EQ(call(&f, "GetGuestDetails", &req, &reply, NULL), 0);
	CHECK(!reply->agent_details->init_daemon);
	CHECK(reply->agent_details->supports_seccomp);
	CHECK_EQ(reply->mem_block_size_bytes, 0); /* was not asked for */
	for (size_t i = 0; i < reply->agent_details->n_extra_features; i++)
		ordered |= strcmp(reply->agent_details->extra_features[i], "ordered-exit") == 0;
	for (size_t i = 0; i < reply->agent_details->n_storage_handlers; i++)
		virtiofs |= strcmp(reply->agent_details->storage_handlers[i], "virtio-fs") == 0;
	CHECK(ordered && virtiofs);
	ttrpc_message_free(&reply->base);
	fake_close(&f);
}

TEST(metrics_have_upstreams_names_and_count_who_asks)
{
	static const char *const lines[] = {
		"\nkata_guest_load{item=\"load15\"} ",
		"\nkata_guest_tasks{item=\"max\"} ",
		"\nkata_guest_cpu_time{cpu=\"total\",item=\"user\"} ",
		"\nkata_guest_cpu_time{cpu=\"0\",item=\"guest_nice\"} ",
		"\nkata_guest_meminfo{item=\"mem_total\"} ",
		"\nkata_guest_meminfo{item=\"active_anon\"} ",
		"\nkata_guest_meminfo{item=\"buffers\"} ",
		"\nkata_guest_vm_stat{item=\"nr_free_pages\"} ",
		"\nkata_guest_netdev_stat{interface=\"lo\",item=\"sent_compressed\"} ",
		"\nkata_agent_threads ",
		"\nkata_agent_total_rss ",
		"\nkata_agent_scrape_count 2\n",
	};
	struct fake f;
	Grpc__GetMetricsRequest req = GRPC__GET_METRICS_REQUEST__INIT;
	Grpc__Metrics *reply = NULL;
	const char *total;

	fake_open(&f);
	CHECK_EQ(call(&f, "GetMetrics", &req, NULL, NULL), 0);
	CHECK_EQ(call(&f, "GetMetrics", &req, &reply, NULL), 0);
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
		if (!strstr(reply->metrics, lines[i]))
			test_fail(__FILE__, __LINE__, "%s is missing", lines[i]);
	total = strstr(reply->metrics, lines[4]) + strlen(lines[4]);
	CHECK_EQ(atoll(total), sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE));
	ttrpc_message_free(&reply->base);
	fake_close(&f);
}

TEST(a_call_out_of_phase_is_refused_and_named)
{
	struct fake f;
	Grpc__CreateContainerRequest create = GRPC__CREATE_CONTAINER_REQUEST__INIT;
	Grpc__CreateSandboxRequest sandbox = GRPC__CREATE_SANDBOX_REQUEST__INIT;
	struct err e = {0};

	fake_open(&f);
	CHECK_EQ(call(&f, "CreateContainer", &create, NULL, &e), -EBUSY);
	CHECK_STR(e.text, "CreateContainer is not allowed now");
	make_sandbox(&f);
	err_clear(&e);
	CHECK_EQ(call(&f, "CreateContainer", &create, NULL, &e), -EINVAL);
	CHECK_STR(e.text, "OCI is missing");
	CHECK_EQ(call(&f, "CreateSandbox", &sandbox, NULL, NULL), -EBUSY);
	fake_close(&f);
}

TEST(what_is_not_in_the_table_is_unimplemented)
{
	struct fake f;
	Grpc__SetPolicyRequest policy = GRPC__SET_POLICY_REQUEST__INIT;

	fake_open(&f);
	CHECK_EQ(call(&f, "SetPolicy", &policy, NULL, NULL), -ENOSYS);
	fake_close(&f);
}

TEST(a_sandbox_whose_storage_fails_can_be_made_later)
{
	struct fake f;
	Grpc__CreateSandboxRequest req = GRPC__CREATE_SANDBOX_REQUEST__INIT;
	Grpc__Storage storage = GRPC__STORAGE__INIT, *list = &storage;
	struct err e = {0};

	fake_open(&f);
	storage.driver = (char *) "blk";
	storage.source = (char *) "1f/1e";
	storage.mount_point = str_printf("%s/disk", f.run);
	req.storages = &list;
	req.n_storages = 1;
	CHECK_EQ(call(&f, "CreateSandbox", &req, NULL, &e), -ETIMEDOUT);
	CHECK(strstr(e.text, "1f/1e"));
	make_sandbox(&f);
	free(storage.mount_point);
	fake_close(&f);
}

TEST(fields_that_cannot_be_honoured_are_named)
{
	struct fake f;
	Grpc__CreateContainerRequest req = GRPC__CREATE_CONTAINER_REQUEST__INIT;
	Grpc__StringUser user = GRPC__STRING_USER__INIT;
	Grpc__Spec spec;
	struct err e = {0};

	grpc__spec__init(&spec);
	fake_open(&f);
	make_sandbox(&f);
	req.container_id = (char *) "c";
	req.oci = &spec;
	req.stdin_port = 7;
	CHECK(call(&f, "CreateContainer", &req, NULL, &e) < 0);
	CHECK(strstr(e.text, "ports of their own"));
	err_clear(&e);
	req.stdin_port = 0;
	req.string_user = &user;
	CHECK(call(&f, "CreateContainer", &req, NULL, &e) < 0);
	CHECK_STR(e.text, "string_user is not supported");
	fake_close(&f);
}

static void want_nic(Grpc__UpdateInterfaceRequest *req, Types__Interface *nic)
{
	grpc__update_interface_request__init(req);
	types__interface__init(nic);
	nic->name = (char *) "none0";
	/* Nobody has this one, so nothing of this machine is touched. */
	nic->hwaddr = (char *) "02:00:5E:00:53:01";
	req->interface = nic;
}

TEST(an_interface_that_does_not_come_is_waited_for_and_named)
{
	struct fake f;
	Grpc__UpdateInterfaceRequest req;
	Types__Interface nic;
	struct err e = {0};

	fake_open(&f);
	want_nic(&req, &nic);
	CHECK_EQ(call(&f, "UpdateInterface", &req, NULL, &e), -ETIMEDOUT);
	CHECK(strstr(e.text, "'none0'") && strstr(e.text, "'02:00:5e:00:53:01' has not appeared"));
	err_clear(&e);
	nic.devicepath = (char *) "1f.7/1f.7";
	CHECK_EQ(call(&f, "UpdateInterface", &req, NULL, &e), -ETIMEDOUT);
	CHECK(strstr(e.text, "'none0'") && strstr(e.text, "'1f.7/1f.7' has not appeared"));
	err_clear(&e);
	nic.devicepath = (char *) "/dev";
	CHECK_EQ(call(&f, "UpdateInterface", &req, NULL, &e), -EINVAL);
	CHECK(strstr(e.text, "'/dev' is not the place of a device"));
	fake_close(&f);
}

TEST(network_calls_without_what_they_are_about_are_refused)
{
	struct fake f;
	Grpc__UpdateInterfaceRequest nic = GRPC__UPDATE_INTERFACE_REQUEST__INIT;
	Grpc__UpdateRoutesRequest routes = GRPC__UPDATE_ROUTES_REQUEST__INIT;
	Grpc__AddARPNeighborsRequest neighbours = GRPC__ADD_ARPNEIGHBORS_REQUEST__INIT;

	fake_open(&f);
	CHECK_EQ(call(&f, "UpdateInterface", &nic, NULL, NULL), -EINVAL);
	CHECK_EQ(call(&f, "UpdateRoutes", &routes, NULL, NULL), -EINVAL);
	CHECK_EQ(call(&f, "AddARPNeighbors", &neighbours, NULL, NULL), -EINVAL);
	fake_close(&f);
}

TEST(destroy_is_answered_before_it_is_over)
{
	struct fake f;
	Grpc__DestroySandboxRequest req = GRPC__DESTROY_SANDBOX_REQUEST__INIT;

	fake_open(&f);
	make_sandbox(&f);
	CHECK_EQ(call(&f, "DestroySandbox", &req, NULL, NULL), 0);
	CHECK_EQ(f.finished, 1);
	CHECK_EQ(call(&f, "DestroySandbox", &req, NULL, NULL), -EBUSY);
	fake_close(&f);
}

static void told(void *arg, struct ttrpc_answer *a)
{
	*(int *) arg = a->r;
}

TEST(who_waits_for_ever_is_answered_at_the_end)
{
	struct fake f;
	Grpc__GetOOMEventRequest req = GRPC__GET_OOMEVENT_REQUEST__INIT;
	struct ttrpc_request request = {
		.service = &grpc__agent_service__descriptor,
		.method = "GetOOMEvent",
		.message = &req.base,
		.deadline = CLOCK_NEVER,
	};
	int r = 1;

	fake_open(&f);
	CHECK_EQ(ttrpc_call(f.client, &request, told, &r, NULL, NULL), 0);
	while (loop_step(f.loop, clock_deadline(20), NULL) > 0)
		;
	CHECK_EQ(r, 1);
	rpc_free(take_ptr(f.rpc));
	while (r == 1)
		CHECK_EQ(loop_step(f.loop, clock_deadline(10000), NULL), 1);
	CHECK(r == -ECANCELED || r == -ECONNRESET);
	fake_close(&f);
}

TEST(an_interface_that_is_waited_for_at_the_end_is_let_go)
{
	struct fake f;
	Grpc__UpdateInterfaceRequest req;
	Types__Interface nic;
	struct ttrpc_request request = {
		.service = &grpc__agent_service__descriptor,
		.method = "UpdateInterface",
		.message = &req.base,
		.deadline = CLOCK_NEVER,
	};
	int r = 1;

	fake_open(&f);
	want_nic(&req, &nic);
	CHECK_EQ(ttrpc_call(f.client, &request, told, &r, NULL, NULL), 0);
	/* Sent, and heard. */
	for (int i = 0; r == 1 && i < 2; i++)
		CHECK(loop_step(f.loop, clock_deadline(20), NULL) >= 0);
	rpc_free(take_ptr(f.rpc));
	while (r == 1)
		CHECK_EQ(loop_step(f.loop, clock_deadline(60000), NULL), 1);
	/* Or its time was over before. */
	CHECK(r == -ECANCELED || r == -ECONNRESET || r == -ETIMEDOUT);
	fake_close(&f);
}

/* ---- Connections to the loopback ---- */

/* Listens on 127.0.0.1, or ::1. */
static int listen_on(int family, uint16_t *port)
{
	const struct sockaddr_in v4 = {
		.sin_family = AF_INET,
		.sin_port = htons(*port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	const struct sockaddr_in6 v6 = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(*port),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT,
	};
	struct sockaddr_in6 at;
	socklen_t bytes = sizeof at;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (family == AF_INET)
		CHECK_EQ(bind(fd, (const struct sockaddr *) &v4, sizeof v4), 0);
	else if (bind(fd, (const struct sockaddr *) &v6, sizeof v6) < 0)
		_exit(TEST_SKIP); /* a host without IPv6 */
	CHECK_EQ(listen(fd, 4), 0);
	CHECK_EQ(getsockname(fd, (struct sockaddr *) &at, &bytes), 0);
	*port = ntohs(at.sin6_port);
	return fd;
}

static int do_connect(struct fake *f, const char *id, uint32_t port, bool ipv6, struct err *e)
{
	Grpc__ConnectRequest req = GRPC__CONNECT_REQUEST__INIT;

	req.id = (char *) id;
	req.port = port;
	req.ipv6 = ipv6;
	return call(f, "Connect", &req, NULL, e);
}

static int connect_to(struct fake *f, const char *address, uint32_t port, struct err *e)
{
	Grpc__ConnectRequest req = GRPC__CONNECT_REQUEST__INIT;

	req.id = (char *) address;
	req.port = port;
	req.ipv6 = strchr(address, ':') != NULL;
	req.address = (char *) address;
	return call(f, "Connect", &req, NULL, e);
}

static int do_disconnect(struct fake *f, const char *id, bool reset)
{
	Grpc__DisconnectRequest req = GRPC__DISCONNECT_REQUEST__INIT;

	req.id = (char *) id;
	req.reset = reset;
	return call(f, "Disconnect", &req, NULL, NULL);
}

static int put(struct fake *f, const char *id, const char *text)
{
	Grpc__WriteStreamRequest req = GRPC__WRITE_STREAM_REQUEST__INIT;

	req.exec_id = (char *) id;
	req.data.data = (uint8_t *) text;
	req.data.len = strlen(text);
	return call(f, "WriteStdin", &req, NULL, NULL);
}

static int end_input(struct fake *f, const char *id)
{
	Grpc__CloseStdinRequest req = GRPC__CLOSE_STDIN_REQUEST__INIT;

	req.exec_id = (char *) id;
	return call(f, "CloseStdin", &req, NULL, NULL);
}

/* The text that comes next, or as @r why none does. */
static int get(struct fake *f, const char *id, char *text, size_t bytes)
{
	Grpc__ReadStreamRequest req = GRPC__READ_STREAM_REQUEST__INIT;
	Grpc__ReadStreamResponse *reply = NULL;

	req.exec_id = (char *) id;
	req.len = (uint32_t) bytes - 1;

	int r = call(f, "ReadStdout", &req, &reply, NULL);

	if (r < 0)
		return r;
	memcpy(text, reply->data.data, reply->data.len);
	text[reply->data.len] = '\0';
	ttrpc_message_free(&reply->base);
	return 0;
}

static void check_got(struct fake *f, const char *id, const char *text)
{
	char got[64];

	CHECK_EQ(get(f, id, got, sizeof got), 0);
	CHECK_STR(got, text);
}

static size_t open_descriptors(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

TEST(a_connection_carries_both_directions_and_ends_them_apart)
{
	struct fake f;
	uint16_t port = 0;
	int listener = listen_on(AF_INET, &port);
	char got[64] = {0};

	fake_open(&f);
	make_sandbox(&f);

	size_t before = open_descriptors();

	CHECK_EQ(do_connect(&f, "one", port, false, NULL), 0);

	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	CHECK_EQ(put(&f, "one", "question"), 0);
	CHECK_EQ(recv(fd, got, 8, MSG_WAITALL), 8);
	CHECK_STR(got, "question");
	CHECK_EQ(end_input(&f, "one"), 0);
	CHECK_EQ(recv(fd, got, 1, 0), 0);
	CHECK_EQ(put(&f, "one", "more"), -ECONNRESET); /* EPIPE and this are one code on the line */
	CHECK_EQ(send(fd, "answer", 6, 0), 6);
	check_got(&f, "one", "answer");
	fd_close(fd);
	CHECK_EQ(get(&f, "one", got, sizeof got), -ERANGE);
	CHECK_EQ(do_disconnect(&f, "one", false), 0);
	CHECK_EQ(do_disconnect(&f, "one", false), -ENOENT);
	CHECK_EQ(get(&f, "one", got, sizeof got), -ENOENT);
	CHECK_EQ(open_descriptors(), before);
	fd_close(listener);
	fake_close(&f);
}

TEST(what_was_written_arrives_although_the_connection_is_forgotten)
{
	struct fake f;
	uint16_t port = 0;
	int listener = listen_on(AF_INET, &port);
	char got[64] = {0};

	fake_open(&f);
	make_sandbox(&f);
	CHECK_EQ(do_connect(&f, "one", port, false, NULL), 0);
	CHECK_EQ(put(&f, "one", "last words"), 0);
	CHECK_EQ(end_input(&f, "one"), 0);
	CHECK_EQ(do_disconnect(&f, "one", false), 0);

	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	CHECK_EQ(recv(fd, got, sizeof got, MSG_WAITALL), 10);
	CHECK_STR(got, "last words");
	fd_close(fd);
	fd_close(listener);
	fake_close(&f);
}

TEST(a_connection_that_is_cut_is_cut_on_the_other_side)
{
	struct fake f;
	uint16_t port = 0;
	int listener = listen_on(AF_INET, &port);
	const struct linger none = {.l_onoff = 1};
	char got[8];

	fake_open(&f);
	make_sandbox(&f);
	CHECK_EQ(do_connect(&f, "one", port, false, NULL), 0);
	CHECK_EQ(do_connect(&f, "two", port, false, NULL), 0);

	int one = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	int two = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	CHECK_EQ(do_disconnect(&f, "one", true), 0);
	CHECK_EQ(recv(one, got, sizeof got, 0), -1);
	CHECK_EQ(errno, ECONNRESET);
	CHECK_EQ(setsockopt(two, SOL_SOCKET, SO_LINGER, &none, sizeof none), 0);
	fd_close(two);
	CHECK_EQ(get(&f, "two", got, sizeof got), -ECONNRESET);
	fd_close(one);
	fd_close(listener);
	fake_close(&f);
}

TEST(localhost_is_both_families)
{
	struct fake f;
	uint16_t port = 0;
	int listener = listen_on(AF_INET6, &port);

	fake_open(&f);
	make_sandbox(&f);
	CHECK_EQ(do_connect(&f, "v6", port, true, NULL), 0);
	CHECK_EQ(do_connect(&f, "v4", port, false, NULL), 0);
	CHECK_EQ(put(&f, "v4", "x"), 0);
	fd_close(listener);
	listener = listen_on(AF_INET, &port);
	CHECK_EQ(do_connect(&f, "again", port, true, NULL), 0);
	fd_close(listener);
	fake_close(&f);
}

TEST(who_listens_at_one_address_is_not_reached_at_another)
{
	struct fake f;
	uint16_t port = 0;
	int listener = listen_on(AF_INET, &port);
	struct err e = {0};
	char words[64];

	(void) snprintf(words, sizeof words, "connect to port %u of 127.0.0.9:", port);
	fake_open(&f);
	make_sandbox(&f);
	CHECK_EQ(connect_to(&f, "127.0.0.1", port, NULL), 0);
	CHECK_EQ(put(&f, "127.0.0.1", "x"), 0);
	CHECK_EQ(connect_to(&f, "127.0.0.9", port, &e), -ECONNRESET);
	CHECK(strstr(e.text, words));
	CHECK(strstr(e.text, strerror(ECONNREFUSED)));
	CHECK_EQ(connect_to(&f, "::1", port, NULL), -ECONNRESET);
	CHECK_EQ(connect_to(&f, "nowhere", port, NULL), -EINVAL);
	CHECK_EQ(connect_to(&f, "1::2::3", port, NULL), -EINVAL);
	fd_close(listener);
	fake_close(&f);
}

TEST(a_port_that_nobody_listens_on_is_named)
{
	struct fake f;
	uint16_t port = 0;
	struct err e = {0};
	char words[64];

	fd_close(listen_on(AF_INET, &port));
	(void) snprintf(words, sizeof words, "connect to port %u of the guest's loopback", port);
	fake_open(&f);
	make_sandbox(&f);

	size_t before = open_descriptors();

	CHECK_EQ(do_connect(&f, "one", port, false, &e), -ECONNRESET);
	CHECK(strstr(e.text, words));
	CHECK(strstr(e.text, strerror(ECONNREFUSED)));
	CHECK_EQ(do_disconnect(&f, "one", false), -ENOENT);
	CHECK_EQ(open_descriptors(), before);
	fake_close(&f);
}

TEST(a_connection_that_cannot_be_is_refused)
{
	struct fake f;
	uint16_t port = 0;
	int listener = listen_on(AF_INET, &port);
	char id[65];

	memset(id, 'x', sizeof id);
	id[64] = '\0';
	fake_open(&f);
	CHECK_EQ(do_connect(&f, "early", port, false, NULL), -EBUSY);
	make_sandbox(&f);
	CHECK_EQ(do_connect(&f, "one", 0, false, NULL), -EINVAL);
	CHECK_EQ(do_connect(&f, "one", 65536, false, NULL), -EINVAL);
	CHECK_EQ(do_connect(&f, "", port, false, NULL), -EINVAL);
	CHECK_EQ(do_connect(&f, id, port, false, NULL), -EINVAL);
	CHECK_EQ(do_connect(&f, "one", port, false, NULL), 0);
	CHECK_EQ(do_connect(&f, "one", port, false, NULL), -EEXIST);
	fd_close(listener);
	fake_close(&f);
}

TEST(connections_are_limited_and_end_with_the_agent)
{
	struct fake f;
	uint16_t port = 0;
	int listener = listen_on(AF_INET, &port), n = 0, r = 0;
	char id[16];

	fake_open(&f);
	make_sandbox(&f);
	while (r == 0 && n < 1000) {
		(void) snprintf(id, sizeof id, "%d", n++);
		r = do_connect(&f, id, port, false, NULL);
		if (r == 0)
			fd_close(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	}
	CHECK_EQ(r, -ENOMEM); /* ENOSPC and this are one code on the line */
	CHECK_EQ(n, 257);
	CHECK_EQ(do_disconnect(&f, "7", false), 0);
	CHECK_EQ(do_connect(&f, "7", port, false, NULL), 0);
	fd_close(listener);
	fake_close(&f);
}

TEST(one_that_is_not_made_yet_is_given_up)
{
	struct fake f;
	uint16_t port = 0;
	int listener = listen_on(AF_INET, &port), r = 1;
	Grpc__ConnectRequest req = GRPC__CONNECT_REQUEST__INIT;
	struct ttrpc_request request = {
		.service = &grpc__agent_service__descriptor,
		.method = "Connect",
		.message = &req.base,
		.deadline = CLOCK_NEVER,
	};

	/* A full queue: the kernel answers no more requests for a connection. */
	CHECK_EQ(listen(listener, 0), 0);
	fake_open(&f);
	make_sandbox(&f);
	CHECK_EQ(do_connect(&f, "first", port, false, NULL), 0);
	req.id = (char *) "stuck";
	req.port = port;
	CHECK_EQ(ttrpc_call(f.client, &request, told, &r, NULL, NULL), 0);
	CHECK_EQ(end_input(&f, "stuck"), -ENOENT);
	CHECK_EQ(r, 1);
	CHECK_EQ(do_disconnect(&f, "stuck", true), 0);
	while (r == 1)
		CHECK_EQ(loop_step(f.loop, clock_deadline(10000), NULL), 1);
	CHECK_EQ(r, -ECANCELED);
	/* And by the end of its time, or of the agent. */
	r = 1;
	request.deadline = clock_deadline(50);
	CHECK_EQ(ttrpc_call(f.client, &request, told, &r, NULL, NULL), 0);
	while (r == 1)
		CHECK_EQ(loop_step(f.loop, clock_deadline(10000), NULL), 1);
	CHECK_EQ(r, -ETIMEDOUT);
	/* By another name, because the agent may notice the end of that time a moment later. */
	r = 1;
	req.id = (char *) "last";
	request.deadline = CLOCK_NEVER;
	CHECK_EQ(ttrpc_call(f.client, &request, told, &r, NULL, NULL), 0);
	while (loop_step(f.loop, clock_deadline(20), NULL) > 0)
		;
	fd_close(listener);
	fake_close(&f);
	CHECK(r == -ECANCELED || r == -ECONNRESET);
}
