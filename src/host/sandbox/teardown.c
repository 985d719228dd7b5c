#include <errno.h>

#include "base/log.h"
#include "host/sandbox/agent_call.h"
#include "host/sandbox/cause.h"
#include "host/sandbox/cgroups.h"
#include "host/sandbox/console.h"
#include "host/sandbox/machine.h"
#include "host/sandbox/model.h"
#include "host/sandbox/process.h"
#include "host/sandbox/registry.h"

/* The guest writes out its caches within this time; a machine that takes longer is killed. */
#define DESTROY_TIMEOUT_MS 10000
#define STOP_TIMEOUT_MS    10000

static int close_line(void *arg, struct err *e)
{
	struct sandbox *sb = arg;

	(void) e;
	sandbox_end_processes(sb);
	consoles_end(sb);
	forwards_end(sb);
	agent_client_free(take_ptr(sb->agent.client));
	return 0;
}

static int free_machine(void *arg, struct err *e)
{
	struct machine *m = arg;

	(void) e;
	interfaces_unwatch(&m->interfaces);
	interfaces_unwatch_egress(&m->interfaces);
	hv_free(take_ptr(m->hv));
	virtiofsd_free(take_ptr(m->virtiofsd));
	return 0;
}

static int expect_end(void *arg, struct err *e)
{
	struct sandbox *sb = arg;

	(void) e;
	sb->state = SANDBOX_ENDING; /* from now on the connection may break */
	cause_expect_end(sb);
	return 0;
}

static void say_goodbye(struct sandbox *sb)
{
	Grpc__DestroySandboxRequest destroy = GRPC__DESTROY_SANDBOX_REQUEST__INIT;
	struct err e = {0};

	/* The agent may hang up before its answer arrives, because the guest is switching off. */
	if (guest_ask(sb, sb->machine.worker, "DestroySandbox", &destroy.base,
		      clock_deadline(DESTROY_TIMEOUT_MS), NULL, &e) < 0 &&
	    e.code != ECONNRESET)
		log_err(LOG_WARN, &e, "ignoring, while the guest is shut down");
}

static void stop_machine(struct machine *m)
{
	struct err e = {0};

	/* Beside the machine, because the end of either takes a while. What it has not answered yet
	 * is lost with the machine anyway. */
	if (m->virtiofsd)
		virtiofsd_begin_stop(m->virtiofsd);
	if (m->hv && hv_stop(m->hv, clock_deadline(STOP_TIMEOUT_MS), &e) < 0)
		log_err(LOG_ERROR, &e, "ignoring, while the machine is stopped");
	err_clear(&e);
	if (m->virtiofsd && virtiofsd_stop(m->virtiofsd, clock_deadline(STOP_TIMEOUT_MS), &e) < 0)
		log_err(LOG_ERROR, &e, "ignoring, while the machine is stopped");
}

static int drop_line(void *arg, struct err *e)
{
	struct sandbox *sb = arg;

	(void) e;
	agent_client_free(take_ptr(sb->agent.client));
	sb->agent.is_known = false;
	return 0;
}

void machine_drop(struct sandbox *sb)
{
	struct machine *m = &sb->machine;

	(void) worker_on_loop(m->worker, drop_line, sb, NULL);
	stop_machine(m);
	disks_reclaim(&m->disks);
	(void) worker_on_loop(m->worker, free_machine, m, NULL);
	interfaces_reclaim(&m->interfaces);
	m->vmm_user_fd = fd_close(m->vmm_user_fd);
	m->booted = m->from_template = false;
}

static void remove_share(struct machine *m)
{
	struct err e = {0};

	if (share_close(take_ptr(m->share), &e) < 0)
		log_err(LOG_ERROR, &e, "ignoring, while the share is removed");
}

void teardown(struct sandbox *sb)
{
	struct machine *m = &sb->machine;

	log_debug("step: say goodbye");
	(void) worker_on_loop(m->worker, expect_end, sb, NULL);
	if (m->booted)
		say_goodbye(sb);
	m->booted = false;
	(void) worker_on_loop(m->worker, close_line, sb, NULL);
	log_debug("step: stop the machine");
	cgroups_begin_leave(sb);
	interfaces_begin_end(&m->interfaces);
	stop_machine(m);
	disks_forget(&m->disks);
	(void) worker_on_loop(m->worker, free_machine, m, NULL);
	interfaces_end(&m->interfaces);
	cgroups_remove(sb);
	log_debug("step: remove the share");
	remove_share(m);
	notes_remove(sb);
}

struct teardown_job {
	struct sandbox_job job;
	struct sandbox *sb;
	sandbox_done_fn done; /* NULL: nobody asked for it */
	void *arg;
};

static int run(struct worker_job *job, struct err *e)
{
	(void) e;
	teardown(container_of(job, struct teardown_job, job.job)->sb);
	return 0;
}

static void done(struct worker_job *job, int r, struct err *e)
{
	struct teardown_job *t = container_of(job, struct teardown_job, job.job);
	const struct sandbox_answer answer = {0};
	struct sandbox *sb = t->sb;

	(void) r, (void) e;
	sb->state = SANDBOX_ENDED;
	if (t->done)
		t->done(t->arg, &answer);
	free(t);
	sandbox_changed(sb);
}

static bool queue_teardown(struct sandbox *sb, sandbox_done_fn fn, void *arg)
{
	struct teardown_job *t = calloc(1, sizeof *t);

	sb->state = SANDBOX_ENDING;
	if (!t)
		return false;
	*t = (struct teardown_job){
		.job = {.job.run = run, .done = done, .lets_pass = true},
		.sb = sb,
		.done = fn,
		.arg = arg,
	};
	job_queue(sb, NULL, &t->job);
	return true;
}

void teardown_later(struct sandbox *sb)
{
	/* The kernel removes the machine when the server ends. */
	if (!queue_teardown(sb, NULL, NULL))
		log_error("out of memory: the machine is not torn down");
}

void sandbox_stop(struct sandbox *sb, sandbox_done_fn fn, void *arg)
{
	struct err e = {0};

	if (sb->state != SANDBOX_READY)
		(void) err_say(&e, EBUSY, "the sandbox is not ready");
	else if (!queue_teardown(sb, fn, arg))
		(void) err_sys(&e, ENOMEM, "stop the sandbox");
	if (e.code)
		sandbox_refuse(fn, arg, &e);
}
