#include "tests/test.h"

#include <errno.h>

#include "base/log.h"
#include "host/sandbox/model.h"

static struct sandbox sb;
static int broken; /* how often */
static struct err told;

static void broke(struct sandbox *s)
{
	CHECK(s == &sb);
	broken++;
}

static void tell(struct cause_wait *w, const struct err *why)
{
	(void) w;
	CHECK_EQ(told.code, 0);
	told = *why;
}

static void up(void)
{
	log_open(-1, LOG_TEXT, LOG_ERROR);
	CHECK_EQ(loop_new(&sb.loop, NULL), 0);
	sb.state = SANDBOX_READY;
	list_init(&sb.cause.calls);
	sb.cause.broke = broke;
}

static void down(void)
{
	loop_free(sb.loop);
}

static void report(enum cause_rank rank, const char *words)
{
	struct err e = {0};

	(void) err_say(&e, EIO, "%s", words);
	cause_report(&sb, rank, &e);
}

/* What the sandbox broke of, once it is known. */
static const char *cause(void)
{
	msec_t until = clock_deadline(20000);

	while (!broken && loop_step(sb.loop, until, NULL) == 1)
		;
	CHECK_EQ(broken, 1);
	CHECK(sb.cause.is_known);
	return sb.cause.why.text;
}

TEST(a_connection_that_nobody_explains_is_the_cause)
{
	up();
	report(CAUSE_CONNECTION, "line");
	CHECK_EQ(broken, 0);
	CHECK_STR(cause(), "line");
	down();
}

TEST(the_file_server_knows_better_than_the_connection_whoever_is_first)
{
	up();
	report(CAUSE_CONNECTION, "line");
	report(CAUSE_FILE_SERVER, "virtiofsd");
	report(CAUSE_CONNECTION, "line again");
	CHECK_STR(cause(), "virtiofsd");
	down();
}

TEST(the_vmm_knows_best_and_nobody_waits_longer)
{
	up();
	report(CAUSE_FILE_SERVER, "virtiofsd");
	report(CAUSE_VMM, "panic");
	CHECK_EQ(broken, 1);
	report(CAUSE_VMM, "too late");
	CHECK_STR(cause(), "panic");
	down();
}

TEST(a_call_that_fails_meanwhile_is_told_the_cause)
{
	struct cause_wait call = {.tell = tell};

	up();
	CHECK(!cause_tells(&sb, &call)); /* the machine is well */
	report(CAUSE_CONNECTION, "line");
	CHECK(cause_tells(&sb, &call));
	CHECK_EQ(told.code, 0);
	report(CAUSE_VMM, "panic");
	CHECK_STR(told.text, "panic");
	err_clear(&told);
	CHECK(cause_tells(&sb, &call)); /* at once */
	CHECK_STR(told.text, "panic");
	down();
}

TEST(a_sandbox_that_is_given_up_has_that_cause)
{
	struct err e = {0};

	up();
	(void) err_say(&e, ECANCELED, "shut down");
	report(CAUSE_CONNECTION, "line");
	cause_give_up(&sb, &e);
	cause_give_up(&sb, &e);
	CHECK_STR(cause(), "shut down");
	down();
}

TEST(what_ends_while_the_machine_is_ended_is_no_cause)
{
	struct cause_wait call = {.tell = tell};

	up();
	report(CAUSE_CONNECTION, "line");
	CHECK(cause_tells(&sb, &call));
	sb.state = SANDBOX_ENDING;
	cause_expect_end(&sb);
	CHECK_STR(told.text, "line");
	report(CAUSE_VMM, "killed");
	CHECK_EQ(broken, 0);
	CHECK(!sb.cause.is_known);
	down();
}

static int reported_on_trial(void *arg, struct err *e)
{
	(void) arg, (void) e;
	report(CAUSE_VMM, "vmm");
	return 0;
}

static int try_run(struct worker_job *job, struct err *e)
{
	struct worker *w = job->worker;

	(void) e;
	cause_begin_trial(&sb, w);
	CHECK(cause_end_trial(&sb, w));
	cause_begin_trial(&sb, w);
	(void) worker_on_loop(w, reported_on_trial, NULL, NULL);
	CHECK(!cause_end_trial(&sb, w));
	return 0;
}

static bool tried;

static void try_done(struct worker_job *job, int r, struct err *e)
{
	(void) job, (void) e;
	CHECK_EQ(r, 0);
	tried = true;
}

TEST(what_breaks_on_trial_is_no_cause)
{
	struct worker_job job = {.run = try_run, .done = try_done};
	struct worker *w = NULL;

	up();
	CHECK_EQ(worker_new(sb.loop, true, &w, NULL), 0);
	worker_run(w, &job);
	while (!tried)
		CHECK(loop_step(sb.loop, clock_deadline(20000), NULL) > 0);
	CHECK_EQ(broken, 0);
	report(CAUSE_VMM, "later");
	CHECK_STR(cause(), "later");
	worker_free(w);
	down();
}
