#include "host/shim/sandbox_service.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/log.h"
#include "host/shim/host_usage.h"
#include "host/shim/lifetime.h"
#include "host/shim/metrics.h"
#include "host/shim/pod.h"
#include "host/shim/pod_config.h"
#include "host/shim/pod_files.h"
#include "host/shim/timestamp.h"
#include "oci/oci.h"
#include "sandbox.pb-c.h"

#define M(name) Containerd__Runtime__Sandbox__V1__##name

/* A handler: @q is the request by its type, @s the server. */
#define HANDLER(name, type)                                                                   \
	static void name##_it(struct server *s, struct ttrpc_call *call, const M(type) * q);  \
	static void name(struct ttrpc_call *call, const ProtobufCMessage *request, void *arg) \
	{                                                                                     \
		name##_it(arg, call, (const M(type) *) request);                              \
	}                                                                                     \
	static void name##_it(struct server *s, struct ttrpc_call *call, const M(type) * q)

/* The machine was lost: 128 + SIGKILL, as for what runs in it. */
#define LOST_EXIT_CODE 137
/* How typeurl names JSON of an OCI specification. */
#define SPEC_TYPE "types.containerd.io/opencontainers/runtime-spec/1/Spec"
/* It never ran. */
#define FAILED_EXIT_CODE 1

enum pod_state {
	POD_CREATED,
	POD_STARTING,
	POD_READY,
	POD_STOPPING,
	POD_LEAVING, /* the machine is gone; what held the pod goes */
	POD_STOPPED,
};

struct pod_sandbox {
	enum pod_state state;
	char *id;
	char *bundle; /* has the files of the pod, too */
	struct pod_config config;
	char *spec;               /* as JSON, until StartSandbox is answered; or NULL */
	struct sandbox_wait wait; /* for the end of what holds the pod */
	struct timespec created_at, exited_at;
	uint32_t exit_status;
	struct ttrpc_call *starting;   /* StartSandbox that is not answered; or NULL */
	struct list waits, stop_calls; /* struct parked */
};

/* A call that is answered once the sandbox has stopped. */
struct parked {
	struct list link;
	struct ttrpc_call *call;
};

static void parked_free(struct parked *p)
{
	list_remove(&p->link);
	free(p);
}

static void parked_gone(void *arg)
{
	struct parked *p = arg;

	ttrpc_drop(p->call);
	parked_free(p);
}

static void park(struct list *list, struct ttrpc_call *call)
{
	struct parked *p = calloc(1, sizeof *p);

	if (!p) {
		ttrpc_fail(call, TTRPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	p->call = call;
	list_add(list, &p->link);
	ttrpc_call_on_gone(call, parked_gone, p);
}

/* The call of the first of @list, which is taken out; NULL: there is none. */
static struct ttrpc_call *unpark(struct list *list)
{
	struct list *first = list_first(list);

	if (!first)
		return NULL;

	struct parked *p = container_of(first, struct parked, link);
	struct ttrpc_call *call = p->call;

	parked_free(p);
	ttrpc_call_on_gone(call, NULL, NULL);
	return call;
}

static void answer_wait(const struct pod_sandbox *pod, struct ttrpc_call *call)
{
	M(WaitSandboxResponse) a = CONTAINERD__RUNTIME__SANDBOX__V1__WAIT_SANDBOX_RESPONSE__INIT;
	Google__Protobuf__Timestamp exited_at = timestamp_of(&pod->exited_at);

	a.exit_status = pod->exit_status;
	a.exited_at = &exited_at;
	ttrpc_reply(call, &a.base);
}

/* What held the pod is gone, or was never there. */
static void stopped(void *arg, const struct sandbox_answer *answer)
{
	struct server *s = arg;
	struct pod_sandbox *pod = s->pod;
	struct ttrpc_call *call;

	if (answer->r < 0 && answer->r != -ENOENT)
		log_err(LOG_WARN, &answer->err, "ignoring, while the sandbox is stopped");
	pod->state = POD_STOPPED;
	(void) clock_gettime(CLOCK_REALTIME, &pod->exited_at);
	while ((call = unpark(&pod->waits)))
		answer_wait(pod, call);
	/* StopSandbox and ShutdownSandbox answer nothing but that it is done. */
	while ((call = unpark(&pod->stop_calls)))
		ttrpc_reply(call, NULL);
	server_consider(s);
}

/* The machine is gone, or was never there. The engine takes the pod's network apart when it hears
 * of the end, so nothing may hold its namespace any more then. */
static void leave(struct server *s)
{
	if (s->pod->state >= POD_LEAVING)
		return;
	s->pod->state = POD_LEAVING;
	sandbox_wait_cancel(&s->pod->wait);
	sandbox_delete(s->sandbox, s->pod->id, "", stopped, s);
}

static void machine_stopped(void *arg, const struct sandbox_answer *answer)
{
	(void) answer; /* the answer of a machine that cannot be stopped is in the log */
	leave(arg);
}

static void stop_machine(struct server *s, uint32_t exit_status)
{
	s->pod->state = POD_STOPPING;
	s->pod->exit_status = exit_status;
	sandbox_stop(s->sandbox, machine_stopped, s);
}

/* Somebody has killed the process that stands for the pod. When the machine was lost it ends, too,
 * and the machine is torn down already. */
static void holder_ended(void *arg, const struct sandbox_answer *answer)
{
	struct server *s = arg;

	if (s->pod->state == POD_READY && sandbox_is_ready(s->sandbox) && !answer->cause.code)
		stop_machine(s, answer->exit_status);
}

/* The sandbox @id, or NULL and the call has been answered. */
static struct pod_sandbox *find(struct server *s, struct ttrpc_call *call, const char *id)
{
	if (sandbox_service_knows(s, id))
		return s->pod;
	ttrpc_fail(call, TTRPC_NOT_FOUND, "the sandbox does not exist");
	return NULL;
}

static int pod_new(struct server *s, const M(CreateSandboxRequest) * q, struct err *e)
{
	struct pod_sandbox *pod = calloc(1, sizeof *pod);
	int r;

	if (!pod)
		return err_sys(e, ENOMEM, "create sandbox '%s'", q->sandbox_id);
	list_init(&pod->waits);
	list_init(&pod->stop_calls);
	list_init(&pod->wait.link);
	s->pod = pod;
	pod->id = strdup(q->sandbox_id);
	pod->bundle = strdup(q->bundle_path);
	if (!pod->id || !pod->bundle)
		r = err_sys(e, ENOMEM, "make a sandbox");
	else if (pod->bundle[0] != '/')
		r = err_say(e, EINVAL, "bundle '%s' is not an absolute path", pod->bundle);
	else
		r = pod_config_read(q, &pod->config, e);
	if (r == 0)
		r = pod_files_make(pod->bundle, pod->config.spec->hostname, pod->config.resolv_conf,
				   e);
	if (r < 0) {
		sandbox_service_free(s);
		return err_wrap(e, r, "create sandbox '%s'", q->sandbox_id);
	}
	(void) clock_gettime(CLOCK_REALTIME, &pod->created_at);
	return 0;
}

HANDLER(create_sandbox, CreateSandboxRequest)
{
	struct err e = {0};
	int r = 0;

	if (s->pod)
		r = err_say(&e, EEXIST, "there is a sandbox '%s' already", s->pod->id);
	else if (s->lone || s->created)
		r = err_say(&e, EBUSY, "this server was made for containers without a sandbox");
	else if (strcmp(q->sandbox_id, s->id) != 0)
		r = err_say(&e, EINVAL, "this server is that of sandbox '%s'", s->id);
	else
		r = pod_new(s, q, &e);
	if (r == 0)
		server_used(s);
	ttrpc_answer(call, r, &e);
}

static void starter_gone(void *arg)
{
	struct server *s = arg;

	ttrpc_drop(take_ptr(s->pod->starting));
}

/* That of the process which stands for the pod on the host: 0 unless it runs. */
static uint32_t pid_of(const struct server *s)
{
	struct sandbox_process p;

	return sandbox_state(s->sandbox, s->pod->id, "", &p, NULL) < 0 ? 0 : p.pid;
}

static void answer_start(struct server *s, const struct sandbox_answer *answer)
{
	M(StartSandboxResponse) a = CONTAINERD__RUNTIME__SANDBOX__V1__START_SANDBOX_RESPONSE__INIT;
	struct ttrpc_call *call = take_ptr(s->pod->starting);
	Google__Protobuf__Timestamp created_at = timestamp_of(&s->pod->created_at);
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	auto_free char *spec = take_ptr(s->pod->spec);

	if (!call)
		return;
	ttrpc_call_on_gone(call, NULL, NULL);
	a.pid = answer->pid;
	a.created_at = &created_at;
	any.type_url = (char *) SPEC_TYPE;
	any.value.data = (uint8_t *) spec;
	any.value.len = spec ? strlen(spec) : 0;
	a.spec = spec ? &any : NULL;
	if (answer->r < 0)
		ttrpc_fail_err(call, &answer->err);
	else
		ttrpc_reply(call, &a.base);
}

static void start_failed(struct server *s, const struct sandbox_answer *answer)
{
	struct sandbox_answer a = *answer;

	(void) err_wrap(&a.err, a.r, "start sandbox '%s'", s->pod->id);
	answer_start(s, &a);
	if (sandbox_is_ready(s->sandbox)) {
		stop_machine(s, FAILED_EXIT_CODE);
		return;
	}
	/* It is over now, or while it is torn down. */
	s->pod->state = POD_STOPPING;
	s->pod->exit_status = FAILED_EXIT_CODE;
	sandbox_service_consider(s);
}

static void holder_runs(void *arg, const struct sandbox_answer *answer)
{
	struct server *s = arg;
	struct pod_sandbox *pod = s->pod;

	if (answer->r < 0) {
		start_failed(s, answer);
		return;
	}
	pod->state = POD_READY;
	answer_start(s, answer);
	pod->wait = (struct sandbox_wait){.done = holder_ended, .arg = s};
	list_init(&pod->wait.link);
	(void) sandbox_wait(s->sandbox, pod->id, "", &pod->wait, NULL);
	if (!list_empty(&pod->stop_calls) && pod->state == POD_READY &&
	    sandbox_is_ready(s->sandbox))
		stop_machine(s, 0);
	sandbox_service_consider(s);
}

static void holder_created(void *arg, const struct sandbox_answer *answer)
{
	struct server *s = arg;

	if (answer->r < 0)
		start_failed(s, answer);
	else
		sandbox_start_process(s->sandbox, s->pod->id, "", holder_runs, s);
}

/* The machine starts for a container that holds the pod and runs no program. The engine has made
 * none, so that its spec is made here. */
HANDLER(start_sandbox, StartSandboxRequest)
{
	struct pod_sandbox *pod = find(s, call, q->sandbox_id);
	struct err e = {0};

	if (!pod)
		return;
	if (pod->state != POD_CREATED) {
		ttrpc_fail(call, TTRPC_FAILED_PRECONDITION, "the sandbox was started already");
		return;
	}
	/* Told for plugins of containerd, which act on the pod's control group and limits. */
	if (oci_spec_print(pod->config.spec, &pod->spec, &e) < 0) {
		ttrpc_fail_err(call, &e);
		return;
	}
	pod->state = POD_STARTING;
	pod->starting = call;
	ttrpc_call_on_gone(call, starter_gone, s);

	struct sandbox_container holder = {
		.id = pod->id,
		.bundle = pod->bundle,
		.stdio = {.in = "", .out = "", .err = "", .fds = {-1, -1, -1}},
	};

	holder.take_spec = take_ptr(pod->config.spec);
	sandbox_service_complete(s, &holder); /* its /dev/shm is the pod's */
	pod_create(s->sandbox, &holder, pod->config.config_path, holder_created, s);
}

HANDLER(platform, PlatformRequest)
{
	M(PlatformResponse) a = CONTAINERD__RUNTIME__SANDBOX__V1__PLATFORM_RESPONSE__INIT;
	M(PlatformDescription) p = CONTAINERD__RUNTIME__SANDBOX__V1__PLATFORM_DESCRIPTION__INIT;

	if (!find(s, call, q->sandbox_id))
		return;
	p.os = (char *) "linux";
#if defined __x86_64__
	p.architecture = (char *) "amd64";
#elif defined __aarch64__
	p.architecture = (char *) "arm64";
#endif
	a.platform = &p;
	ttrpc_reply(call, &a.base);
}

/* Answers @call when the machine is gone. */
static void stop(struct server *s, struct ttrpc_call *call)
{
	struct pod_sandbox *pod = s->pod;

	if (pod->state == POD_STOPPED) {
		ttrpc_reply(call, NULL);
		return;
	}
	park(&pod->stop_calls, call);
	if (pod->state == POD_CREATED) {
		sandbox_abort(s->sandbox, "stopped before it was started");
		leave(s);
	} else if (pod->state == POD_STARTING) {
		sandbox_abort(s->sandbox, "stopped while it was started");
	} else if (pod->state == POD_READY && sandbox_is_ready(s->sandbox)) {
		stop_machine(s, 0);
	}
}

HANDLER(stop_sandbox, StopSandboxRequest)
{
	if (find(s, call, q->sandbox_id))
		stop(s, call);
}

HANDLER(wait_sandbox, WaitSandboxRequest)
{
	struct pod_sandbox *pod = find(s, call, q->sandbox_id);

	if (!pod)
		return;
	if (pod->state == POD_STOPPED)
		answer_wait(pod, call);
	else
		park(&pod->waits, call);
}

/* What a person may want to know, as JSON; freed by the caller. */
static char *describe(struct server *s)
{
	struct sandbox_description d;

	sandbox_describe(s->sandbox, &d);

	json_t *o = json_pack("{s:i, s:s, s:s, s:s, s:i}", "pid", (int) pid_of(s), "hypervisor",
			      d.hypervisor, "accelerator", d.accelerator ? d.accelerator : "",
			      "acceleratorReason", d.accelerator_reason, "vmmPid", (int) d.vmm_pid);
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

	json_decref(o);
	return text;
}

HANDLER(sandbox_status, SandboxStatusRequest)
{
	M(SandboxStatusResponse)
	a = CONTAINERD__RUNTIME__SANDBOX__V1__SANDBOX_STATUS_RESPONSE__INIT;
	M(SandboxStatusResponse__InfoEntry)
	info = CONTAINERD__RUNTIME__SANDBOX__V1__SANDBOX_STATUS_RESPONSE__INFO_ENTRY__INIT,
	*infos = &info;
	const struct pod_sandbox *pod = find(s, call, q->sandbox_id);
	auto_free char *text = NULL;

	if (!pod)
		return;
	if (q->verbose && !(text = describe(s))) {
		ttrpc_fail(call, TTRPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}

	Google__Protobuf__Timestamp created_at = timestamp_of(&pod->created_at);
	Google__Protobuf__Timestamp exited_at = timestamp_of(&pod->exited_at);

	a.sandbox_id = q->sandbox_id;
	a.pid = pid_of(s);
	a.state = (char *) (pod->state == POD_READY ? "SANDBOX_READY" : "SANDBOX_NOTREADY");
	a.created_at = &created_at;
	if (pod->state == POD_STOPPED)
		a.exited_at = &exited_at;
	info.key = (char *) "info";
	info.value = text;
	a.info = &infos;
	a.n_info = text ? 1 : 0;
	ttrpc_reply(call, &a.base);
}

HANDLER(ping_sandbox, PingRequest)
{
	if (find(s, call, q->sandbox_id))
		ttrpc_reply(call, NULL);
}

/* The server ends when it is idle, whatever containers have not been deleted: their ends were told,
 * and "delete" cleans up after them. */
HANDLER(shutdown_sandbox, ShutdownSandboxRequest)
{
	if (!find(s, call, q->sandbox_id))
		return;
	s->shutdown_asked = true;
	stop(s, call);
	server_consider(s);
}

struct packed {
	uint8_t *data;
	size_t bytes;
	int r;
	struct err *e;
};

static void pack_stats(void *arg, const struct sandbox_answer *answer)
{
	struct packed *p = arg;

	p->r = answer->r;
	if (p->r < 0)
		*p->e = answer->err;
	else
		p->r = metrics_pack(answer->data, answer->bytes, &p->data, &p->bytes, p->e);
}

/* What the pod's cgroup of the host has counted, or the sum of what its processes use. */
static int pack_metrics(struct server *s, uint8_t **ret, size_t *ret_bytes, struct err *e)
{
	struct packed p = {.r = -EIO, .e = e};

	if (!sandbox_has_cgroup(s->sandbox))
		return host_usage_pack(s->sandbox, ret, ret_bytes, e);
	sandbox_stats(s->sandbox, s->pod->id, pack_stats, &p);
	*ret = p.data;
	*ret_bytes = p.bytes;
	return p.r;
}

HANDLER(tell_metrics, SandboxMetricsRequest)
{
	M(SandboxMetricsResponse)
	a = CONTAINERD__RUNTIME__SANDBOX__V1__SANDBOX_METRICS_RESPONSE__INIT;
	M(Metric) metric = CONTAINERD__RUNTIME__SANDBOX__V1__METRIC__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	const struct pod_sandbox *pod = find(s, call, q->sandbox_id);
	auto_free uint8_t *data = NULL;
	struct timespec now;
	struct err e = {0};

	if (!pod)
		return;
	if (pod->state != POD_READY) {
		ttrpc_fail(call, TTRPC_NOT_FOUND, "the sandbox does not run");
		return;
	}
	if (pack_metrics(s, &data, &any.value.len, &e) < 0) {
		ttrpc_fail_err(call, &e);
		return;
	}
	(void) clock_gettime(CLOCK_REALTIME, &now);

	Google__Protobuf__Timestamp timestamp = timestamp_of(&now);

	any.type_url = (char *) METRICS_TYPE;
	any.value.data = data;
	metric.timestamp = &timestamp;
	metric.id = q->sandbox_id;
	metric.data = &any;
	a.metrics = &metric;
	ttrpc_reply(call, &a.base);
}

static const struct ttrpc_method methods[] = {
	{"CreateSandbox", create_sandbox},
	{"StartSandbox", start_sandbox},
	{"Platform", platform},
	{"StopSandbox", stop_sandbox},
	{"WaitSandbox", wait_sandbox},
	{"SandboxStatus", sandbox_status},
	{"PingSandbox", ping_sandbox},
	{"ShutdownSandbox", shutdown_sandbox},
	{"SandboxMetrics", tell_metrics},
};

const struct ttrpc_service sandbox_service = {
	.descriptor = &containerd__runtime__sandbox__v1__sandbox__descriptor,
	.methods = methods,
	.n_methods = ARRAY_LEN(methods),
};

void sandbox_service_complete(struct server *s, struct sandbox_container *c)
{
	c->complete = pod_files_complete;
	c->complete_arg = s->pod->bundle;
}

bool sandbox_service_knows(const struct server *s, const char *id)
{
	return s->pod && strcmp(s->pod->id, id) == 0;
}

void sandbox_service_consider(struct server *s)
{
	struct pod_sandbox *pod = s->pod;

	if (!pod || !sandbox_is_ended(s->sandbox) ||
	    (pod->state != POD_READY && pod->state != POD_STOPPING))
		return;
	if (pod->state == POD_READY)
		pod->exit_status = LOST_EXIT_CODE;
	leave(s);
}

void sandbox_service_free(struct server *s)
{
	struct pod_sandbox *pod = take_ptr(s->pod);

	if (!pod)
		return;
	pod_config_fini(&pod->config);
	free(pod->spec);
	free(pod->id);
	free(pod->bundle);
	free(pod);
}
