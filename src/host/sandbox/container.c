#include "host/sandbox/container.h"

#include <errno.h>

#include "base/log.h"

void guest_container_free(struct guest_container *c)
{
	if (!c)
		return;
	list_remove(&c->link);
	oom_forget(c);
	list_for_each (pos, &c->execs)
		guest_process_free(container_of(pos, struct guest_process, link));
	guest_process_free(c->init);
	lingers_free(c);
	(void) volumes_release(&c->volumes, NULL, NULL);
	oci_spec_free(c->spec);
	if (c->hooks)
		grpc__hooks__free_unpacked(c->hooks, NULL);
	room_close(c);
	free(c->id);
	free(c->bundle);
	free(c);
}

void container_job_free(struct container_job *j)
{
	free(j->config_path);
	free(j);
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

/* ---- Start ---- */

static void mark_started(void *arg)
{
	struct guest_container *c = arg;

	guest_process_started(c->init);
	worker_resume(c->sb->worker);
}

static int start_run(struct worker_job *job, struct err *e)
{
	struct guest_container *c = container_of(job, struct container_job, job)->c;
	struct sandbox *sb = c->sb;
	Grpc__StartContainerRequest start = GRPC__START_CONTAINER_REQUEST__INIT;
	msec_t deadline = clock_deadline(sb->config->agent.create_container_timeout_ms);

	start.container_id = c->id;
	log_debug("step: start the container");

	int r = guest_ask(sb, "StartContainer", &start.base, deadline, NULL, e);

	if (r < 0)
		return r;
	phase_end(sb, "start");
	worker_on_loop(sb->worker, mark_started, c);
	hooks_started(c);
	return 0;
}

static void start_done(struct worker_job *job, int r, struct err *e)
{
	struct container_job *j = container_of(job, struct container_job, job);
	struct guest_container *c = j->c;
	struct sandbox_answer answer = {.pid = sandbox_vmm_pid(c->sb)};

	c->init->busy = false;
	answer.r = err_wrap(e, r, "start container '%s'", c->id);
	answer.err = *e;
	j->done(j->arg, &answer);
	container_job_free(j);
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
	j->job = (struct worker_job){.run = start_run, .done = start_done};
	worker_run(c->sb->worker, &j->job);
}

/* ---- Delete ---- */

void remove_from_guest(struct guest_container *c)
{
	Grpc__RemoveContainerRequest remove = GRPC__REMOVE_CONTAINER_REQUEST__INIT;
	struct err e = {0};

	log_debug("step: remove the container");
	remove.container_id = c->id;
	if (c->in_guest && c->sb->booted &&
	    guest_ask(c->sb, "RemoveContainer", &remove.base, clock_deadline(AGENT_TIMEOUT_MS),
		      NULL, &e) < 0 &&
	    e.code != ECONNRESET)
		log_err(LOG_WARN, &e, "ignoring, while a container is removed");
	c->in_guest = false;
}

/* Runs on the loop, because sandbox_room() hands the view out there. */
static void close_room(void *arg)
{
	struct guest_container *c = arg;

	room_close(c);
	worker_resume(c->sb->worker);
}

static int delete_run(struct worker_job *job, struct err *e)
{
	struct container_job *j = container_of(job, struct container_job, job);
	struct guest_container *c = j->c;
	struct sandbox *sb = c->sb;
	int r = 0;

	remove_from_guest(c);
	worker_on_loop(sb->worker, close_room, c);
	if (j->is_last)
		teardown(sb);
	else if (sb->share)
		r = volumes_release(&c->volumes, sb->share, e);
	hooks_stopped(c);
	return r;
}

static void delete_done(struct worker_job *job, int r, struct err *e)
{
	struct container_job *j = container_of(job, struct container_job, job);
	struct guest_container *c = j->c;
	struct sandbox *sb = c->sb;
	struct sandbox_answer answer = {
		.pid = sandbox_vmm_pid(sb),
		.exit_status = c->init->exit_status,
		.exited_at = c->init->exited_at,
	};

	if (j->is_last)
		sb->state = SANDBOX_ENDED;
	answer.r = err_wrap(e, r, "delete container '%s'", c->id);
	answer.err = *e;
	c->init->busy = false;
	if (r == 0)
		guest_container_free(c);
	j->done(j->arg, &answer);
	container_job_free(j);
	/* Two deletes were queued at once: neither saw itself as the last, so look again now. */
	if (sb->state == SANDBOX_READY && list_empty(&sb->containers))
		teardown_later(sb);
	sandbox_changed(sb);
}

/* A delete that waits for the output of a first process that has ended. */
struct late_delete {
	struct sandbox_wait wait;
	struct guest_container *c;
	sandbox_done_fn done;
	void *arg;
};

static void flushed(void *arg, const struct sandbox_answer *answer)
{
	struct late_delete *l = arg;

	if (answer->r < 0)
		l->done(l->arg, answer);
	else
		guest_container_delete(l->c, l->done, l->arg);
	free(l);
}

/* Waits until the output is written; stdio_hurry() drops the rest if the user does not read. */
static void delete_when_flushed(struct guest_container *c, sandbox_done_fn done, void *arg)
{
	struct late_delete *l = calloc(1, sizeof *l);
	struct err e = {0};

	if (!l) {
		(void) err_sys(&e, ENOMEM, "delete container '%s'", c->id);
		sandbox_refuse(done, arg, &e);
		return;
	}
	*l = (struct late_delete){.c = c, .done = done, .arg = arg};
	l->wait = (struct sandbox_wait){.done = flushed, .arg = l};
	(void) sandbox_wait(c->sb, c->id, "", &l->wait, NULL);
	stdio_hurry(c->init->io, KILLED_FLUSH_MS);
}

void guest_container_delete(struct guest_container *c, sandbox_done_fn done, void *arg)
{
	struct sandbox *sb = c->sb;
	struct err e = {0};
	struct container_job *j = NULL;

	if (!c->init->busy && c->init->status != OCI_STOPPED &&
	    guest_process_status(c->init) == OCI_STOPPED) {
		delete_when_flushed(c, done, arg);
		return;
	}
	if (c->init->busy || c->init->status == OCI_RUNNING || c->init->status == OCI_PAUSED)
		(void) err_say(&e, EBUSY, "cannot delete container '%s' that is %s", c->id,
			       c->init->busy ? "being worked on"
					     : oci_status_name(c->init->status));
	else if (!(j = container_job_new(c, done, arg)))
		(void) err_sys(&e, ENOMEM, "delete container '%s'", c->id);
	if (e.code) {
		sandbox_refuse(done, arg, &e);
		return;
	}
	c->init->busy = true;
	j->is_last = sb->containers.next == &c->link && sb->containers.prev == &c->link;
	if (j->is_last)
		sb->state = SANDBOX_ENDING; /* no container can be added any more */
	j->job = (struct worker_job){.run = delete_run, .done = delete_done};
	worker_run(sb->worker, &j->job);
}
