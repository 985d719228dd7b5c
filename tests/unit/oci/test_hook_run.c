#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>

#include "base/clock.h"
#include "base/fd.h"
#include "oci/hook_run.h"
#include "tests/unit/oci/shell_hook.h"

static struct hook_runner with_state(const char *state)
{
	struct hook_runner runner = HOOK_RUNNER_NONE;

	CHECK_EQ(hook_runner_init(&runner, state, NULL), 0);
	return runner;
}

/* Checks how a hook with this script fails. */
static void fails(const char *script, int code, const char *words)
{
	auto_hook_runner struct hook_runner runner = with_state("{}");
	char *args[3];
	Grpc__Hook hook = shell(script, args);
	struct err e = {0};

	CHECK_EQ(hook_run(&runner, "prestart", 2, &hook, &e), -code);
	CHECK_STR(e.text, words);
}

TEST(each_hook_gets_the_state_from_its_beginning)
{
	auto_hook_runner struct hook_runner runner = with_state("{\"id\":\"c1\"}");
	char *args[3];
	Grpc__Hook hook = shell("test \"$(cat)\" = '{\"id\":\"c1\"}' && test $# -eq 0", args);

	CHECK_EQ(hook_run(&runner, "prestart", 0, &hook, NULL), 0);
	CHECK_EQ(hook_run(&runner, "prestart", 1, &hook, NULL), 0);
}

TEST(a_hook_has_its_own_environment_if_it_names_one)
{
	auto_hook_runner struct hook_runner runner = with_state("{}");
	char *args[3], *env[] = {"ONLY=this"}, *others[] = {"HOME=/root"};
	Grpc__Hook hook = shell("test \"$ONLY\" = this && test -z \"$HOME\"", args);

	CHECK_EQ(setenv("HOME", "/root", 1), 0);
	hook.env = env;
	hook.n_env = 1;
	runner.env = others;
	runner.n_env = 1;
	CHECK_EQ(hook_run(&runner, "prestart", 0, &hook, NULL), 0);
}

TEST(a_hook_without_an_environment_gets_the_runners)
{
	auto_hook_runner struct hook_runner runner = with_state("{}");
	char *args[3], *env[] = {"GIVEN=this", "more"};
	Grpc__Hook hook = shell("test \"$GIVEN\" = this && test -z \"$TOKEN\"", args);

	CHECK_EQ(setenv("TOKEN", "secret", 1), 0);
	runner.env = env;
	runner.n_env = 1;
	CHECK_EQ(hook_run(&runner, "prestart", 0, &hook, NULL), 0);
}

/* The caller's environment may hold what is nobody else's business. */
TEST(without_any_environment_it_gets_none)
{
	auto_hook_runner struct hook_runner runner = with_state("{}");
	char *args[3];
	Grpc__Hook hook = shell("test -z \"$TOKEN$HOME\"", args);

	CHECK_EQ(setenv("TOKEN", "secret", 1), 0);
	CHECK_EQ(setenv("HOME", "/root", 1), 0);
	CHECK_EQ(hook_run(&runner, "prestart", 0, &hook, NULL), 0);
}

TEST(a_failure_is_told_with_the_hooks_words)
{
	fails("echo no such thing >&2; exit 3", EIO,
	      "hooks.prestart[2]: '/bin/sh' ended with code 3: no such thing");
	fails("exit 4", EIO, "hooks.prestart[2]: '/bin/sh' ended with code 4");
	fails("echo because; kill -KILL $$", EIO,
	      "hooks.prestart[2]: '/bin/sh' was killed by signal 9: because");
}

TEST(a_failure_is_told_with_the_end_of_what_this_hook_said)
{
	auto_hook_runner struct hook_runner runner = with_state("{}");
	char *a[3], *b[3], *c[3];
	Grpc__Hook talks = shell("echo of another hook", a);
	Grpc__Hook fails = shell("exit 3", b);
	Grpc__Hook talks_much = shell("yes begin | head -1000; echo the end; exit 3", c);
	struct err e = {0};

	CHECK_EQ(hook_run(&runner, "poststop", 0, &talks, NULL), 0);
	CHECK_EQ(hook_run(&runner, "poststop", 1, &fails, &e), -EIO);
	CHECK_STR(e.text, "hooks.poststop[1]: '/bin/sh' ended with code 3");
	err_clear(&e);
	CHECK_EQ(hook_run(&runner, "poststop", 2, &talks_much, &e), -EIO);
	CHECK(strlen(e.text) < 400);
	CHECK_STR(e.text + strlen(e.text) - strlen("\nbegin\nthe end"), "\nbegin\nthe end");
}

TEST(a_missing_hook_is_an_error)
{
	auto_hook_runner struct hook_runner runner = with_state("{}");
	Grpc__Hook hook = GRPC__HOOK__INIT;
	struct err e = {0};
	char text[640];

	hook.path = "/no/such/hook";
	CHECK_EQ(hook_run(&runner, "prestart", 0, &hook, &e), -ENOENT);
	CHECK_STR(err_show(&e, text, sizeof text),
		  "hooks.prestart[0]: run '/no/such/hook': No such file or directory");
}

TEST(a_hook_is_not_looked_for_in_the_path)
{
	auto_hook_runner struct hook_runner runner = with_state("{}");
	Grpc__Hook hook = GRPC__HOOK__INIT;

	hook.path = "true";
	CHECK_EQ(hook_run(&runner, "prestart", 0, &hook, NULL), -ENOENT);
}

TEST(a_hook_that_takes_too_long_is_killed_with_all_it_started)
{
	auto_hook_runner struct hook_runner runner = with_state("{}");
	char *args[3];
	Grpc__Hook hook = shell("sleep 1000 & wait", args);
	msec_t began = clock_now();
	struct err e = {0};
	int p[2];
	char byte;

	/* The write end is also that of what the hook starts, as descriptor 1 of its own. */
	CHECK_EQ(pipe2(p, O_CLOEXEC), 0);
	auto_close int rd = p[0];
	fd_close(runner.output_fd);
	runner.output_fd = p[1];
	hook.has_timeout = true;
	hook.timeout = 1;
	CHECK_EQ(hook_run(&runner, "prestart", 0, &hook, &e), -ETIMEDOUT);
	CHECK_STR(e.text, "hooks.prestart[0]: '/bin/sh' took longer than 1 s");
	CHECK(clock_now() - began < 20000);
	runner.output_fd = fd_close(runner.output_fd);
	CHECK_EQ(read(rd, &byte, 1), 0);
}

TEST(a_hook_can_be_cancelled)
{
	auto_hook_runner struct hook_runner runner = with_state("{}");
	char *args[3];
	Grpc__Hook hook = shell("sleep 1000", args);
	struct err e = {0};
	int p[2];

	CHECK_EQ(pipe2(p, O_CLOEXEC), 0);
	auto_close int rd = p[0];
	fd_close(p[1]); /* a hang-up counts too */
	runner.cancel_fd = rd;
	CHECK_EQ(hook_run(&runner, "prestart", 0, &hook, &e), -ECANCELED);
	CHECK_STR(e.text, "hooks.prestart[0]: '/bin/sh' was cancelled");
}
