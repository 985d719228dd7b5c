#include "tests/test.h"

#include <fcntl.h>
#include <sys/epoll.h>

#include "base/loop.h"

struct seen {
	struct loop *loop;
	struct loop_watch *watch;
	int calls;
};

static void unwatch_me(void *arg, uint32_t events)
{
	struct seen *s = arg;

	CHECK(events & EPOLLIN);
	s->calls++;
	loop_unwatch(s->watch);
}

TEST(a_watch_may_remove_itself)
{
	auto_ptr(loop_free) struct loop *loop = NULL;
	struct seen s = {0};
	int p[2];

	CHECK_EQ(loop_new(&loop, NULL), 0);
	CHECK_EQ(pipe2(p, O_CLOEXEC), 0);
	auto_close int rd = p[0];
	auto_close int wr = p[1];

	CHECK_EQ(loop_watch(loop, rd, EPOLLIN, unwatch_me, &s, &s.watch, NULL), 0);
	CHECK_EQ(write(wr, "x", 1), 1);
	CHECK_EQ(loop_step(loop, clock_deadline(5000), NULL), 1);
	CHECK_EQ(loop_step(loop, clock_now(), NULL), 0);
	CHECK_EQ(s.calls, 1);
}

static char order[8];

static void note(void *arg)
{
	strncat(order, arg, 1);
}

TEST(timers_run_by_deadline_not_by_age)
{
	auto_ptr(loop_free) struct loop *loop = NULL;
	struct loop_timer *t, *cancelled;
	msec_t now = clock_now();

	CHECK_EQ(loop_new(&loop, NULL), 0);
	CHECK_EQ(loop_timer(loop, now + 2, note, "c", &t, NULL), 0);
	CHECK_EQ(loop_timer(loop, now + 1, note, "x", &cancelled, NULL), 0);
	CHECK_EQ(loop_timer(loop, now, note, "a", &t, NULL), 0);
	CHECK_EQ(loop_timer(loop, now, note, "b", &t, NULL), 0);
	loop_timer_cancel(cancelled);
	while (strlen(order) < 3)
		CHECK_EQ(loop_step(loop, clock_deadline(5000), NULL), 1);
	CHECK_STR(order, "abc");
}

static void stop(void *arg)
{
	loop_stop(arg);
}

TEST(what_is_posted_runs_in_order_before_the_stop)
{
	auto_ptr(loop_free) struct loop *loop = NULL;

	CHECK_EQ(loop_new(&loop, NULL), 0);
	CHECK_EQ(loop_post(loop, note, "1"), 0);
	CHECK_EQ(loop_post(loop, note, "2"), 0);
	CHECK_EQ(loop_post(loop, stop, loop), 0);
	CHECK_EQ(loop_run(loop, NULL), 0);
	CHECK_STR(order, "12");
}

static void on_signal(void *arg, const struct signalfd_siginfo *info)
{
	*(int *) arg = (int) info->ssi_signo;
}

TEST(a_signal_arrives_on_the_loop)
{
	auto_ptr(loop_free) struct loop *loop = NULL;
	int got = 0;

	CHECK_EQ(loop_new(&loop, NULL), 0);
	CHECK_EQ(loop_signal(loop, SIGUSR1, on_signal, &got, NULL), 0);
	CHECK_EQ(kill(getpid(), SIGUSR1), 0);
	CHECK_EQ(loop_step(loop, clock_deadline(5000), NULL), 1);
	CHECK_EQ(got, SIGUSR1);
}
