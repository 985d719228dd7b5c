/* The sandbox: what all containers of a pod have in common, and its end. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/device/device.h"
#include "agent/rpc/member.h"
#include "base/array.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "oci/oci.h"

#define DNS_BYTES_MAX        65536
#define MODULE_PARAMETER_MAX 4096

/* How long DestroySandbox waits for the containers to end. */
#define SANDBOX_END_MS 10000

/* How long the last answer may take to leave. */
#define SANDBOX_GOODBYE_MS 2000

static int set_hostname(const char *name, struct err *e)
{
	if (*name && sethostname(name, strlen(name)) < 0)
		return err_sys(e, errno, "set the hostname '%s'", name);
	return 0;
}

/* Each line of dns is one of resolv.conf. */
static int write_resolv_conf(const Grpc__CreateSandboxRequest *req, struct err *e)
{
	struct buf text;
	int r = 0;

	if (req->n_dns == 0)
		return 0;
	buf_init(&text, DNS_BYTES_MAX);
	for (size_t i = 0; r == 0 && i < req->n_dns; i++) {
		r = buf_append(&text, req->dns[i], strlen(req->dns[i]));
		if (r == 0)
			r = buf_append(&text, "\n", 1);
	}
	if (r < 0)
		(void) err_sys(e, -r, "write '/etc/resolv.conf'");
	else
		r = dir_make("/etc", 0755, e);
	if (r == 0)
		r = file_replace(AT_FDCWD, "/etc/resolv.conf", buf_data(&text), buf_len(&text),
				 0644, e);
	buf_fini(&text);
	return r;
}

static int load_modules(struct rpc *rpc, const Grpc__CreateSandboxRequest *req, struct err *e)
{
	for (size_t i = 0; i < req->n_kernel_modules; i++) {
		const Grpc__KernelModule *m = req->kernel_modules[i];
		struct buf parameters;
		int r = 0;

		buf_init(&parameters, MODULE_PARAMETER_MAX);
		for (size_t k = 0; r == 0 && k < m->n_parameters; k++) {
			r = buf_append(&parameters, m->parameters[k], strlen(m->parameters[k]));
			if (r == 0)
				r = buf_append(&parameters, " ", 1);
		}
		if (r == 0)
			r = buf_append(&parameters, "", 1);
		if (r < 0)
			(void) err_sys(e, -r, "load module '%s'", m->name);
		else
			r = module_load(rpc->config.devices, m->name,
					(const char *) buf_data(&parameters), e);
		buf_fini(&parameters);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The pod gets the agent's own ipc and uts namespaces, because the agent does not use them. */
static int open_namespaces(struct rpc *rpc, struct err *e)
{
	if (rpc->ipc_ns < 0)
		rpc->ipc_ns = open("/proc/self/ns/ipc", O_RDONLY | O_CLOEXEC);
	if (rpc->uts_ns < 0)
		rpc->uts_ns = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
	if (rpc->ipc_ns < 0 || rpc->uts_ns < 0)
		return err_sys(e, errno, "open the namespaces of the sandbox");
	return 0;
}

static int prepare(struct rpc *rpc, const Grpc__CreateSandboxRequest *req, struct err *e)
{
	int r = 0;

	if (*req->sandbox_id)
		r = oci_id_check(req->sandbox_id, e);
	if (r == 0 && *req->guest_hook_path && access(req->guest_hook_path, F_OK) == 0)
		r = err_say(e, ENOTSUP, "guest_hook_path is not supported");
	if (r == 0)
		r = open_namespaces(rpc, e);
	if (r == 0)
		r = set_hostname(req->hostname, e);
	if (r == 0)
		r = write_resolv_conf(req, e);
	if (r == 0)
		r = load_modules(rpc, req, e);
	if (r == 0)
		r = shared_set_sysctls(rpc, req, e);
	return r;
}

static void on_storages(void *arg, int r, const struct err *e)
{
	struct rpc *rpc = arg;
	struct ttrpc_call *call = take_ptr(rpc->sandbox_call);

	if (r == 0) {
		rpc->phase = PHASE_READY;
	} else {
		/* CreateSandbox may be tried again, with an empty hold. */
		storage_hold_free(take_ptr(rpc->hold));
		if (storage_hold_new(rpc->storages, &rpc->hold, NULL) < 0)
			rpc->phase = PHASE_ENDING;
	}
	ttrpc_answer(call, r, e);
}

void sandbox_create(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	const Grpc__CreateSandboxRequest *req = request;
	struct err e = {0};
	int r;

	if (rpc->sandbox_call)
		r = err_say(&e, EBUSY, "the sandbox is still being made");
	else
		r = prepare(rpc, req, &e);
	if (r < 0) {
		ttrpc_answer(call, r, &e);
		return;
	}

	struct storage_order order = {
		.list = req->storages,
		.n = req->n_storages,
		.owner = req->sandbox_id,
		.hold = rpc->hold,
		.shared = rpc->hold,
	};

	rpc->shares_pid_ns = req->sandbox_pidns;
	rpc->sandbox_call = call;
	devices_see_plugs(rpc->config.devices);
	storages_acquire(rpc->storages, &order, on_storages, rpc, &rpc->sandbox_job);
}

/* The host may switch the VM off after the next answer, so a disk must be clean by then. Without a
 * disk nothing can be lost: writes to the host's folders go through at once, those to mapped pages
 * when the process ends, and the rest is memory. Unmounting would only take time. */
static void let_storages_go(struct rpc *rpc)
{
	if (!devices_any_disk(rpc->config.devices))
		return;
	storage_hold_free(take_ptr(rpc->hold));
	sync();
}

void members_free(struct rpc *rpc)
{
	while (!list_empty(&rpc->members)) {
		struct member *m = container_of(list_first(&rpc->members), struct member, link);

		if (m->creation)
			creation_cancel(m->creation);
		else
			member_free(m);
	}
}

static void end(struct rpc *rpc)
{
	struct ttrpc_call *call = take_ptr(rpc->sandbox_call);

	loop_timer_cancel(take_ptr(rpc->end_timer));
	members_free(rpc);
	let_storages_go(rpc);
	ttrpc_answer(call, 0, NULL);
	if (ttrpc_server_flush(rpc->server, clock_deadline(SANDBOX_GOODBYE_MS)) < 0)
		log_warn("ignoring that the host does not hear the last answer");
	rpc->config.finished(rpc->config.arg);
}

static void on_end_timer(void *arg)
{
	struct rpc *rpc = arg;

	rpc->end_timer = NULL;
	log_warn("ignoring that containers do not end");
	end(rpc);
}

static void on_removed(void *arg, int r, const struct err *e)
{
	struct rpc *rpc = arg;

	if (r < 0)
		log_err(LOG_WARN, e, "ignoring");
	if (--rpc->ending == 0)
		end(rpc);
}

static void remove_one(struct rpc *rpc, struct member *m)
{
	struct err e = {0};

	rpc->ending++;
	if (container_remove(m->container, on_removed, rpc, &e) < 0)
		on_removed(rpc, -e.code, &e);
}

/* Removes every container. rpc->ending begins with 1, so that end() waits until all were asked. */
static void remove_all(struct rpc *rpc)
{
	rpc->ending = 1;
	list_for_each (pos, &rpc->members) {
		struct member *m = container_of(pos, struct member, link);

		if (m->creation)
			creation_cancel(m->creation);
		else if (m->container && !m->removing)
			remove_one(rpc, m);
	}
	on_removed(rpc, 0, NULL);
}

void sandbox_destroy(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	struct err e = {0};
	int r = 0;

	(void) request;
	if (rpc->sandbox_call)
		r = err_say(&e, EBUSY, "the sandbox is still being made");
	else
		r = loop_timer(rpc->config.loop, clock_deadline(SANDBOX_END_MS), on_end_timer, rpc,
			       &rpc->end_timer, &e);
	if (r < 0) {
		ttrpc_answer(call, r, &e);
		return;
	}
	rpc->phase = PHASE_ENDING;
	rpc->sandbox_call = call;
	remove_all(rpc);
}
