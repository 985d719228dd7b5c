#pragma once

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

/* A whole sandbox over a fake machine with a fake guest, and a bundle in a folder of its own.
 * Unless a case says otherwise, its machine comes and goes by the shim's policy. */
static struct {
	struct loop *loop;
	struct sandbox *sb;
	struct hv_fake *hv;
	struct fake_agent agent;
	char folder[32];
	char *bundle;
	char *share;
	int host_ns;
	bool has_standins; /* set before up() */
	bool done;
	struct sandbox_answer answer;
	uint8_t data[256];
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
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	CHECK_EQ(fd_write_all(fd, text, strlen(text)), 0);
}

static inline void write_spec(const char *args, const char *more)
{
	auto_free char *text = str_printf(
		"{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"rootfs\"},\"hostname\":\"h\","
		"\"process\":{\"cwd\":\"/\",\"args\":[%s],\"user\":{\"uid\":0,\"gid\":0}},"
		"\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"uts\"}]}%s}",
		args, more);

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

static inline void up(void)
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
		.has_standins = here.has_standins,
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

static inline void down(void)
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

static inline void on_done(void *arg, const struct sandbox_answer *a)
{
	(void) arg;
	CHECK(!here.done);
	here.done = true;
	here.answer = *a;
	if (a->bytes > 0 && a->bytes <= sizeof here.data)
		memcpy(here.data, a->data, a->bytes);
}

/* How the operation that was begun ended. */
static inline int outcome(void)
{
	UNTIL(here.done);
	here.done = false;
	if (here.answer.r == 0)
		CHECK_EQ(here.answer.err.code, 0);
	else
		CHECK_EQ(here.answer.err.code, -here.answer.r);
	return here.answer.r;
}

/* Turns the loop until a hook reads @fifo; the hook then waits until what is returned is closed. */
static inline int open_when_read(const char *fifo)
{
	msec_t until = clock_deadline(20000);
	int fd;

	while ((fd = open(fifo, O_WRONLY | O_CLOEXEC | O_NONBLOCK)) < 0) {
		CHECK_EQ(errno, ENXIO);
		CHECK(clock_now() < until);
		CHECK(loop_step(here.loop, clock_deadline(20), NULL) >= 0);
	}
	return fd;
}

#define NO_STREAMS ((struct sandbox_stdio){.in = "", .out = "", .err = "", .fds = {-1, -1, -1}})

static inline int create(const char *id, struct sandbox_stdio stdio)
{
	struct sandbox_container c = {.id = id, .bundle = here.bundle, .stdio = stdio};

	pod_create(here.sb, &c, NULL, on_done, NULL);
	return outcome();
}

static inline int start(const char *id, const char *exec_id)
{
	sandbox_start_process(here.sb, id, exec_id, on_done, NULL);
	return outcome();
}

static inline int kill_it(const char *id, const char *exec_id, uint32_t signo)
{
	sandbox_kill(here.sb, id, exec_id, signo, false, on_done, NULL);
	return outcome();
}

static inline int delete_it(const char *id, const char *exec_id)
{
	pod_delete(here.sb, id, exec_id, on_done, NULL);
	return outcome();
}

static inline uint32_t wait_for(const char *id, const char *exec_id)
{
	struct sandbox_wait w = {.done = on_done};

	CHECK_EQ(sandbox_wait(here.sb, id, exec_id, &w, NULL), 0);
	CHECK_EQ(outcome(), 0);
	CHECK(here.answer.exited_at.tv_sec > 0);
	return here.answer.exit_status;
}

static inline enum oci_status status_of(const char *id, const char *exec_id)
{
	struct sandbox_process p;

	CHECK_EQ(sandbox_state(here.sb, id, exec_id, &p, NULL), 0);
	return p.status;
}

static inline struct sandbox_stdio with_pipes(int *ret_in, int *ret_out)
{
	int in[2], out[2];

	CHECK_EQ(pipe2(in, O_CLOEXEC), 0);
	CHECK_EQ(pipe2(out, O_CLOEXEC), 0);
	*ret_in = in[1];
	*ret_out = out[0];
	return (struct sandbox_stdio){
		.in = "fd:0", .out = "fd:1", .err = "", .fds = {in[0], out[1], -1}};
}
