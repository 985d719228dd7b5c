#include "tests/test.h"

#include <errno.h>
#include <pthread.h>

#include "base/worker.h"

static struct loop *loop;
static struct worker *worker;
static pthread_t loop_thread;
static char story[64];

struct step {
	struct worker_job job;
	const char *name;
	int r;
	bool asks;
};

static int on_loop(void *arg, struct err *e)
{
	CHECK(pthread_equal(pthread_self(), loop_thread));
	strcat(story, "l");
	return err_say(e, EBUSY, "not %s", (const char *) arg);
}

static void resume(void *arg)
{
	worker_resume(arg);
}

static void later(void *arg)
{
	CHECK(pthread_equal(pthread_self(), loop_thread));
	strcat(story, "w");
	CHECK_EQ(loop_post(loop, resume, arg), 0);
}

static int run(struct worker_job *job, struct err *e)
{
	struct step *s = (struct step *) job;

	CHECK(!pthread_equal(pthread_self(), loop_thread));
	if (s->asks) {
		CHECK_EQ(worker_on_loop(worker, on_loop, (void *) s->name, e), -EBUSY);
		CHECK_STR(e->text, "not a");
		err_clear(e);
		worker_await_loop(worker, later, worker);
	}
	return s->r ? err_say(e, -s->r, "%s broke", s->name) : 0;
}

static void done(struct worker_job *job, int r, struct err *e)
{
	struct step *s = (struct step *) job;

	CHECK(pthread_equal(pthread_self(), loop_thread));
	CHECK_EQ(r, s->r);
	if (r < 0)
		CHECK(strstr(e->text, "broke") != NULL);
	strcat(story, s->name);
	if (strcmp(s->name, "last") == 0)
		loop_stop(loop);
}

static void up(void)
{
	loop_thread = pthread_self();
	CHECK_EQ(loop_new(&loop, NULL), 0);
	CHECK_EQ(worker_new(loop, true, &worker, NULL), 0);
}

static void down(void)
{
	worker_free(worker);
	loop_free(loop);
}

TEST(jobs_run_in_order_and_tell_the_loop)
{
	struct step a = {.job = {.run = run, .done = done}, .name = "a", .asks = true};
	struct step b = {.job = {.run = run, .done = done}, .name = "b", .r = -EIO};
	struct step c = {.job = {.run = run, .done = done}, .name = "last"};

	up();
	CHECK(worker_is_idle(worker));
	worker_run(worker, &a.job);
	worker_run(worker, &b.job);
	worker_run(worker, &c.job);
	CHECK(!worker_is_idle(worker));
	CHECK_EQ(loop_run(loop, NULL), 0);
	CHECK_STR(story, "lwablast");
	CHECK(worker_is_idle(worker));
	down();
}

TEST(a_worker_without_work_ends)
{
	up();
	down();
}
