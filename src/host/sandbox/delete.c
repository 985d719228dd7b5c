/* The end of a container: out of the guest and the share, then its poststop hooks. */
#include <errno.h>

#include "base/log.h"
#include "host/sandbox/agent_call.h"
#include "host/sandbox/container.h"
#include "host/sandbox/fit.h"
#include "host/sandbox/model.h"
#include "host/sandbox/process.h"
#include "host/sandbox/registry.h"

void remove_from_guest(struct guest_container *c)
{
	Grpc__RemoveContainerRequest remove = GRPC__REMOVE_CONTAINER_REQUEST__INIT;
	struct err e = {0};

	log_debug("step: remove the container");
	remove.container_id = c->id;
	if (c->in_guest && c->sb->machine.booted &&
	    guest_ask(c->sb, c->worker, "RemoveContainer", &remove.base,
		      clock_deadline(AGENT_TIMEOUT_MS), NULL, &e) < 0 &&
	    e.code != ECONNRESET)
		log_err(LOG_WARN, &e, "ignoring, while a container is removed");
	c->in_guest = false;
}

static int take_out(struct guest_container *c, struct err *e)
{
	remove_from_guest(c);
	struct machine *m = &c->sb->machine;

	close_room(c);
	return m->share ? volumes_release(&c->volumes, m->share, &m->disks.lender, e) : 0;
}

static int remove_run(struct worker_job *job, struct err *e)
{
	return take_out(container_of(job, struct container_job, job.job)->c, e);
}

static int delete_run(struct worker_job *job, struct err *e)
{
	struct container_job *j = container_of(job, struct container_job, job.job);
	int r = j->is_removed ? 0 : take_out(j->c, e);

	if (r == 0)
		hooks_stopped(j->c);
	return r;
}

static struct sandbox_answer answer_delete(const struct guest_container *c, int r, struct err *e)
{
	struct sandbox_answer answer = {
		.pid = guest_container_pid(c),
		.exit_status = c->init->exit_status,
		.exited_at = c->init->exited_at,
	};

	answer.r = err_wrap(e, r, "delete container '%s'", c->id);
	answer.err = *e;
	return answer;
}

/* The container stays busy, because sandbox_delete() must follow. */
static void remove_done(struct worker_job *job, int r, struct err *e)
{
	struct container_job *j = container_of(job, struct container_job, job.job);
	struct guest_container *c = j->c;
	struct sandbox *sb = c->sb;
	const struct sandbox_answer answer = answer_delete(c, r, e);

	c->removed = r == 0;
	c->init->busy = c->removed;
	j->done(j->arg, &answer);
	free(j);
	sandbox_changed(sb);
}

static void delete_done(struct worker_job *job, int r, struct err *e)
{
	struct container_job *j = container_of(job, struct container_job, job.job);
	struct guest_container *c = j->c;
	struct sandbox *sb = c->sb;
	const struct sandbox_answer answer = answer_delete(c, r, e);

	c->init->busy = false;
	if (r == 0) {
		guest_container_free(c);
		machine_shrink(sb);
	}
	j->done(j->arg, &answer);
	free(j);
	sandbox_changed(sb);
}

/* A container that is to be removed, and deleted or not. */
struct removal {
	struct after_create after; /* while the container is being created */
	struct sandbox_wait wait;  /* for the output of a first process that has ended */
	struct guest_container *c;
	bool deletes;
	sandbox_done_fn done;
	void *arg;
};

static void begin(const struct removal *x);

static void flushed(void *arg, const struct sandbox_answer *answer)
{
	struct removal *x = arg;

	if (answer->r < 0)
		x->done(x->arg, answer);
	else
		begin(x);
	free(x);
}

/* A copy that can wait. NULL: refused. */
static struct removal *keep(const struct removal *now)
{
	struct removal *x = calloc(1, sizeof *x);
	struct err e = {0};

	if (x) {
		*x = *now;
	} else {
		(void) err_sys(&e, ENOMEM, "delete container '%s'", now->c->id);
		sandbox_refuse(now->done, now->arg, &e);
	}
	return x;
}

static void create_ended(struct after_create *a, const struct err *e)
{
	auto_free struct removal *x = container_of(a, struct removal, after);

	if (e)
		sandbox_refuse(x->done, x->arg, e);
	else
		begin(x);
}

static void begin_when_created(const struct removal *now)
{
	struct removal *x = keep(now);

	if (!x)
		return;
	x->after.fn = create_ended;
	list_add(&x->c->after_create, &x->after.link);
}

/* Waits until the output is written; stdio_hurry() drops the rest if the user does not read. */
static void begin_when_flushed(const struct removal *now)
{
	struct guest_container *c = now->c;
	struct removal *x = keep(now);

	if (!x)
		return;
	x->wait = (struct sandbox_wait){.done = flushed, .arg = x};
	(void) sandbox_wait(c->sb, c->id, "", &x->wait, NULL);
	stdio_hurry(c->init->io, KILLED_FLUSH_MS);
}

static void begin(const struct removal *x)
{
	struct guest_container *c = x->c;
	bool is_removed = x->deletes && c->removed;
	bool busy = c->init->busy && !is_removed;
	struct err e = {0};
	struct container_job *j = NULL;

	if (c->creating) {
		begin_when_created(x);
		return;
	}
	if (!c->init->busy && c->init->status != OCI_STOPPED &&
	    guest_process_status(c->init) == OCI_STOPPED) {
		begin_when_flushed(x);
		return;
	}
	if (busy || c->init->status == OCI_RUNNING || c->init->status == OCI_PAUSED)
		(void) err_say(&e, EBUSY, "cannot delete container '%s' that is %s", c->id,
			       busy ? "being worked on" : oci_status_name(c->init->status));
	else if (!(j = container_job_new(c, x->done, x->arg)))
		(void) err_sys(&e, ENOMEM, "delete container '%s'", c->id);
	if (e.code) {
		sandbox_refuse(x->done, x->arg, &e);
		return;
	}
	c->init->busy = true;
	c->removed = false;
	j->is_removed = is_removed;
	if (x->deletes)
		container_job_queue(j, delete_run, delete_done);
	else
		container_job_queue(j, remove_run, remove_done);
}

void guest_container_delete(struct guest_container *c, sandbox_done_fn done, void *arg)
{
	begin(&(struct removal){.c = c, .deletes = true, .done = done, .arg = arg});
}

void sandbox_remove_container(struct sandbox *sb, const char *id, sandbox_done_fn done, void *arg)
{
	struct err e = {0};
	struct guest_container *c = sandbox_find(sb, id, &e);

	if (c)
		begin(&(struct removal){.c = c, .done = done, .arg = arg});
	else
		sandbox_refuse(done, arg, &e);
}
