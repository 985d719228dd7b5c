#include "host/sandbox/jobs.h"

#include "host/sandbox/model.h"

static bool may_begin(const struct jobs *jobs, const struct sandbox_job *j)
{
	return !jobs->of_machine && (j->container || j->worker || jobs->beside == 0);
}

static void begin(struct sandbox_job *j)
{
	struct sandbox *sb = j->sb;
	struct guest_container *c = j->container;

	if (!c && !j->worker) {
		sb->jobs.of_machine = true;
		worker_run(sb->machine.worker, &j->job);
		return;
	}
	sb->jobs.beside++;
	if (j->worker) {
		worker_run(j->worker, &j->job);
		return;
	}
	c->worker = worker_is_idle(sb->machine.worker) ? sb->machine.worker : c->own_worker;
	worker_run(c->worker, &j->job);
}

static void begin_next(struct jobs *jobs)
{
	list_for_each (pos, &jobs->waiting) {
		struct sandbox_job *j = container_of(pos, struct sandbox_job, link);

		if (may_begin(jobs, j)) {
			list_remove(pos);
			begin(j);
		} else if (!j->lets_pass) {
			return;
		}
	}
}

static void finished(struct worker_job *job, int r, struct err *e)
{
	struct sandbox_job *j = container_of(job, struct sandbox_job, job);
	struct jobs *jobs = &j->sb->jobs;

	if (j->container || j->worker)
		jobs->beside--;
	else
		jobs->of_machine = false;
	j->done(job, r, e);
	begin_next(jobs);
}

void job_queue(struct sandbox *sb, struct guest_container *container, struct sandbox_job *j)
{
	j->job.done = finished;
	j->sb = sb;
	j->container = container;
	list_add(&sb->jobs.waiting, &j->link);
	begin_next(&sb->jobs);
}

bool jobs_are_idle(const struct jobs *jobs)
{
	return list_empty(&jobs->waiting) && !jobs->of_machine && jobs->beside == 0;
}
