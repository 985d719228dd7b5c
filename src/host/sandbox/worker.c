#include "host/sandbox/worker.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>

/* More than the deepest job needs: a few paths and errors per step, no big buffers. */
#define WORKER_STACK_BYTES (256U << 10)

struct worker {
	struct loop *loop;
	pthread_t thread;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t wake;
	struct worker_job *first, **last;
	bool stop;
	bool resumed;
	unsigned busy; /* jobs queued, running, or waiting for done() */
};

static void tell(void *arg)
{
	struct worker_job *job = arg;
	struct worker *w = job->worker;

	pthread_mutex_lock(&w->lock);
	w->busy--;
	pthread_mutex_unlock(&w->lock);
	job->done(job, job->r, &job->err);
}

static struct worker_job *next_job(struct worker *w)
{
	pthread_mutex_lock(&w->lock);
	while (!w->first && !w->stop)
		pthread_cond_wait(&w->wake, &w->lock);

	struct worker_job *job = w->stop ? NULL : w->first;

	if (job) {
		w->first = job->next;
		if (!w->first)
			w->last = &w->first;
	}
	pthread_mutex_unlock(&w->lock);
	return job;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct worker_job *job;

	while ((job = next_job(w))) {
		job->r = job->run(job, &job->err);
		/* When loop_post() has no memory, the job cannot return to the loop. */
		if (loop_post(w->loop, tell, job) < 0)
			abort();
	}
	return NULL;
}

/* Blocks all signals in the new thread, because they are for the loop's. */
static int start_thread(struct worker *w)
{
	pthread_attr_t attr;
	sigset_t all, before;

	(void) pthread_attr_init(&attr);
	(void) pthread_attr_setstacksize(&attr, WORKER_STACK_BYTES);
	(void) sigfillset(&all);
	(void) pthread_sigmask(SIG_SETMASK, &all, &before);

	int r = pthread_create(&w->thread, &attr, work, w);

	(void) pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void) pthread_attr_destroy(&attr);
	return r;
}

int worker_new(struct loop *loop, struct worker **ret, struct err *e)
{
	struct worker *w = calloc(1, sizeof *w);

	if (!w)
		return err_sys(e, ENOMEM, "make a worker");
	w->loop = loop;
	w->last = &w->first;
	(void) pthread_mutex_init(&w->lock, NULL);
	(void) pthread_cond_init(&w->wake, NULL);

	int r = start_thread(w);

	if (r != 0) {
		free(w);
		return err_sys(e, r, "start the worker");
	}
	*ret = w;
	return 0;
}

void worker_free(struct worker *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_broadcast(&w->wake);
	pthread_mutex_unlock(&w->lock);
	(void) pthread_join(w->thread, NULL);
	(void) pthread_cond_destroy(&w->wake);
	(void) pthread_mutex_destroy(&w->lock);
	free(w);
}

bool worker_is_idle(const struct worker *w)
{
	struct worker *mutable = (struct worker *) w;

	pthread_mutex_lock(&mutable->lock);
	bool idle = w->busy == 0;
	pthread_mutex_unlock(&mutable->lock);
	return idle;
}

void worker_run(struct worker *w, struct worker_job *job)
{
	job->worker = w;
	job->next = NULL;
	job->r = 0;
	err_clear(&job->err);
	pthread_mutex_lock(&w->lock);
	*w->last = job;
	w->last = &job->next;
	w->busy++;
	pthread_cond_broadcast(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

void worker_await_loop(struct worker *w, loop_fn fn, void *arg)
{
	assert(pthread_equal(pthread_self(), w->thread));
	pthread_mutex_lock(&w->lock);
	w->resumed = false;
	if (loop_post(w->loop, fn, arg) < 0)
		abort();
	while (!w->resumed)
		pthread_cond_wait(&w->wake, &w->lock);
	pthread_mutex_unlock(&w->lock);
}

struct step {
	struct worker *worker;
	int (*fn)(void *arg, struct err *e);
	void *arg;
	struct err *e;
	int r;
};

static void take_step(void *arg)
{
	struct step *s = arg;

	s->r = s->fn(s->arg, s->e);
	worker_resume(s->worker);
}

int worker_on_loop(struct worker *w, int (*fn)(void *arg, struct err *e), void *arg, struct err *e)
{
	struct step s = {.worker = w, .fn = fn, .arg = arg, .e = e};

	worker_await_loop(w, take_step, &s);
	return s.r;
}

void worker_resume(struct worker *w)
{
	pthread_mutex_lock(&w->lock);
	w->resumed = true;
	pthread_cond_broadcast(&w->wake);
	pthread_mutex_unlock(&w->lock);
}
