#pragma once

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
#include "host/hypervisor/fake/fake.h"
#include "host/shim/server.h"
#include "host/storage/share.h"
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
	const char *events; /* set before up(): where containerd takes events */
	bool joined;        /* the test has seen the server end */
} here;

static inline int make_hv(void *arg, struct loop *loop, struct hv **ret, struct err *e)
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

static inline void write_text(const char *folder, const char *name, const char *text)
{
	auto_free char *path = str_printf("%s/%s", folder, name);
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	CHECK_EQ(fd_write_all(fd, text, strlen(text)), 0);
}

static inline void write_spec(const char *args)
{
	auto_free char *text = str_printf(
		"{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"rootfs\"},"
		"\"process\":{\"cwd\":\"/\",\"args\":[%s],\"user\":{\"uid\":0,\"gid\":0}},"
		"\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"}]}}",
		args);

	write_text(here.bundle, "config.json", text);
}

/* What differs from the defaults: no program and no file is needed. */
static inline void write_config(const char *shared_fs, unsigned timeout_ms)
{
	auto_free char *text = str_printf("[hypervisor.qemu]\nkernel = \"/kernel\"\n"
					  "initrd = \"/initrd\"\n"
					  "default_memory = 128\nshared_fs = \"%s\"\n"
					  "[agent.kata]\nreconnect_timeout_ms = %u\n",
					  shared_fs, timeout_ms);

	write_text(here.folder, "configuration.toml", text);
}

static inline struct sockaddr_un address(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	(void) snprintf(a.sun_path, sizeof a.sun_path, "%s", here.socket);
	return a;
}

static inline int connect_it(void)
{
	struct sockaddr_un a = address();
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK_EQ(connect(fd, (struct sockaddr *) &a, sizeof a), 0);
	return fd;
}

static inline void hang_up(void)
{
	ttrpc_client_free(here.client);
	loop_free(here.loop);
	here.client = NULL;
	here.loop = NULL;
}

static inline void dial(void)
{
	CHECK_EQ(loop_new(&here.loop, NULL), 0);
	CHECK_EQ(ttrpc_client_new(here.loop, connect_it(), &here.client, NULL), 0);
}

static inline void *run_server(void *arg)
{
	(void) arg;
	CHECK_EQ(server_run(here.server, NULL), 0);
	server_free(here.server);
	return NULL;
}

/* @first_ms: see struct server_options. Does not connect. */
static inline void up(uint32_t first_ms)
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
	auto_free char *management = str_printf("%s/sbs", here.folder);
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
		.management_base = management,
		.config_path = config,
		.events_address = here.events,
		.namespace = "ns",
		.make_hv = make_hv,
		.first_timeout_ms = first_ms,
	};

	CHECK_EQ(server_new(here.server_loop, &o, fd, &here.server, NULL), 0);
	CHECK_EQ(pthread_create(&here.thread, NULL, run_server, NULL), 0);
}

/* Waits for the server to end by itself. */
static inline void down(void)
{
	if (here.client)
		hang_up();
	if (!here.joined)
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

static inline void unheard(void *arg, struct ttrpc_answer *answer)
{
	(void) arg, (void) answer;
}

/* Returns once the server has @request, because it answers what is asked behind it. */
static inline void send_only(struct ttrpc_client *client, const struct ttrpc_request *request)
{
	T(StateRequest) q = CONTAINERD__TASK__V2__STATE_REQUEST__INIT;
	const struct ttrpc_request behind = {
		.service = &containerd__task__v2__task__descriptor,
		.method = "State",
		.message = &q.base,
		.deadline = CLOCK_NEVER,
	};

	q.id = (char *) "nobody";
	CHECK_EQ(ttrpc_call(client, request, unheard, NULL, NULL, NULL), 0);
	CHECK_EQ(ttrpc_call_wait(client, &behind, NULL, NULL), -ENOENT);
}

static inline int task(const char *method, const ProtobufCMessage *message, ProtobufCMessage **ret,
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

static inline int create(const char *id, const int *fds)
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

static inline int start(const char *id, const char *exec_id)
{
	T(StartRequest) q = CONTAINERD__TASK__V2__START_REQUEST__INIT;

	q.id = (char *) id;
	q.exec_id = (char *) exec_id;
	return TASK(Start, q, NULL);
}

static inline int delete_it(const char *id, const char *exec_id)
{
	T(DeleteRequest) q = CONTAINERD__TASK__V2__DELETE_REQUEST__INIT;

	q.id = (char *) id;
	q.exec_id = (char *) exec_id;
	return TASK(Delete, q, NULL);
}

static inline int kill_it(const char *id, uint32_t signo)
{
	T(KillRequest) q = CONTAINERD__TASK__V2__KILL_REQUEST__INIT;

	q.id = (char *) id;
	q.signal = signo;
	return TASK(Kill, q, NULL);
}

static inline int wait_for(const char *id, const char *exec_id)
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

static inline int shut_down(bool now)
{
	T(ShutdownRequest) q = CONTAINERD__TASK__V2__SHUTDOWN_REQUEST__INIT;

	q.id = "s1";
	q.now = now;
	return TASK(Shutdown, q, NULL);
}

static inline enum _Containerd__V1__Types__Status status_of(const char *id)
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
