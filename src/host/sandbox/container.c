#include "host/sandbox/container.h"

#include <errno.h>

#include "base/log.h"
#include "host/sandbox/agent_call.h"
#include "host/sandbox/model.h"
#include "host/sandbox/phases.h"
#include "host/sandbox/process.h"
#include "host/sandbox/registry.h"
#include "host/sandbox/rootfs.h"

void after_create(struct guest_container *c, const struct err *e)
{
	struct list *first;

	while ((first = list_first(&c->after_create))) {
		struct after_create *a = container_of(first, struct after_create, link);

		list_remove(first);
		a->fn(a, e);
	}
}

void guest_container_free(struct guest_container *c)
{
	struct err gone = {0};

	if (!c)
		return;
	(void) err_say(&gone, ENOENT, "container '%s' does not exist", c->id);
	list_remove(&c->link);
	after_create(c, &gone);
	oom_forget(c);
	list_for_each (pos, &c->execs)
		guest_process_free(container_of(pos, struct guest_process, link));
	guest_process_free(c->init);
	lingers_free(c);
	(void) volumes_release(&c->volumes, NULL, NULL, NULL);
	worker_free(c->own_worker);
	rootfs_free(c);
	oci_spec_free(c->spec);
	if (c->hooks)
		grpc__hooks__free_unpacked(c->hooks, NULL);
	guest_standin_end(&c->standin);
	guest_standin_await_end(&c->standin);
	room_close(c);
	siblings_free(c);
	fd_close(c->cancel_fd);
	free(c->id);
	free(c->bundle);
	free(c);
}

/* The pid that callers are told for its processes. */
uint32_t guest_container_pid(const struct guest_container *c)
{
	return c->standin.pid ? (uint32_t) c->standin.pid : sandbox_vmm_pid(c->sb);
}

struct container_job *container_job_new(struct guest_container *c, sandbox_done_fn done, void *arg)
{
	struct container_job *j = calloc(1, sizeof *j);

	if (j) {
		j->c = c;
		j->done = done;
		j->arg = arg;
	}
	return j;
}

void container_job_queue(struct container_job *j, worker_run_fn run, worker_done_fn done)
{
	j->job.job.run = run;
	j->job.done = done;
	job_queue(j->c->sb, j->c, &j->job);
}

/* ---- Start ---- */

static int mark_started(void *arg, struct err *e)
{
	(void) e;
	guest_process_started(arg);
	return 0;
}

static int start_run(struct worker_job *job, struct err *e)
{
	struct guest_container *c = container_of(job, struct container_job, job.job)->c;
	struct sandbox *sb = c->sb;
	Grpc__StartContainerRequest start = GRPC__START_CONTAINER_REQUEST__INIT;
	msec_t deadline = clock_deadline(sb->machine.config->agent.create_container_timeout_ms);

	start.container_id = c->id;
	log_debug("step: start the container");

	/* Some engines fill the network namespace between create and start. */
	int r = interfaces_refresh(sb, c->worker, e);

	if (r == 0 && !c->holds_pod)
		r = guest_ask(sb, c->worker, "StartContainer", &start.base, deadline, NULL, e);

	if (r < 0)
		return r;
	interfaces_begun(&sb->machine.interfaces);
	phase_end(&sb->phases, "start");
	(void) worker_on_loop(c->worker, mark_started, c->init, NULL);
	hooks_started(c, (pid_t) guest_container_pid(c));
	return 0;
}

static void start_done(struct worker_job *job, int r, struct err *e)
{
	struct container_job *j = container_of(job, struct container_job, job.job);
	struct guest_container *c = j->c;
	struct sandbox_answer answer = {.pid = guest_container_pid(c)};

	c->init->busy = false;
	answer.r = err_wrap(e, r, "start container '%s'", c->id);
	answer.err = *e;
	j->done(j->arg, &answer);
	free(j);
	sandbox_changed(c->sb);
}

void guest_container_start(struct guest_container *c, sandbox_done_fn done, void *arg)
{
	struct err e = {0};
	struct container_job *j = NULL;

	if (c->init->status != OCI_CREATED || c->init->busy)
		(void) err_say(&e, EBUSY, "cannot start container '%s' that is %s", c->id,
			       oci_status_name(c->init->status));
	else if (!(j = container_job_new(c, done, arg)))
		(void) err_sys(&e, ENOMEM, "start container '%s'", c->id);
	if (e.code) {
		sandbox_refuse(done, arg, &e);
		return;
	}
	c->init->busy = true;
	container_job_queue(j, start_run, start_done);
}
