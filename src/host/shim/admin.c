#include <errno.h>
#include <string.h>

#include "agent.pb-c.h"
#include "base/array.h"
#include "base/fd.h"
#include "host/shim/oom.h"
#include "host/shim/process_list.h"
#include "host/shim/server.h"
#include "host/shim/wait.h"
#include "kata.pb-c.h"

static void listed(void *arg, const struct sandbox_answer *answer)
{
	Kata__V1__ListProcessesResponse a = KATA__V1__LIST_PROCESSES_RESPONSE__INIT;
	auto_ptr(ttrpc_message_free) ProtobufCMessage *m = NULL;
	auto_free char *text = NULL;
	struct err e = {0};

	if (answer->r < 0) {
		ttrpc_fail_err(arg, &answer->err);
		return;
	}
	if (ttrpc_unpack(&grpc__list_processes_response__descriptor, answer->data, answer->bytes,
			 &m, &e) < 0) {
		ttrpc_fail_err(arg, &e);
		return;
	}

	const ProtobufCBinaryData *list = &((Grpc__ListProcessesResponse *) m)->process_list;

	if (process_list_print(list->data, list->len, &text, &e) < 0) {
		ttrpc_fail_err(arg, &e);
		return;
	}
	a.process_list = (ProtobufCBinaryData){.data = (uint8_t *) text, .len = strlen(text)};
	ttrpc_reply(arg, &a.base);
}

static void list_processes(struct ttrpc_call *call, const ProtobufCMessage *request, void *arg)
{
	const Kata__V1__ListProcessesRequest *q = (const void *) request;
	struct server *s = arg;

	sandbox_processes(s->sandbox, q->id, q->format, listed, call);
}

static void describe(struct ttrpc_call *call, const ProtobufCMessage *request, void *arg)
{
	struct server *s = arg;
	Kata__V1__DescribeResponse a = KATA__V1__DESCRIBE_RESPONSE__INIT;
	Kata__V1__Phase phases[SANDBOX_PHASES_MAX];
	Kata__V1__Phase *list[SANDBOX_PHASES_MAX];
	struct sandbox_description d;

	(void) request;
	sandbox_describe(s->sandbox, &d);
	a.hypervisor = (char *) d.hypervisor;
	a.accelerator = (char *) d.accelerator;
	a.accelerator_reason = d.accelerator_reason;
	a.vmm_pid = d.vmm_pid;
	for (size_t i = 0; i < d.n_phases; i++) {
		kata__v1__phase__init(&phases[i]);
		phases[i].name = (char *) d.phases[i].name;
		phases[i].microseconds = d.phases[i].us;
		list[i] = &phases[i];
	}
	a.phases = list;
	a.n_phases = d.n_phases;
	ttrpc_reply(call, &a.base);
}

static void room(struct ttrpc_call *call, const ProtobufCMessage *request, void *arg)
{
	const Kata__V1__RoomRequest *q = (const void *) request;
	struct server *s = arg;
	auto_close int sock = ttrpc_call_take_fd(call, 0);
	const int *fds;
	size_t n_fds;
	struct err e = {0};
	pid_t pid = 0;
	int r = sock < 0 ? err_say(&e, EINVAL, "no socket came with the request") : 0;

	if (r == 0)
		r = fd_peer_pid(sock, &pid);
	if (r == 0)
		r = sandbox_room(s->sandbox, q->id, pid, &fds, &n_fds, &e);
	if (r == 0)
		r = sandbox_place(s->sandbox, pid, &e);
	/* Non-blocking: a caller with a full socket gets an error and does not block the loop. */
	if (r == 0)
		r = fd_set_nonblock(sock, true);
	if (r == 0)
		r = (int) fd_send(sock, "", 1, fds, n_fds);
	if (r < 0 && !e.code)
		(void) err_sys(&e, -r, "send the namespaces of '%s'", q->id);
	ttrpc_answer(call, r, &e);
}

#define HOST_PIDS_MAX 1024

static void host_pids(struct ttrpc_call *call, const ProtobufCMessage *request, void *arg)
{
	const Kata__V1__HostPidsRequest *q = (const void *) request;
	Kata__V1__HostPidsResponse a = KATA__V1__HOST_PIDS_RESPONSE__INIT;
	uint32_t pids[HOST_PIDS_MAX];

	a.n_pids = wait_host_pids(arg, q->id, pids, ARRAY_LEN(pids));
	a.pids = pids;
	ttrpc_reply(call, &a.base);
}

static const struct ttrpc_method methods[] = {
	{"ListProcesses", list_processes}, {"Describe", describe},
	{"AwaitOom", await_oom},           {"Room", room},
	{"HostPids", host_pids},
};

const struct ttrpc_service admin_service = {
	.descriptor = &kata__v1__admin__descriptor,
	.methods = methods,
	.n_methods = ARRAY_LEN(methods),
};
