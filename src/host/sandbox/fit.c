#include "host/sandbox/fit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "host/sandbox/agent_call.h"
#include "host/sandbox/cgroups.h"
#include "host/sandbox/registry.h"

/* How long the guest may take to give memory back, which nobody waits for. */
#define SHRINK_TIMEOUT_MS 5000

/* ---- the size that is wanted ---- */

static struct hv_size wanted_size(const struct sandbox *sb)
{
	struct host_size host = host_size();
	struct machine_need sum = {0};

	list_for_each (pos, &sb->containers) {
		const struct guest_container *c = container_of(pos, struct guest_container, link);

		if (c->counts && !c->holds_pod)
			machine_need_add(&sum, &c->need);
	}

	struct machine_size size = machine_size(&sb->machine.config->hypervisor, &sum, &host);

	return (struct hv_size){size.vcpus, size.memory_bytes};
}

static struct hv_size size_now(const struct machine *m)
{
	struct hv_info info = {0};

	hv_describe(m->hv, &info);
	return (struct hv_size){info.vcpus, info.memory_bytes};
}

/* ---- the job ---- */

struct fit_job {
	struct sandbox_job job;
	struct sandbox *sb;
	struct hv_size want;
	sandbox_done_fn done; /* NULL: nobody waits */
	void *arg;
};

/* Has the agent take into use what comes: memory, for which it loads the driver, before it comes;
 * @n_vcpus after they have come. */
static int online(struct fit_job *j, uint32_t n_vcpus, msec_t deadline, struct err *e)
{
	Grpc__OnlineCPUMemRequest request = GRPC__ONLINE_CPUMEM_REQUEST__INIT;

	request.wait = request.cpu_only = n_vcpus > 0;
	request.nb_cpus = n_vcpus;
	return guest_ask(j->sb, j->job.job.worker, "OnlineCPUMem", &request.base, deadline, NULL,
			 e);
}

static int resize(struct fit_job *j, msec_t deadline, struct hv_size *now, struct err *e)
{
	const struct hv_size before = size_now(&j->sb->machine);
	bool more = j->want.memory_bytes > before.memory_bytes;
	int r = more ? online(j, 0, deadline, e) : 0;

	*now = before;
	if (r == 0)
		r = hv_resize(j->sb->machine.hv, &j->want, deadline, now, e);
	if (r == 0 && now->vcpus > before.vcpus)
		r = cgroups_place_vcpus(j->sb, deadline, e);
	if (r == 0 && now->vcpus > before.vcpus)
		r = online(j, now->vcpus - before.vcpus, deadline, e);
	return r;
}

static int fit_run(struct worker_job *job, struct err *e)
{
	struct fit_job *j = container_of(job, struct fit_job, job.job);
	uint32_t create_ms = j->sb->machine.config->agent.create_container_timeout_ms;
	struct hv_size now;

	log_debug("step: resize the machine");

	int r = resize(j, clock_deadline(j->done ? create_ms : SHRINK_TIMEOUT_MS), &now, e);

	log_debug("the machine has %u vCPUs and %llu MiB of memory", now.vcpus,
		  (unsigned long long) now.memory_bytes >> 20);
	if (r == 0 && now.memory_bytes < j->want.memory_bytes)
		log_warn("the machine keeps %llu MiB of memory, the limits of its containers need "
			 "%llu",
			 (unsigned long long) now.memory_bytes >> 20,
			 (unsigned long long) j->want.memory_bytes >> 20);
	return r;
}

static void fit_done(struct worker_job *job, int r, struct err *e)
{
	struct fit_job *j = container_of(job, struct fit_job, job.job);
	struct sandbox *sb = j->sb;
	const struct sandbox_answer answer = {.r = r, .err = *e};

	if (j->done)
		j->done(j->arg, &answer);
	else if (r < 0)
		log_err(LOG_INFO, e, "ignoring: the machine keeps more than it needs");
	free(j);
	sandbox_changed(sb);
}

static bool may_change(const struct sandbox *sb)
{
	return sb->machine.may_grow && sb->state == SANDBOX_READY && !sb->cause.is_known;
}

static void fit(struct sandbox *sb, sandbox_done_fn done, void *arg)
{
	const struct hv_size want = wanted_size(sb), now = size_now(&sb->machine);
	const struct sandbox_answer fits = {0};
	struct fit_job *j = NULL;
	struct err e = {0};

	if (want.vcpus <= now.vcpus && want.memory_bytes == now.memory_bytes) {
		if (done)
			done(arg, &fits);
		return;
	}
	j = calloc(1, sizeof *j);
	if (!j) {
		(void) err_sys(&e, ENOMEM, "resize the machine");
		if (done)
			sandbox_refuse(done, arg, &e);
		return;
	}
	*j = (struct fit_job){
		.job = {.job.run = fit_run, .done = fit_done, .worker = sb->machine.sizer},
		.sb = sb,
		.want = want,
		.done = done,
		.arg = arg,
	};
	job_queue(sb, NULL, &j->job);
}

void machine_fit(struct sandbox *sb, sandbox_done_fn done, void *arg)
{
	const struct sandbox_answer cannot = {0};

	if (may_change(sb))
		fit(sb, done, arg);
	else
		done(arg, &cannot);
}

/* The machine of the last container ends soon. */
void machine_shrink(struct sandbox *sb)
{
	if (may_change(sb) && !list_empty(&sb->containers))
		fit(sb, NULL, NULL);
}

/* ---- Update ---- */

/* Names the container, because it may be deleted meanwhile. */
struct update {
	struct sandbox_job job;
	struct sandbox *sb;
	char *id;
	Grpc__LinuxResources *resources;
	struct machine_need before, after;
	uint64_t pod_milli; /* as cgroups_update_pod() has it */
	sandbox_done_fn done;
	void *arg;
};

static void update_free(struct update *u)
{
	if (!u)
		return;
	oci_resources_free(u->resources);
	free(u->id);
	free(u);
}

static void end_update(struct update *u, const struct sandbox_answer *answer)
{
	struct guest_container *c = sandbox_find(u->sb, u->id, NULL);

	if (c)
		c->need = answer->r < 0 ? u->before : u->after;
	machine_shrink(u->sb);
	u->done(u->arg, answer);
	update_free(u);
}

static void updated(void *arg, const struct sandbox_answer *answer)
{
	end_update(arg, answer);
}

/* What the containers of a pod may use once @updated has @updated_milli, for
 * cgroups_update_pod(). */
static uint64_t pod_cpu_milli(const struct sandbox *sb, const struct guest_container *updated,
			      uint64_t updated_milli)
{
	uint64_t sum = 0;

	list_for_each (pos, &sb->containers) {
		const struct guest_container *c = container_of(pos, struct guest_container, link);
		uint64_t milli = c == updated ? updated_milli : c->need.cpu_milli;

		if (!c->counts || c->holds_pod)
			continue;
		if (!milli)
			return 0;
		sum += milli;
	}
	return sum;
}

static void grown(void *arg, const struct sandbox_answer *answer)
{
	struct update *u = arg;
	Grpc__UpdateContainerRequest update = GRPC__UPDATE_CONTAINER_REQUEST__INIT;

	if (answer->r < 0) {
		end_update(u, answer);
		return;
	}
	update.container_id = u->id;
	update.resources = u->resources;
	agent_ask(u->sb, "UpdateContainer", &update.base, NULL, updated, u);
}

/* A job, because systemd is told, which may keep silent for seconds. The host's limits come first:
 * if one cannot be set, nothing has changed in the guest. */
static int limit_run(struct worker_job *job, struct err *e)
{
	struct update *u = container_of(job, struct update, job.job);
	int r;

	log_debug("step: limit the sandbox");
	r = cgroups_update(u->sb, u->resources, e);
	return r < 0 ? r : cgroups_update_pod(u->sb, u->pod_milli, e);
}

static void limit_done(struct worker_job *job, int r, struct err *e)
{
	struct update *u = container_of(job, struct update, job.job);
	struct sandbox *sb = u->sb;
	const struct sandbox_answer answer = {.r = r, .err = *e};

	if (r < 0)
		end_update(u, &answer);
	else
		machine_fit(sb, grown, u);
	sandbox_changed(sb);
}

void sandbox_update(struct sandbox *sb, const char *id, Grpc__LinuxResources *take_resources,
		    sandbox_done_fn done, void *arg)
{
	struct err e = {0};
	struct guest_container *c = sandbox_find_in_guest(sb, id, &e);
	struct update *u = calloc(1, sizeof *u);

	if (c && (!u || !(u->id = strdup(id))))
		(void) err_sys(&e, ENOMEM, "update container '%s'", id);
	if (u)
		u->resources = take_resources;
	else
		oci_resources_free(take_resources);
	if (e.code) {
		update_free(u);
		sandbox_refuse(done, arg, &e);
		return;
	}
	u->job = (struct sandbox_job){
		.job.run = limit_run, .done = limit_done, .worker = sb->machine.sizer};
	u->sb = sb;
	u->before = c->need;
	u->after = machine_need_updated(&c->need, take_resources);
	u->pod_milli = pod_cpu_milli(sb, c, u->after.cpu_milli);
	u->done = done;
	u->arg = arg;
	c->need = machine_need_most(&u->before, &u->after);
	job_queue(sb, NULL, &u->job);
}
