#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/loop.h"
#include "base/subprocess.h"

struct scene {
	struct loop *loop;
	struct subprocess p;
	int watched, ended;
};

static void on_watched(void *arg)
{
	((struct scene *) arg)->watched++;
}

static void on_ended(void *arg)
{
	((struct scene *) arg)->ended++;
}

static void scene_open(struct scene *s)
{
	*s = (struct scene){0};
	CHECK_EQ(loop_new(&s->loop, NULL), 0);
	CHECK_EQ(subprocess_init(&s->p, s->loop, NULL), 0);
	subprocess_on(&s->p, on_watched, on_ended, s);
}

static void scene_close(struct scene *s)
{
	subprocess_fini(&s->p);
	loop_free(s->loop);
}

static int start(struct scene *s, const char *script, struct err *e)
{
	const char *const argv[] = {"sh", "-c", script, NULL};
	struct child_spec spec = {.path = "sh", .argv = argv};

	return subprocess_start(&s->p, &spec, e);
}

static void turn_until(struct scene *s, const int *what)
{
	msec_t deadline = clock_deadline(10000);

	while (!*what && loop_step(s->loop, deadline, NULL) > 0)
		;
	CHECK(*what);
}

TEST(the_loop_hears_of_the_end_and_of_the_last_words)
{
	struct scene s;
	char words[64];
	int status = 0;

	scene_open(&s);
	CHECK_EQ(start(&s, "echo out; echo err >&2; exit 3", NULL), 0);
	CHECK(subprocess_pid(&s.p) > 0);
	subprocess_watch(&s.p);
	turn_until(&s, &s.ended);
	CHECK_EQ(s.watched, 1);
	CHECK(subprocess_ended(&s.p, &status));
	CHECK_EQ(WEXITSTATUS(status), 3);
	CHECK_EQ(subprocess_pid(&s.p), 0);
	CHECK_EQ(tail_copy(&s.p.messages, words, sizeof words), 8);
	CHECK_STR(words, "out\nerr\n");
	scene_close(&s);
}

TEST(an_end_that_was_asked_for_is_not_told)
{
	struct scene s;

	scene_open(&s);
	CHECK_EQ(start(&s, "exec sleep 1000", NULL), 0);
	subprocess_watch(&s.p);
	turn_until(&s, &s.watched);
	CHECK_EQ(subprocess_stop(&s.p, clock_deadline(10000), NULL), 0);
	CHECK_EQ(loop_step(s.loop, clock_deadline(20000), NULL), 1);
	CHECK_EQ(s.ended, 0);
	CHECK_EQ(subprocess_stop(&s.p, clock_deadline(0), NULL), 0);
	scene_close(&s);
}

TEST(an_end_that_was_begun_is_not_told)
{
	struct scene s;

	scene_open(&s);
	CHECK(!subprocess_begin_stop(&s.p));
	CHECK_EQ(start(&s, "exec sleep 1000", NULL), 0);
	subprocess_watch(&s.p);
	turn_until(&s, &s.watched);
	CHECK(subprocess_begin_stop(&s.p));
	CHECK_EQ(loop_step(s.loop, clock_deadline(20000), NULL), 1);
	CHECK_EQ(subprocess_stop(&s.p, clock_deadline(10000), NULL), 0);
	CHECK_EQ(s.ended, 0);
	scene_close(&s);
}

TEST(what_cannot_be_run_is_an_error_and_can_be_tried_again)
{
	const char *const argv[] = {"x", NULL};
	struct child_spec spec = {.path = "/no/such/program", .argv = argv};
	struct scene s;

	scene_open(&s);
	CHECK_EQ(subprocess_start(&s.p, &spec, NULL), -ENOENT);
	CHECK_EQ(subprocess_pid(&s.p), 0);
	CHECK(!subprocess_ended(&s.p, NULL));
	CHECK_EQ(start(&s, "exit 0", NULL), 0);
	CHECK_EQ(subprocess_wait(&s.p, clock_deadline(10000)), 0);
	scene_close(&s);
}

TEST(one_that_was_never_watched_is_stopped_by_its_starter)
{
	struct scene s;

	scene_open(&s);
	CHECK_EQ(start(&s, "exec sleep 1000", NULL), 0);
	CHECK_EQ(subprocess_wait(&s.p, clock_deadline(10)), -ETIMEDOUT);
	pid_t pid = subprocess_pid(&s.p);

	scene_close(&s);
	CHECK_EQ(kill(pid, 0), -1);
}

TEST(a_stop_before_the_loop_has_turned_is_quiet)
{
	struct scene s;

	scene_open(&s);
	CHECK_EQ(start(&s, "exec sleep 1000", NULL), 0);
	subprocess_watch(&s.p);
	CHECK_EQ(subprocess_stop(&s.p, clock_deadline(10000), NULL), 0);
	turn_until(&s, &s.watched);
	(void) loop_step(s.loop, clock_deadline(50), NULL);
	CHECK_EQ(s.ended, 0);
	scene_close(&s);
}

static void *start_in_thread(void *arg)
{
	CHECK_EQ(start(arg, "exec sleep 1000", NULL), 0);
	return NULL;
}

TEST(it_dies_with_the_thread_that_started_it)
{
	struct scene s;
	pthread_t thread;

	scene_open(&s);
	CHECK_EQ(pthread_create(&thread, NULL, start_in_thread, &s), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(subprocess_wait(&s.p, clock_deadline(10000)), 0);
	scene_close(&s);
}
