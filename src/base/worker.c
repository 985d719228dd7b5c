#include "base/worker.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>

/* More than the deepest job needs: a few paths and errors per step, no big buffers. */
#define WORKER_STACK_BYTES (256U << 10)

struct worker {
	struct loop *loop;
	bool stays;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t wake;
	struct worker_job *first, **last;
	pthread_t thread;
	bool works; /* the thread takes jobs */
	bool joins; /* the thread must be joined, whether it works or has ended */
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
	while (!w->first && !w->stop && w->stays)
		pthread_cond_wait(&w->wake, &w->lock);

	struct worker_job *job = w->stop ? NULL : w->first;

	if (job) {
		w->first = job->next;
		if (!w->first)
			w->last = &w->first;
	}
	w->works = job != NULL;
	pthread_mutex_unlock(&w->lock);
	return job;
}

/* When loop_post() has no memory, the job cannot return to the loop. */
static void give_back(struct worker_job *job)
{
	if (loop_post(job->worker->loop, tell, job) < 0)
		abort();
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct worker_job *job;

	while ((job = next_job(w))) {
		job->r = job->run(job, &job->err);
		give_back(job);
	}
	return NULL;
}

/* Blocks all signals in the new thread, because they are for the loop's. With the lock held, so
 * that the thread finds its own id. */
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

int worker_new(struct loop *loop, bool stays, struct worker **ret, struct err *e)
{
	struct worker *w = calloc(1, sizeof *w);

	if (!w)
		return err_sys(e, ENOMEM, "make a worker");
	w->loop = loop;
	w->stays = stays;
	w->last = &w->first;
	(void) pthread_mutex_init(&w->lock, NULL);
	(void) pthread_cond_init(&w->wake, NULL);
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
	if (w->joins)
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

/* Has a thread take @only, the one job that waits. Without a thread the job fails. */
static void begin_work(struct worker *w, struct worker_job *only)
{
	if (w->joins) /* it has ended its last job, and does not take the lock again */
		(void) pthread_join(w->thread, NULL);

	int r = start_thread(w);

	w->works = w->joins = r == 0;
	if (r == 0)
		return;
	w->first = NULL;
	w->last = &w->first;
	only->r = err_sys(&only->err, r, "start a worker");
	give_back(only);
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
	if (w->works)
		pthread_cond_broadcast(&w->wake);
	else
		begin_work(w, job);
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
