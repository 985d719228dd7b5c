#include "agent/rpc/rpc.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/network/network.h"
#include "agent/rpc/agent.h"
#include "agent/rpc/member.h"
#include "base/array.h"
#include "base/log.h"
#include "health.pb-c.h"

/* Everything the host can make this agent do, on one screen. What is not here is UNIMPLEMENTED. */
static const struct call {
	const char *method;
	unsigned phases;
	answer_fn answer;
} agent_calls[] = {
	{"CreateSandbox", PHASE_EMPTY, sandbox_create},
	{"DestroySandbox", PHASE_EMPTY | PHASE_READY, sandbox_destroy},

	{"CreateContainer", PHASE_READY, container_rpc_create},
	{"StartContainer", PHASE_READY, container_rpc_start},
	{"RemoveContainer", PHASE_READY, container_rpc_remove},
	{"PauseContainer", PHASE_READY, container_rpc_pause},
	{"ResumeContainer", PHASE_READY, container_rpc_resume},
	{"UpdateContainer", PHASE_READY, container_rpc_update},
	{"StatsContainer", PHASE_READY, container_rpc_stats},
	{"ListProcesses", PHASE_READY, ps_list},

	{"ExecProcess", PHASE_READY, exec_process},
	{"SignalProcess", PHASE_READY | PHASE_ENDING, exec_signal},
	{"WaitProcess", PHASE_READY | PHASE_ENDING, exec_wait},

	{"ReadStdout", PHASE_READY | PHASE_ENDING, stdio_read_stdout},
	{"ReadStderr", PHASE_READY | PHASE_ENDING, stdio_read_stderr},
	{"WriteStdin", PHASE_READY, stdio_write_stdin},
	{"CloseStdin", PHASE_READY | PHASE_ENDING, stdio_close_stdin},
	{"TtyWinResize", PHASE_READY, stdio_resize},

	{"Connect", PHASE_READY, connection_rpc_connect},
	{"Disconnect", PHASE_ANY, connection_rpc_disconnect},

	{"CopyFile", PHASE_EMPTY | PHASE_READY, copy_file},
	{"UpdateEphemeralMounts", PHASE_READY, storage_rpc_update_ephemeral},
	{"GetVolumeStats", PHASE_READY, storage_rpc_volume_stats},
	{"ResizeVolume", PHASE_READY, storage_rpc_resize_volume},

	{"UpdateInterface", PHASE_EMPTY | PHASE_READY, network_rpc_update_interface},
	{"UpdateRoutes", PHASE_EMPTY | PHASE_READY, network_rpc_update_routes},
	{"ListInterfaces", PHASE_ANY, network_rpc_list_interfaces},
	{"ListRoutes", PHASE_ANY, network_rpc_list_routes},
	{"AddARPNeighbors", PHASE_EMPTY | PHASE_READY, network_rpc_add_neighbours},

	{"GetOOMEvent", PHASE_ANY, oom_get_event},
	{"GetGuestDetails", PHASE_ANY, guest_get_details},
	{"OnlineCPUMem", PHASE_ANY, online_cpu_mem},
	{"GetMetrics", PHASE_ANY, metrics_get},
	{"SetGuestDateTime", PHASE_ANY, guest_set_date_time},
	{"ReseedRandomDev", PHASE_ANY, guest_reseed_random},
};

static const struct call health_calls[] = {
	{"Check", PHASE_ANY, health_check},
	{"Version", PHASE_ANY, health_version},
};

static void dispatch(const struct call *calls, size_t n, struct rpc *rpc, struct ttrpc_call *call,
		     const void *request)
{
	const char *method = ttrpc_call_method(call);
	struct err e = {0};

	for (size_t i = 0; i < n; i++) {
		if (strcmp(calls[i].method, method) != 0)
			continue;
		log_debug("%s", method);
		quiet_disturb(rpc);
		if (calls[i].phases & rpc->phase)
			calls[i].answer(rpc, call, request);
		else
			ttrpc_answer(call, err_say(&e, EBUSY, "%s is not allowed now", method), &e);
		return;
	}
	assert(!"a call that is in no table");
}

static void answer_agent(struct ttrpc_call *call, const ProtobufCMessage *request, void *arg)
{
	dispatch(agent_calls, ARRAY_LEN(agent_calls), arg, call, request);
}

static void answer_health(struct ttrpc_call *call, const ProtobufCMessage *request, void *arg)
{
	dispatch(health_calls, ARRAY_LEN(health_calls), arg, call, request);
}

static void fill_methods(struct ttrpc_method *methods, const struct call *calls, size_t n,
			 ttrpc_handler_fn handler)
{
	for (size_t i = 0; i < n; i++)
		methods[i] = (struct ttrpc_method){.name = calls[i].method, .handler = handler};
}

/* The tables above, as the server wants to read them. */
struct rpc_services {
	struct ttrpc_method agent_methods[ARRAY_LEN(agent_calls)];
	struct ttrpc_method health_methods[ARRAY_LEN(health_calls)];
	struct ttrpc_service agent, health;
	const struct ttrpc_service *all[2];
};

static struct rpc_services *services_new(void)
{
	struct rpc_services *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	fill_methods(s->agent_methods, agent_calls, ARRAY_LEN(agent_calls), answer_agent);
	fill_methods(s->health_methods, health_calls, ARRAY_LEN(health_calls), answer_health);
	s->agent = (struct ttrpc_service){
		.descriptor = &grpc__agent_service__descriptor,
		.methods = s->agent_methods,
		.n_methods = ARRAY_LEN(agent_calls),
	};
	s->health = (struct ttrpc_service){
		.descriptor = &grpc__health__descriptor,
		.methods = s->health_methods,
		.n_methods = ARRAY_LEN(health_calls),
	};
	s->all[0] = &s->agent;
	s->all[1] = &s->health;
	return s;
}

static int open_storages(struct rpc *rpc, struct err *e)
{
	struct storages_config config = {
		.loop = rpc->config.loop,
		.reaper = rpc->config.reaper,
		.devices = rpc->config.devices,
		.run_dir = rpc->config.run_dir,
		.device_timeout_ms = rpc->config.hotplug_timeout_ms,
		.shared_files_max = rpc->config.shared_files_max,
		.server_appends = rpc->config.server_appends,
	};
	int r = storages_new(&config, &rpc->storages, e);

	return r < 0 ? r : storage_hold_new(rpc->storages, &rpc->hold, e);
}

int rpc_new(const struct rpc_config *config, struct rpc **ret, struct err *e)
{
	auto_ptr(rpc_free) struct rpc *rpc = calloc(1, sizeof *rpc);

	if (!rpc)
		return err_sys(e, ENOMEM, "prepare to serve");
	rpc->config = *config;
	rpc->phase = PHASE_EMPTY;
	rpc->ipc_ns = rpc->uts_ns = -1;
	list_init(&rpc->members);
	list_init(&rpc->oom_events);
	list_init(&rpc->oom_calls);
	list_init(&rpc->connections);
	rpc->services = services_new();
	if (!rpc->services)
		return err_sys(e, ENOMEM, "prepare to serve");

	int r = open_storages(rpc, e);

	if (r == 0)
		r = network_new(&rpc->network, e);
	if (r < 0)
		return r;
	r = ttrpc_server_new(config->loop, rpc->services->all, ARRAY_LEN(rpc->services->all), rpc,
			     &rpc->server, e);

	if (r < 0)
		return r;
	*ret = take_ptr(rpc);
	return 0;
}

int rpc_serve(struct rpc *rpc, int take_fd, struct err *e)
{
	return ttrpc_server_serve(rpc->server, take_fd, e);
}

int rpc_listen(struct rpc *rpc, int take_fd, struct err *e)
{
	return ttrpc_server_listen(rpc->server, take_fd, e);
}

void rpc_guard(struct rpc *rpc, bool (*admits)(void *arg, int fd), void *arg)
{
	ttrpc_server_on_accept(rpc->server, admits, arg);
	ttrpc_server_limit(rpc->server, 1);
}

void rpc_on_connections(struct rpc *rpc, void (*fn)(void *arg, size_t connections), void *arg)
{
	ttrpc_server_on_connections(rpc->server, fn, arg);
}

void rpc_free(struct rpc *rpc)
{
	if (!rpc)
		return;
	/* Pending calls are answered before their connections are closed. */
	members_free(rpc);
	storage_job_cancel(rpc->sandbox_job);
	if (rpc->sandbox_call)
		ttrpc_fail(rpc->sandbox_call, TTRPC_CANCELLED, "the sandbox ends");
	oom_fini(rpc);
	connections_free(rpc);
	ttrpc_server_free(rpc->server);
	free(rpc->services);
	loop_timer_cancel(rpc->end_timer);
	loop_timer_cancel(rpc->quiet_timer);
	storage_hold_free(rpc->hold);
	storages_free(rpc->storages);
	network_free(rpc->network);
	shared_free(rpc);
	container_host_free(rpc->host);
	fd_close(rpc->ipc_ns);
	fd_close(rpc->uts_ns);
	free(rpc);
}
