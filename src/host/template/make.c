/* A template is made: a machine boots, its agent answers, it is stopped and written down. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/worker.h"
#include "host/agent_client/agent_client.h"
#include "host/storage/virtiofsd.h"
#include "host/template/machine.h"
#include "host/template/template.h"

#define STOP_TIMEOUT_MS 10000

/* Modules that nearly every sandbox needs; loading them takes a guest longer than anything else
 * that it does before its first container. */
#define PRELOAD_SHARE_FS " agent.preload=virtiofs,virtio_blk,virtio_net"
#define PRELOAD_SHARE_9P " agent.preload=9pnet_virtio,9p,virtio_blk,virtio_net"

struct maker {
	const struct config *config;
	enum template_kind kind;
	struct loop *loop;
	struct hv *hv;
	struct vm_spec spec;
	int user_fd; /* holds the claim on the VMM's user */
	char params[MACHINE_PARAMS_BYTES + 128];
};

static void maker_fini(struct maker *m)
{
	struct err e = {0};

	if (m->hv && hv_stop(m->hv, clock_deadline(STOP_TIMEOUT_MS), &e) < 0)
		log_err(LOG_WARN, &e, "ignoring, while a template's machine is stopped");
	hv_free(m->hv);
	loop_free(m->loop);
	fd_close(m->user_fd);
}

/* ---- the machine ---- */

/* The kernel parameters of a sandbox of this configuration, and what only a template does. */
static int describe(struct maker *m, struct err *e)
{
	const struct config_hypervisor *c = &m->config->hypervisor;
	const struct host_size host = host_size();
	const struct machine_need need = machine_need(NULL);
	const struct machine_size size = machine_size(c, &need, &host);
	const struct machine_size most = machine_size_most(c, &host);
	bool is_9p = c->shared_fs == CONFIG_SHARED_FS_VIRTIO_9P;
	char common[MACHINE_PARAMS_BYTES];
	struct machine_server server;
	const char *params;
	int r = is_9p ? 0
		      : virtiofsd_expect(c->virtio_fs_daemon, &server.appends, &server.files_max,
					 e);

	if (r < 0)
		return r;
	params = machine_agent_params(&m->config->agent, is_9p ? NULL : &server, common);
	(void) snprintf(m->params, sizeof m->params, "%s%s", params ? params : "",
			is_9p ? PRELOAD_SHARE_9P : PRELOAD_SHARE_FS);
	machine_describe(m->config, &size, m->kind == TEMPLATE_OF_POD ? &most : NULL, &m->spec);
	m->spec.id = "template";
	m->spec.agent_params = params ? m->params : m->params + 1;
	m->spec.to_be_saved = true;
	return 0;
}

static int create(struct maker *m, struct err *e)
{
	int r = describe(m, e);

	if (r == 0)
		r = loop_new(&m->loop, e);
	if (r == 0)
		r = hv_new(m->config->hypervisor.name, m->loop, &m->hv, e);
	if (r == 0)
		r = machine_claim_user(&m->spec, &m->user_fd, e);
	return r < 0 ? r : hv_create(m->hv, &m->spec, e);
}

/* ---- its agent ---- */

struct dial {
	struct worker_job job;
	struct hv *hv;
	msec_t deadline;
	int fd;
	bool is_done;
};

/* Worker. */
static int dial_run(struct worker_job *job, struct err *e)
{
	struct dial *d = container_of(job, struct dial, job);

	return hv_dial(d->hv, HV_AGENT_PORT, d->deadline, &d->fd, e);
}

static void dial_done(struct worker_job *job, int r, struct err *e)
{
	struct dial *d = container_of(job, struct dial, job);

	(void) r;
	(void) e;
	d->is_done = true;
}

/* By a worker, because the loop has to read the guest's console meanwhile: without a reader a guest
 * that says more than the socket holds, which is some hundred bytes, waits for ever. */
static int dial(struct maker *m, msec_t deadline, int *ret_fd, struct err *e)
{
	auto_ptr(worker_free) struct worker *w = NULL;
	struct dial d = {
		.job = {.run = dial_run, .done = dial_done},
		.hv = m->hv,
		.deadline = deadline,
		.fd = -1,
	};
	int r = worker_new(m->loop, false, &w, e);

	if (r < 0)
		return r;
	worker_run(w, &d.job);
	while (r >= 0 && !d.is_done)
		r = loop_step(m->loop, CLOCK_NEVER, e);
	if (r < 0)
		return r;
	if (d.job.r < 0 && e)
		*e = d.job.err;
	*ret_fd = d.fd;
	return d.job.r;
}

struct answer {
	bool is_there;
	int r;
	struct err err;
};

static void on_answer(void *arg, struct ttrpc_answer *answer)
{
	struct answer *a = arg;

	*a = (struct answer){.is_there = true, .r = answer->r, .err = answer->err};
}

static int ask(struct maker *m, struct agent_client *client, msec_t deadline, struct err *e)
{
	struct answer a = {0};
	int r = agent_call_begin(client, "GetGuestDetails", NULL, deadline, on_answer, &a, NULL, e);

	while (r >= 0 && !a.is_there)
		r = loop_step(m->loop, deadline, e);
	if (r < 0)
		return r;
	if (a.r < 0 && e)
		*e = a.err;
	return a.r;
}

/* Over vsock each sandbox makes a connection of its own, and the agent has one at a time: waits
 * until it has noticed the end of ours. A serial line stays as it is, because the machines that go
 * on have its host's end from their start. */
static int hang_up(const struct maker *m, int fd, msec_t deadline, struct err *e)
{
	struct hv_info info;
	char rest;

	hv_describe(m->hv, &info);
	if (info.channel != HV_CHANNEL_VSOCK)
		return 0;
	if (shutdown(fd, SHUT_WR) < 0)
		return err_sys(e, errno, "hang up on the agent");
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int n = poll(&p, 1, clock_poll_ms(deadline));
		ssize_t got = n > 0 ? recv(fd, &rest, 1, MSG_DONTWAIT) : -1;

		if (n > 0 && (got == 0 || (got < 0 && errno == ECONNRESET)))
			return 0;
		if (n == 0)
			return err_say(e, ETIMEDOUT, "the agent does not hang up");
		if (n < 0 && errno != EINTR)
			return err_sys(e, errno, "wait for the agent");
	}
}

/* *@ret_client: on a serial line it has to live until the machine is saved. */
static int reach_agent(struct maker *m, msec_t deadline, struct agent_client **ret_client,
		       struct err *e)
{
	auto_close int fd = -1, copy = -1;
	int r = dial(m, deadline, &fd, e);

	if (r < 0)
		return r;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return err_sys(e, errno, "speak to the agent");
	r = agent_client_new(m->loop, fd, ret_client, e);
	if (r < 0)
		return r;
	(void) take_fd(&fd);
	r = ask(m, *ret_client, deadline, e);
	return r < 0 ? r : hang_up(m, copy, deadline, e);
}

/* ---- all of it ---- */

static int boot_and_save(struct maker *m, struct hv_saved *ret, struct err *e)
{
	auto_ptr(agent_client_free) struct agent_client *client = NULL;
	msec_t deadline = clock_deadline(m->config->agent.reconnect_timeout_ms);
	int r = hv_start(m->hv, deadline, e);

	if (r == 0)
		r = reach_agent(m, deadline, &client, e);
	if (r == 0)
		r = hv_save(m->hv, deadline, ret, e);
	return r < 0 ? hv_explain(m->hv, e) : 0;
}

static int make_as(struct maker *m, const char *key, int lock, size_t most, struct err *e)
{
	auto_template struct hv_saved saved = TEMPLATE_NONE;
	int r = boot_and_save(m, &saved, e);

	return r < 0 ? r : template_keep(lock, key, &saved, m->spec.memory_bytes, most, e);
}

static int make(struct maker *m, size_t most, char ret_key[HV_KEY_BYTES], struct err *e)
{
	auto_close int lock = -1;
	int r = create(m, e);

	if (r == 0)
		r = hv_key(m->hv, ret_key, e);
	if (r == 0)
		r = template_lock(m->config->hypervisor.template_path, &lock, e);
	return r < 0 ? r : make_as(m, ret_key, lock, most, e);
}

static bool is_there(const struct maker *m, const char *key)
{
	auto_template struct hv_saved t = TEMPLATE_NONE;

	return template_open(m->config->hypervisor.template_path, key, &t, NULL) == 0;
}

static int make_missing(struct maker *m, const char *key, struct err *e)
{
	auto_close int lock = -1;
	int r = template_lock(m->config->hypervisor.template_path, &lock, e);

	return r < 0 || is_there(m, key) ? r : make_as(m, key, lock, TEMPLATES_MAX, e);
}

static int explain(const struct config *c, int r, struct err *e)
{
	return r < 0 ? err_wrap(e, r, "make a template in '%s'", c->hypervisor.template_path) : 0;
}

bool template_has_pod(const struct config *config)
{
	return !config->runtime.static_sandbox_resource_mgmt;
}

int template_make(const struct config *config, enum template_kind kind, size_t most,
		  char ret_key[HV_KEY_BYTES], struct err *e)
{
	struct maker m = {.config = config, .kind = kind, .user_fd = -1};
	int r = make(&m, most, ret_key, e);

	maker_fini(&m);
	return explain(config, r, e);
}

/* Makes it if it is of this kind: 0, or 1 if it is not. */
static int make_if(const struct config *config, enum template_kind kind, const char *key,
		   struct err *e)
{
	struct maker m = {.config = config, .kind = kind, .user_fd = -1};
	char own[HV_KEY_BYTES];
	int r = create(&m, e);

	if (r == 0)
		r = hv_key(m.hv, own, e);
	if (r == 0)
		r = strcmp(own, key) == 0 ? make_missing(&m, key, e) : 1;
	maker_fini(&m);
	return r;
}

int template_make_missing(const struct config *config, const char *key, struct err *e)
{
	int r = make_if(config, TEMPLATE_OF_ONE, key, e);

	if (r > 0 && template_has_pod(config))
		r = make_if(config, TEMPLATE_OF_POD, key, e);
	if (r > 0)
		r = err_say(e, ENOENT, "the configuration describes another machine");
	return explain(config, r, e);
}

int template_key(const struct config *config, enum template_kind kind, char ret[HV_KEY_BYTES],
		 struct err *e)
{
	struct maker m = {.config = config, .kind = kind, .user_fd = -1};
	int r = create(&m, e);

	if (r == 0)
		r = hv_key(m.hv, ret, e);
	maker_fini(&m);
	return r;
}
