#include "base/reaper.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "tests/test.h"

#define PATIENCE_MS 10000

struct end {
	int count;
	pid_t pid;
	int status;
};

static void note(void *arg, pid_t pid, int status)
{
	struct end *end = arg;

	end->count++;
	end->pid = pid;
	end->status = status;
}

/* A child that ends with @code at once. */
static pid_t child_of(int code)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(code);
	return pid;
}

static void step_until(struct loop *loop, const int *what, int want)
{
	msec_t deadline = clock_deadline(PATIENCE_MS);

	while (*what < want)
		if (loop_step(loop, deadline, NULL) <= 0)
			break;
	CHECK_EQ(*what, want);
}

TEST(the_end_of_an_expected_child_is_told_once)
{
	auto_ptr(loop_free) struct loop *loop = NULL;
	auto_ptr(reaper_free) struct reaper *reaper = NULL;
	struct end end = {0};

	CHECK_EQ(loop_new(&loop, NULL), 0);
	CHECK_EQ(reaper_new(loop, &reaper, NULL), 0);

	pid_t pid = child_of(7);

	CHECK_EQ(reaper_expect(reaper, pid, note, &end, NULL), 0);
	step_until(loop, &end.count, 1);
	CHECK_EQ(end.pid, pid);
	CHECK_EQ(WEXITSTATUS(end.status), 7);
}

TEST(a_child_that_ended_before_the_loop_ran_is_not_missed)
{
	auto_ptr(loop_free) struct loop *loop = NULL;
	auto_ptr(reaper_free) struct reaper *reaper = NULL;
	siginfo_t info;
	struct end end = {0};

	CHECK_EQ(loop_new(&loop, NULL), 0);
	CHECK_EQ(reaper_new(loop, &reaper, NULL), 0);

	pid_t pid = child_of(0);

	CHECK_EQ(waitid(P_PID, (id_t) pid, &info, WEXITED | WNOWAIT), 0);
	CHECK_EQ(reaper_expect(reaper, pid, note, &end, NULL), 0);
	step_until(loop, &end.count, 1);
}

TEST(strangers_are_collected_and_forgotten_ones_are_not_told)
{
	auto_ptr(loop_free) struct loop *loop = NULL;
	auto_ptr(reaper_free) struct reaper *reaper = NULL;
	struct end end = {0}, last = {0};

	CHECK_EQ(loop_new(&loop, NULL), 0);
	CHECK_EQ(reaper_new(loop, &reaper, NULL), 0);

	pid_t stranger = child_of(1), forgotten = child_of(2), expected = child_of(3);

	CHECK_EQ(reaper_expect(reaper, forgotten, note, &end, NULL), 0);
	CHECK_EQ(reaper_expect(reaper, expected, note, &last, NULL), 0);
	reaper_forget(reaper, forgotten);
	reaper_forget(reaper, stranger);
	step_until(loop, &last.count, 1);

	/* All three may not have ended in one batch. */
	msec_t deadline = clock_deadline(PATIENCE_MS);

	while (kill(stranger, 0) == 0 || kill(forgotten, 0) == 0)
		if (loop_step(loop, deadline, NULL) <= 0)
			break;
	CHECK_EQ(kill(stranger, 0), -1);
	CHECK_EQ(kill(forgotten, 0), -1);
	CHECK_EQ(end.count, 0);
}

TEST(many_ends_at_once_are_all_told)
{
	auto_ptr(loop_free) struct loop *loop = NULL;
	auto_ptr(reaper_free) struct reaper *reaper = NULL;
	struct end end = {0};

	CHECK_EQ(loop_new(&loop, NULL), 0);
	CHECK_EQ(reaper_new(loop, &reaper, NULL), 0);
	for (int i = 0; i < 200; i++)
		CHECK_EQ(reaper_expect(reaper, child_of(0), note, &end, NULL), 0);
	step_until(loop, &end.count, 200);
}
