#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/file.h"
#include "base/log.h"
#include "base/version.h"
#include "host/shim/bootstrap.h"
#include "host/shim/lifetime.h"
#include "host/shim/metrics.h"
#include "host/shim/pod.h"
#include "host/shim/publish.h"
#include "host/shim/sandbox_service.h"
#include "host/shim/server.h"
#include "host/shim/timestamp.h"
#include "host/shim/wait.h"
#include "host/state/task_status.h"
#include "task.pb-c.h"

/* A handler: @q is the request by its type, @s the server. */
#define HANDLER(name, type)                                                                   \
	static void name##_it(struct server *s, struct ttrpc_call *call, const type *q);      \
	static void name(struct ttrpc_call *call, const ProtobufCMessage *request, void *arg) \
	{                                                                                     \
		name##_it(arg, call, (const type *) request);                                 \
	}                                                                                     \
	static void name##_it(struct server *s, struct ttrpc_call *call, const type *q)

/* False, and the call has been answered, when the operation failed. */
static bool went_well(struct ttrpc_call *call, const struct sandbox_answer *answer)
{
	if (answer->r == 0)
		return true;
	log_err(LOG_DEBUG, &answer->err, ttrpc_call_method(call));
	ttrpc_fail_err(call, &answer->err);
	return false;
}

/* A request that is answered later. @q is valid until then. */
struct request {
	struct server *s;
	struct ttrpc_call *call;
	const void *q;
};

/* NULL: the call has been answered. */
static struct request *request_new(struct server *s, struct ttrpc_call *call, const void *q)
{
	struct request *r = calloc(1, sizeof *r);

	if (r)
		*r = (struct request){.s = s, .call = call, .q = q};
	else
		ttrpc_fail(call, TTRPC_RESOURCE_EXHAUSTED, "out of memory");
	return r;
}

/* The answer of an operation without a response of its own, with @arg as the call. */
static void reply_empty(void *arg, const struct sandbox_answer *answer)
{
	if (went_well(arg, answer))
		ttrpc_reply(arg, NULL);
}

HANDLER(task_state, Containerd__Task__V2__StateRequest)
{
	Containerd__Task__V2__StateResponse a = CONTAINERD__TASK__V2__STATE_RESPONSE__INIT;
	struct sandbox_process p;
	struct err e = {0};

	if (sandbox_state(s->sandbox, q->id, q->exec_id, &p, &e) < 0) {
		ttrpc_fail_err(call, &e);
		return;
	}

	Google__Protobuf__Timestamp exited_at = timestamp_of(&p.exited_at);

	a.id = q->id;
	a.exec_id = q->exec_id;
	a.bundle = (char *) p.bundle;
	a.pid = p.pid;
	a.status = task_status_of(p.status);
	a.stdin = (char *) p.in;
	a.stdout = (char *) p.out;
	a.stderr = (char *) p.err;
	a.terminal = p.terminal;
	a.exit_status = p.exit_status;
	if (p.status == OCI_STOPPED)
		a.exited_at = &exited_at;
	ttrpc_reply(call, &a.base);
}

/* The descriptors that came with a request. */
static void take_fds(struct ttrpc_call *call, struct sandbox_stdio *stdio)
{
	for (size_t i = 0; i < ARRAY_LEN(stdio->fds); i++)
		stdio->fds[i] = ttrpc_call_take_fd(call, i);
}

/* A container that is refused by name is told as one that was asked for wrongly, because to
 * containerd 2.4 UNIMPLEMENTED is a method that is not there: it asks once more, as an older
 * client, and says only what the second answer was. */
static struct sandbox_answer refusal_of_container(const struct sandbox_answer *answer)
{
	struct sandbox_answer told = *answer;

	if (told.r < 0 && ttrpc_code_of(told.err.code) == TTRPC_UNIMPLEMENTED)
		told.err.code = EINVAL;
	return told;
}

static void created(void *arg, const struct sandbox_answer *answer)
{
	Containerd__Task__V2__CreateTaskResponse a =
		CONTAINERD__TASK__V2__CREATE_TASK_RESPONSE__INIT;
	const struct sandbox_answer told = refusal_of_container(answer);
	struct request *r = arg;

	a.pid = answer->pid;
	if (answer->r == 0)
		publish_created(r->s, r->q, answer->pid);
	if (went_well(r->call, &told))
		ttrpc_reply(r->call, &a.base);
	free(r);
}

static void ignore(void *arg, const struct sandbox_answer *answer)
{
	(void) arg, (void) answer;
}

/* The client of a Create is gone: nobody else knows the container and would delete it. */
static void creator_gone(void *arg)
{
	const struct request *r = arg;
	const Containerd__Task__V2__CreateTaskRequest *q = r->q;
	struct sandbox *sb = r->s->sandbox;

	if (!sandbox_give_up(sb, q->id, "given up: who asked for the container hung up"))
		pod_delete(sb, q->id, "", ignore, NULL);
}

/* The process that the command line has forked for the container, or 0. */
static pid_t standin_of(const struct ttrpc_call *call)
{
	const char *text = ttrpc_call_metadata(call, "kata-standin");
	uint64_t pid;

	return text && num_parse_u64(text, &pid) == 0 && pid <= INT_MAX ? (pid_t) pid : 0;
}

HANDLER(task_create, Containerd__Task__V2__CreateTaskRequest)
{
	auto_free char *config = bootstrap_config_path(q->options);
	auto_free struct sandbox_mount *rootfs = calloc(q->n_rootfs + 1, sizeof *rootfs);
	struct sandbox_container c = {
		.id = q->id,
		.bundle = q->bundle,
		.stdio = {.in = q->stdin,
			  .out = q->stdout,
			  .err = q->stderr,
			  .terminal = q->terminal},
		.rootfs = rootfs,
		.n_rootfs = q->n_rootfs,
	};
	struct request *request;

	if (!rootfs || q->checkpoint[0]) {
		ttrpc_fail(call, rootfs ? TTRPC_UNIMPLEMENTED : TTRPC_RESOURCE_EXHAUSTED,
			   rootfs ? "checkpoints are not supported" : "out of memory");
		return;
	}
	for (size_t i = 0; i < q->n_rootfs; i++)
		rootfs[i] = (struct sandbox_mount){
			.type = q->rootfs[i]->type,
			.source = q->rootfs[i]->source,
			.target = q->rootfs[i]->target,
			.options = q->rootfs[i]->options,
			.n_options = q->rootfs[i]->n_options,
		};
	if (s->pod && !sandbox_is_ready(s->sandbox)) {
		ttrpc_fail(call, TTRPC_FAILED_PRECONDITION, "the sandbox does not run");
		return;
	}
	request = request_new(s, call, q);
	if (!request)
		return;
	take_fds(call, &c.stdio);
	c.standin = standin_of(call);
	ttrpc_call_on_gone(call, creator_gone, request);
	server_used(s);
	if (s->pod)
		sandbox_service_complete(s, &c);
	if (s->pod)
		pod_create_in(s->sandbox, &c, created, request);
	else
		pod_create(s->sandbox, &c, config, created, request);
}

static void started(void *arg, const struct sandbox_answer *answer)
{
	Containerd__Task__V2__StartResponse a = CONTAINERD__TASK__V2__START_RESPONSE__INIT;
	struct request *r = arg;
	const Containerd__Task__V2__StartRequest *q = r->q;

	a.pid = answer->pid;
	publish_started(r->s, q->id, q->exec_id, answer->r, answer->pid);
	if (went_well(r->call, answer))
		ttrpc_reply(r->call, &a.base);
	free(r);
}

HANDLER(task_start, Containerd__Task__V2__StartRequest)
{
	struct request *r = request_new(s, call, q);

	if (!r)
		return;
	publish_starting(s, q->id, q->exec_id);
	sandbox_start_process(s->sandbox, q->id, q->exec_id, started, r);
}

static void deleted(void *arg, const struct sandbox_answer *answer)
{
	Containerd__Task__V2__DeleteResponse a = CONTAINERD__TASK__V2__DELETE_RESPONSE__INIT;
	Google__Protobuf__Timestamp exited_at = timestamp_of(&answer->exited_at);
	struct request *r = arg;
	const Containerd__Task__V2__DeleteRequest *q = r->q;

	a.pid = answer->pid;
	a.exit_status = answer->exit_status;
	a.exited_at = &exited_at;
	if (answer->r == 0 && !q->exec_id[0])
		publish_deleted(r->s, q->id, answer);
	if (went_well(r->call, answer))
		ttrpc_reply(r->call, &a.base);
	free(r);
}

HANDLER(task_delete, Containerd__Task__V2__DeleteRequest)
{
	struct request *r = request_new(s, call, q);

	if (r && s->pod)
		sandbox_delete(s->sandbox, q->id, q->exec_id, deleted, r);
	else if (r)
		pod_delete(s->sandbox, q->id, q->exec_id, deleted, r);
}

HANDLER(task_pids, Containerd__Task__V2__PidsRequest)
{
	Containerd__Task__V2__PidsResponse a = CONTAINERD__TASK__V2__PIDS_RESPONSE__INIT;
	Containerd__V1__Types__ProcessInfo vmm = CONTAINERD__V1__TYPES__PROCESS_INFO__INIT,
					   *list = &vmm;
	struct sandbox_process p;
	struct err e = {0};

	if (sandbox_state(s->sandbox, q->id, "", &p, &e) < 0) {
		ttrpc_fail_err(call, &e);
		return;
	}
	vmm.pid = p.pid;
	a.processes = &list;
	a.n_processes = p.pid != 0;
	ttrpc_reply(call, &a.base);
}

static void paused(void *arg, const struct sandbox_answer *answer)
{
	struct request *r = arg;
	const Containerd__Task__V2__PauseRequest *q = r->q;

	if (answer->r == 0)
		publish_paused(r->s, q->id);
	reply_empty(r->call, answer);
	free(r);
}

HANDLER(task_pause, Containerd__Task__V2__PauseRequest)
{
	struct request *r = request_new(s, call, q);

	if (r)
		sandbox_pause(s->sandbox, q->id, paused, r);
}

static void resumed(void *arg, const struct sandbox_answer *answer)
{
	struct request *r = arg;
	const Containerd__Task__V2__ResumeRequest *q = r->q;

	if (answer->r == 0)
		publish_resumed(r->s, q->id);
	reply_empty(r->call, answer);
	free(r);
}

HANDLER(task_resume, Containerd__Task__V2__ResumeRequest)
{
	struct request *r = request_new(s, call, q);

	if (r)
		sandbox_resume(s->sandbox, q->id, resumed, r);
}

HANDLER(task_kill, Containerd__Task__V2__KillRequest)
{
	if (q->signal < 1 || q->signal > (uint32_t) SIGRTMAX) {
		ttrpc_fail(call, TTRPC_INVALID_ARGUMENT, "there is no such signal");
		return;
	}
	sandbox_kill(s->sandbox, q->id, q->exec_id, q->signal, q->all, reply_empty, call);
}

HANDLER(task_exec, Containerd__Task__V2__ExecProcessRequest)
{
	struct sandbox_stdio stdio = {
		.in = q->stdin, .out = q->stdout, .err = q->stderr, .terminal = q->terminal};
	Grpc__Process *process = NULL;
	struct err e = {0};
	int r;

	if (!q->spec || !q->exec_id[0])
		r = err_say(&e, EINVAL, "no process, or no name for it");
	else
		r = oci_process_parse((const char *) q->spec->value.data, q->spec->value.len,
				      &process, &e);
	if (r == 0)
		r = oci_process_check(process, &e);
	if (r < 0) {
		oci_process_free(process);
		ttrpc_fail_err(call, &e);
		return;
	}
	take_fds(call, &stdio);
	r = sandbox_exec(s->sandbox, q->id, q->exec_id, process, &stdio, &e);
	if (r == 0)
		publish_exec_added(s, q->id, q->exec_id);
	ttrpc_answer(call, r, &e);
}

HANDLER(task_resize_pty, Containerd__Task__V2__ResizePtyRequest)
{
	sandbox_resize(s->sandbox, q->id, q->exec_id, q->height, q->width, reply_empty, call);
}

HANDLER(task_close_io, Containerd__Task__V2__CloseIORequest)
{
	struct err e = {0};
	int r = q->stdin ? sandbox_close_stdin(s->sandbox, q->id, q->exec_id, &e) : 0;

	ttrpc_answer(call, r, &e);
}

HANDLER(task_update, Containerd__Task__V2__UpdateTaskRequest)
{
	auto_ptr(oci_resources_free) Grpc__LinuxResources *resources = NULL;
	struct err e = {0};
	int r = q->resources ? 0 : err_say(&e, EINVAL, "no resources are given");

	if (r == 0)
		r = oci_resources_parse((const char *) q->resources->value.data,
					q->resources->value.len, &resources, &e);
	if (r == 0)
		r = oci_resources_check(resources, &e);
	if (r < 0)
		ttrpc_fail_err(call, &e);
	else
		sandbox_update(s->sandbox, q->id, take_ptr(resources), reply_empty, call);
}

HANDLER(task_wait, Containerd__Task__V2__WaitRequest)
{
	wait_begin(s, call, q->id, q->exec_id, ttrpc_call_metadata(call, "kata-owner"));
}

/* The statistics of runc's JSON for kata-runtime, and of a cgroup for containerd. */
static int pack_stats(const struct server *s, const struct sandbox_answer *answer,
		      Google__Protobuf__Any *any, struct err *e)
{
	char *text = NULL;
	int r;

	if (!s->lone) {
		any->type_url = (char *) METRICS_TYPE;
		return metrics_pack(answer->data, answer->bytes, &any->value.data, &any->value.len,
				    e);
	}
	any->type_url = (char *) "kata.v1.Stats";
	r = stats_print(answer->data, answer->bytes, &text, e);
	any->value =
		(ProtobufCBinaryData){.data = (uint8_t *) text, .len = text ? strlen(text) : 0};
	return r;
}

static void stats_come(void *arg, const struct sandbox_answer *answer)
{
	Containerd__Task__V2__StatsResponse a = CONTAINERD__TASK__V2__STATS_RESPONSE__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	struct request *r = arg;
	struct err e = {0};

	a.stats = &any;
	if (went_well(r->call, answer)) {
		if (pack_stats(r->s, answer, &any, &e) < 0)
			ttrpc_fail_err(r->call, &e);
		else
			ttrpc_reply(r->call, &a.base);
	}
	free(any.value.data);
	free(r);
}

HANDLER(task_stats, Containerd__Task__V2__StatsRequest)
{
	struct request *r = request_new(s, call, q);

	if (r)
		sandbox_stats(s->sandbox, q->id, stats_come, r);
}

HANDLER(task_connect, Containerd__Task__V2__ConnectRequest)
{
	Containerd__Task__V2__ConnectResponse a = CONTAINERD__TASK__V2__CONNECT_RESPONSE__INIT;
	struct sandbox_process p = {0};
	struct err e = {0};

	/* Whoever names no container asks for this process. One that was not started yet has no
	 * process, and is known all the same. */
	if (*q->id && sandbox_state(s->sandbox, q->id, "", &p, &e) < 0 &&
	    !sandbox_service_knows(s, q->id)) {
		ttrpc_fail_err(call, &e);
		return;
	}
	a.shim_pid = (uint32_t) getpid();
	a.task_pid = p.pid;
	a.version = (char *) version_number();
	ttrpc_reply(call, &a.base);
}

HANDLER(task_shutdown, Containerd__Task__V2__ShutdownRequest)
{
	/* containerd 2.4 calls it after each Delete; a sandbox has a ShutdownSandbox of its own. */
	if (s->pod) {
		ttrpc_reply(call, NULL);
		return;
	}
	if (q->now)
		sandbox_abort(s->sandbox, "shut down");
	s->shutdown_asked = q->now || !sandbox_has_containers(s->sandbox);
	/* Nothing was asked for, or what was asked for was refused. */
	if (s->shutdown_asked && sandbox_is_empty(s->sandbox))
		sandbox_abort(s->sandbox, "shut down");
	s->created |= s->shutdown_asked;
	ttrpc_reply(call, NULL);
	server_consider(s);
}

static const struct ttrpc_method methods[] = {
	{"State", task_state},      {"Create", task_create},
	{"Start", task_start},      {"Delete", task_delete},
	{"Pids", task_pids},        {"Pause", task_pause},
	{"Resume", task_resume},    {"Kill", task_kill},
	{"Exec", task_exec},        {"ResizePty", task_resize_pty},
	{"CloseIO", task_close_io}, {"Update", task_update},
	{"Wait", task_wait},        {"Stats", task_stats},
	{"Connect", task_connect},  {"Shutdown", task_shutdown},
};

const struct ttrpc_service task_service = {
	.descriptor = &containerd__task__v2__task__descriptor,
	.methods = methods,
	.n_methods = ARRAY_LEN(methods),
};

const struct ttrpc_service task_v3_service = {
	.name = "containerd.task.v3.Task",
	.descriptor = &containerd__task__v2__task__descriptor,
	.methods = methods,
	.n_methods = ARRAY_LEN(methods),
};
