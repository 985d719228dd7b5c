#pragma once

/*
 * A guest in which every process is one of these, by args[0]:
 *
 *	say TEXT	writes TEXT and ends with 0
 *	fail N		ends with N
 *	cat		writes what it reads, ends with its input
 *	stay		waits for a signal, ends with 128 + signal
 *
 * It keeps the promises of our agent: the end of a process comes after its output.
 */
#include <errno.h>
#include <signal.h>

#include "agent.pb-c.h"
#include "base/list.h"
#include "base/loop.h"
#include "ttrpc/ttrpc.h"

#define FAKE_PROCESSES 8

struct fake_process {
	char key[64]; /* "container/exec" */
	char program[16], argument[64];
	bool used, running, ended, terminal;
	int code;
	char out[4096];
	size_t n_out;
	struct ttrpc_call *read, *wait;
	uint32_t rows, columns;
};

struct fake_agent {
	struct loop *loop;
	struct ttrpc_server *server;
	struct fake_process processes[FAKE_PROCESSES];
	bool sandbox, destroyed, paused;
	bool deaf;          /* never answers CreateSandbox */
	const char *refuse; /* method that fails */
	const char *slow;   /* container whose CreateContainer waits in @unanswered */
	const char *features[4];
	char root[256], hostname[64], pids_of[64];
	bool pod_pids; /* the last container sees the pod's process ids */
	unsigned created;
	char mounts[1024]; /* of the last container: "DESTINATION=SOURCE " each */
	/* Of the last CreateContainer: driver, source and place of its first storage. */
	char disk[128];
	char resized[128]; /* the last volume that was to grow, and its size */
	char device[128];  /* and of its last device: type, id and place; "" if it has none */
	struct ttrpc_call *unanswered;
	struct ttrpc_call *oom; /* GetOOMEvent, until fake_oom() */
	unsigned removed, signals_to_all, updates, onlined;
	int serve_fd; /* on its way from the worker to the loop */
};

static inline struct fake_process *fake_find(struct fake_agent *a, const char *id, const char *exec)
{
	char key[64];

	(void) snprintf(key, sizeof key, "%s/%s", id, exec);
	for (size_t i = 0; i < FAKE_PROCESSES; i++)
		if (a->processes[i].used && strcmp(a->processes[i].key, key) == 0)
			return &a->processes[i];
	return NULL;
}

static inline void fake_add(struct fake_agent *a, const char *id, const char *exec,
			    const Grpc__Process *spec)
{
	for (size_t i = 0; i < FAKE_PROCESSES; i++) {
		struct fake_process *p = &a->processes[i];

		if (p->used)
			continue;
		*p = (struct fake_process){.used = true, .terminal = spec->terminal};
		(void) snprintf(p->key, sizeof p->key, "%s/%s", id, exec);
		(void) snprintf(p->program, sizeof p->program, "%s", spec->args[0]);
		(void) snprintf(p->argument, sizeof p->argument, "%s",
				spec->n_args > 1 ? spec->args[1] : "");
		return;
	}
}

/* Gives out what there is, then the end. */
static inline void fake_turn(struct fake_process *p)
{
	Grpc__WaitProcessResponse w = GRPC__WAIT_PROCESS_RESPONSE__INIT;

	if (p->read && (p->n_out > 0 || p->ended)) {
		uint8_t *room = p->n_out ? ttrpc_reply_room(p->read, p->n_out) : NULL;

		if (room)
			memcpy(room, p->out, p->n_out);
		ttrpc_reply_bytes(take_ptr(p->read), p->n_out);
		p->n_out = 0;
	}
	if (p->wait && p->ended && p->n_out == 0) {
		w.status = p->code;
		ttrpc_reply(take_ptr(p->wait), &w.base);
	}
}

static inline void fake_end(struct fake_process *p, int code)
{
	p->ended = true;
	p->code = code;
	fake_turn(p);
}

static inline void fake_run(struct fake_process *p)
{
	p->running = true;
	if (strcmp(p->program, "say") == 0) {
		p->n_out = strlen(p->argument);
		memcpy(p->out, p->argument, p->n_out);
		fake_end(p, 0);
	} else if (strcmp(p->program, "fail") == 0) {
		fake_end(p, atoi(p->argument));
	}
}

/* Begins a handler: the request by its type, and the agent. */
#define FAKE_BEGIN(type)                                                        \
	const type *r = (const void *) request;                                 \
	struct fake_agent *a = arg;                                             \
	(void) r, (void) a;                                                     \
	if (a->refuse && strcmp(a->refuse, ttrpc_call_method(call)) == 0) {     \
		ttrpc_fail(call, TTRPC_INTERNAL, "the guest does not want to"); \
		return;                                                         \
	}

#define FAKE_FIND(p)                                                        \
	struct fake_process *p = fake_find(a, r->container_id, r->exec_id); \
	if (!p) {                                                           \
		ttrpc_fail(call, TTRPC_NOT_FOUND, "no such process");       \
		return;                                                     \
	}

#define FAKE_HANDLER(name) \
	static inline void name(struct ttrpc_call *call, const ProtobufCMessage *request, void *arg)

FAKE_HANDLER(fake_create_sandbox)
{
	FAKE_BEGIN(Grpc__CreateSandboxRequest);
	a->sandbox = true;
	(void) snprintf(a->hostname, sizeof a->hostname, "%s", r->hostname);
	if (a->deaf)
		a->unanswered = call;
	else
		ttrpc_reply(call, NULL);
}

FAKE_HANDLER(fake_destroy_sandbox)
{
	FAKE_BEGIN(Grpc__DestroySandboxRequest);
	a->destroyed = true;
	ttrpc_reply(call, NULL);
}

FAKE_HANDLER(fake_details)
{
	FAKE_BEGIN(Grpc__GuestDetailsRequest);
	Grpc__GuestDetailsResponse d = GRPC__GUEST_DETAILS_RESPONSE__INIT;
	Grpc__AgentDetails details = GRPC__AGENT_DETAILS__INIT;

	details.version = "fake";
	details.extra_features = (char **) a->features;
	while (details.n_extra_features < 4 && a->features[details.n_extra_features])
		details.n_extra_features++;
	d.agent_details = &details;
	ttrpc_reply(call, &d.base);
}

FAKE_HANDLER(fake_create)
{
	FAKE_BEGIN(Grpc__CreateContainerRequest);
	(void) snprintf(a->root, sizeof a->root, "%s", r->oci->root->path);
	(void) snprintf(a->pids_of, sizeof a->pids_of, "%s", r->pidns_of);
	a->pod_pids = r->sandbox_pidns;
	a->created++;
	a->disk[0] = '\0';
	if (r->n_storages > 0)
		(void) snprintf(a->disk, sizeof a->disk, "%s %s %s", r->storages[0]->driver,
				r->storages[0]->source, r->storages[0]->mount_point);
	a->device[0] = '\0';
	if (r->n_devices > 0) {
		const Grpc__Device *d = r->devices[r->n_devices - 1];

		(void) snprintf(a->device, sizeof a->device, "%s %s %s", d->type, d->id,
				d->container_path);
	}
	a->mounts[0] = '\0';
	for (size_t i = 0, n = 0; i < r->oci->n_mounts && n < sizeof a->mounts; i++)
		n += (size_t) snprintf(a->mounts + n, sizeof a->mounts - n, "%s=%s ",
				       r->oci->mounts[i]->destination, r->oci->mounts[i]->source);
	fake_add(a, r->container_id, "", r->oci->process);
	if (a->slow && strcmp(a->slow, r->container_id) == 0)
		a->unanswered = call;
	else
		ttrpc_reply(call, NULL);
}

FAKE_HANDLER(fake_start)
{
	FAKE_BEGIN(Grpc__StartContainerRequest);
	struct fake_process *p = fake_find(a, r->container_id, "");

	ttrpc_reply(call, NULL);
	fake_run(p);
}

FAKE_HANDLER(fake_exec)
{
	FAKE_BEGIN(Grpc__ExecProcessRequest);
	fake_add(a, r->container_id, r->exec_id, r->process);
	FAKE_FIND(p);
	ttrpc_reply(call, NULL);
	fake_run(p);
}

FAKE_HANDLER(fake_remove)
{
	FAKE_BEGIN(Grpc__RemoveContainerRequest);
	struct fake_process *p = fake_find(a, r->container_id, "");

	if (p && !p->ended)
		fake_end(p, 137);
	if (p)
		p->used = false;
	a->removed++;
	ttrpc_reply(call, NULL);
}

FAKE_HANDLER(fake_wait)
{
	FAKE_BEGIN(Grpc__WaitProcessRequest);
	FAKE_FIND(p);
	p->wait = call;
	fake_turn(p);
}

FAKE_HANDLER(fake_read_stdout)
{
	FAKE_BEGIN(Grpc__ReadStreamRequest);
	FAKE_FIND(p);
	if (p->read) { /* one at a time is enough here: the second sees the end */
		ttrpc_reply_bytes(call, 0);
		return;
	}
	p->read = call;
	fake_turn(p);
}

FAKE_HANDLER(fake_read_stderr)
{
	FAKE_BEGIN(Grpc__ReadStreamRequest);
	ttrpc_reply_bytes(call, 0);
}

FAKE_HANDLER(fake_write_stdin)
{
	FAKE_BEGIN(Grpc__WriteStreamRequest);
	FAKE_FIND(p);
	Grpc__WriteStreamResponse w = GRPC__WRITE_STREAM_RESPONSE__INIT;

	w.len = (uint32_t) r->data.len;
	memcpy(p->out + p->n_out, r->data.data, r->data.len);
	p->n_out += r->data.len;
	ttrpc_reply(call, &w.base);
	fake_turn(p);
}

FAKE_HANDLER(fake_close_stdin)
{
	FAKE_BEGIN(Grpc__CloseStdinRequest);
	FAKE_FIND(p);
	ttrpc_reply(call, NULL);
	if (strcmp(p->program, "cat") == 0)
		fake_end(p, 0);
}

FAKE_HANDLER(fake_signal)
{
	FAKE_BEGIN(Grpc__SignalProcessRequest);
	FAKE_FIND(p);
	const char *all = ttrpc_call_metadata(call, "kata-signal");

	int code = 128 + (int) r->signal;

	a->signals_to_all += all && strcmp(all, "all") == 0;
	ttrpc_reply(call, NULL);
	if (!p->ended)
		fake_end(p, code);
}

FAKE_HANDLER(fake_resize)
{
	FAKE_BEGIN(Grpc__TtyWinResizeRequest);
	FAKE_FIND(p);
	p->rows = r->row;
	p->columns = r->column;
	ttrpc_reply(call, NULL);
}

FAKE_HANDLER(fake_update)
{
	FAKE_BEGIN(Grpc__UpdateContainerRequest);
	a->updates++;
	ttrpc_reply(call, NULL);
}

FAKE_HANDLER(fake_online)
{
	FAKE_BEGIN(Grpc__OnlineCPUMemRequest);
	a->onlined += r->nb_cpus;
	ttrpc_reply(call, NULL);
}

FAKE_HANDLER(fake_pause)
{
	FAKE_BEGIN(Grpc__PauseContainerRequest);
	a->paused = true;
	ttrpc_reply(call, NULL);
}

FAKE_HANDLER(fake_resume)
{
	FAKE_BEGIN(Grpc__ResumeContainerRequest);
	a->paused = false;
	ttrpc_reply(call, NULL);
}

FAKE_HANDLER(fake_stats)
{
	FAKE_BEGIN(Grpc__StatsContainerRequest);
	Grpc__StatsContainerResponse s = GRPC__STATS_CONTAINER_RESPONSE__INIT;
	Grpc__CgroupStats c = GRPC__CGROUP_STATS__INIT;
	Grpc__PidsStats pids = GRPC__PIDS_STATS__INIT;

	pids.current = 3;
	c.pids_stats = &pids;
	s.cgroup_stats = &c;
	ttrpc_reply(call, &s.base);
}

FAKE_HANDLER(fake_list)
{
	FAKE_BEGIN(Grpc__ListProcessesRequest);
	Grpc__ListProcessesResponse l = GRPC__LIST_PROCESSES_RESPONSE__INIT;

	l.process_list.data = (uint8_t *) "[1]";
	l.process_list.len = 3;
	ttrpc_reply(call, &l.base);
}

/* One line is not a guest's to tell. */
FAKE_HANDLER(fake_get_metrics)
{
	FAKE_BEGIN(Grpc__GetMetricsRequest);
	Grpc__Metrics m = GRPC__METRICS__INIT;

	m.metrics = "kata_guest_load{item=\"load1\"} 0.5\nkata_shim_threads 4711\n";
	ttrpc_reply(call, &m.base);
}

FAKE_HANDLER(fake_resize_volume)
{
	FAKE_BEGIN(Grpc__ResizeVolumeRequest);
	(void) snprintf(a->resized, sizeof a->resized, "%s %llu", r->volume_guest_path,
			(unsigned long long) r->size);
	ttrpc_reply(call, NULL);
}

FAKE_HANDLER(fake_get_oom)
{
	FAKE_BEGIN(Grpc__GetOOMEventRequest);
	CHECK(!a->oom); /* one question at a time */
	a->oom = call;
}

/* The container has run out of memory. */
static inline void fake_oom(struct fake_agent *a, const char *id)
{
	Grpc__OOMEvent event = GRPC__OOMEVENT__INIT;

	event.container_id = (char *) id;
	ttrpc_reply(take_ptr(a->oom), &event.base);
}

static const struct ttrpc_method fake_methods[] = {
	{"CreateSandbox", fake_create_sandbox}, {"DestroySandbox", fake_destroy_sandbox},
	{"GetGuestDetails", fake_details},      {"CreateContainer", fake_create},
	{"StartContainer", fake_start},         {"ExecProcess", fake_exec},
	{"RemoveContainer", fake_remove},       {"WaitProcess", fake_wait},
	{"ReadStdout", fake_read_stdout},       {"ReadStderr", fake_read_stderr},
	{"WriteStdin", fake_write_stdin},       {"CloseStdin", fake_close_stdin},
	{"SignalProcess", fake_signal},         {"TtyWinResize", fake_resize},
	{"PauseContainer", fake_pause},         {"ResumeContainer", fake_resume},
	{"StatsContainer", fake_stats},         {"ListProcesses", fake_list},
	{"GetOOMEvent", fake_get_oom},          {"UpdateContainer", fake_update},
	{"OnlineCPUMem", fake_online},          {"GetMetrics", fake_get_metrics},
	{"ResizeVolume", fake_resize_volume},
};
static const struct ttrpc_service fake_service = {
	.descriptor = &grpc__agent_service__descriptor,
	.methods = fake_methods,
	.n_methods = sizeof fake_methods / sizeof fake_methods[0],
};
static const struct ttrpc_service *const fake_services[] = {&fake_service};

static inline void fake_agent_init(struct fake_agent *a, struct loop *loop)
{
	a->loop = loop;
	a->features[0] = "ordered-exit";
	a->features[1] = "list-processes";
	a->features[2] = "oci-1.2";
	a->features[3] = "pods";
	CHECK_EQ(ttrpc_server_new(loop, fake_services, 1, a, &a->server, NULL), 0);
}

static inline void fake_agent_fini(struct fake_agent *a)
{
	ttrpc_server_free(a->server);
	ttrpc_drop(a->unanswered);
	ttrpc_drop(a->oom);
	for (size_t i = 0; i < FAKE_PROCESSES; i++) {
		ttrpc_drop(a->processes[i].read);
		ttrpc_drop(a->processes[i].wait);
	}
}

static inline void fake_serve_now(void *arg)
{
	struct fake_agent *a = arg;

	CHECK_EQ(ttrpc_server_serve(a->server, a->serve_fd, NULL), 0);
}

/* For struct hv_fake.serve: comes on the worker's thread. */
static inline void fake_agent_serve(void *arg, uint32_t port, int take_fd)
{
	struct fake_agent *a = arg;

	CHECK_EQ(port, 1024);
	a->serve_fd = take_fd;
	CHECK_EQ(loop_post(a->loop, fake_serve_now, a), 0);
}
