#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/file.h"
#include "host/stdio/logger.h"

static char folder[] = "/tmp/kata-test-logger-XXXXXX";
static struct loop *loop;
static struct list ending;
static bool is_gone;

static void gone(void *arg)
{
	is_gone = true;
	loop_stop(arg);
}

/* A logger that is a shell's @script. */
static int begin(const char *script, enum stream_kind kind, struct logger **ret, struct err *e)
{
	auto_free char *path = NULL;

	if (!loop) {
		CHECK(mkdtemp(folder));
		CHECK_EQ(loop_new(&loop, NULL), 0);
		list_init(&ending);
		(void) signal(SIGPIPE, SIG_IGN);
	}
	path = str_printf("%s/logger", folder);

	auto_free char *text = str_printf("#!/bin/sh\ncd %s\n%s\n", folder, script);
	struct stream_name name = {.kind = kind, .path = path, .args = {"key", "a b"}, .n_args = 2};
	const struct logger_spec spec = {
		.name = &name, .id = "c1", .namespace = "ns", .mount_ns = -1};

	CHECK_EQ(file_replace(AT_FDCWD, path, text, strlen(text), 0755, NULL), 0);
	return logger_start(loop, &spec, ret, e);
}

static void end(struct logger *l)
{
	logger_end(l, &ending, gone, loop);
	CHECK_EQ(loop_run(loop, NULL), 0);
	CHECK(is_gone);
	CHECK(list_empty(&ending));
}

static void check_file(const char *name, const char *want)
{
	auto_free char *path = str_printf("%s/%s", folder, name);
	auto_free char *text = NULL;

	CHECK_EQ(file_read(AT_FDCWD, path, 4096, &text, NULL, NULL), 0);
	CHECK_STR(text, want);
}

static void finish(void)
{
	CHECK_EQ(dir_remove(AT_FDCWD, folder, NULL), 0);
	loop_free(loop);
}

TEST(it_gets_both_outputs_its_arguments_and_nothing_else)
{
	struct logger *l;

	CHECK_EQ(
		begin("echo \"$@\" $CONTAINER_ID $CONTAINER_NAMESPACE >args; env | grep -vE "
		      "'^(CONTAINER_|PWD=|_=|SHLVL=|OLDPWD=)' >env; exec 5>&-; cat <&3 >out; cat <&4 >err",
		      STREAM_BINARY, &l, NULL),
		0);
	CHECK_EQ(logger_await(l, clock_deadline(60000), NULL), 0);

	int out = logger_take_output(l, false), err = logger_take_output(l, true);

	CHECK_EQ(logger_take_output(l, true), -1);
	CHECK_EQ(fd_write_all(out, "said", 4), 0);
	CHECK_EQ(fd_write_all(err, "complained", 10), 0);
	fd_close(out);
	fd_close(err);
	end(l);
	check_file("args", "key a b c1 ns\n");
	check_file("env", "");
	check_file("out", "said");
	check_file("err", "complained");
	finish();
}

TEST(one_that_must_say_that_it_is_ready_has_failed_when_it_does_not)
{
	struct err e = {0};
	struct logger *l;

	CHECK_EQ(begin("exec 5>&-; cat <&3", STREAM_BINARY_V2, &l, NULL), 0);
	CHECK_EQ(logger_await(l, clock_deadline(60000), &e), -EPIPE);
	CHECK(strstr(e.text, "before it said that it is ready"));
	end(l);
	CHECK_EQ(begin("printf x >&5; cat <&3", STREAM_BINARY_V2, &l, NULL), 0);
	CHECK_EQ(logger_await(l, clock_deadline(60000), NULL), 0);
	end(l);
	finish();
}

static int heard;
static char words[ERR_TEXT_MAX];

static void note(void *arg, int r, struct err *e)
{
	heard = r;
	strcpy(words, e->text);
	if (arg)
		loop_stop(arg);
}

static int when_ready(struct logger *l, uint32_t timeout_ms)
{
	heard = 1;
	CHECK_EQ(logger_when_ready(l, clock_deadline(timeout_ms), note, loop, NULL), 0);
	CHECK_EQ(heard, 1);
	CHECK_EQ(loop_run(loop, NULL), 0);
	return heard;
}

TEST(the_loop_hears_that_it_is_ready_or_why_not)
{
	struct logger *l;

	CHECK_EQ(begin("exec 5>&-; cat <&3", STREAM_BINARY_V2, &l, NULL), 0);
	CHECK_EQ(when_ready(l, 60000), -EPIPE);
	CHECK(strstr(words, "before it said that it is ready"));
	end(l);
	CHECK_EQ(begin("printf x >&5; cat <&3", STREAM_BINARY_V2, &l, NULL), 0);
	CHECK_EQ(when_ready(l, 60000), 0);
	end(l);
	CHECK_EQ(begin("cat <&3", STREAM_BINARY, &l, NULL), 0);
	CHECK_EQ(when_ready(l, 20), -ETIMEDOUT);
	end(l);
	finish();
}

TEST(who_waits_is_told_when_nobody_needs_it_any_more)
{
	struct logger *l;

	CHECK_EQ(begin("cat <&3", STREAM_BINARY, &l, NULL), 0);
	CHECK_EQ(logger_when_ready(l, clock_deadline(60000), note, NULL, NULL), 0);
	end(l);
	CHECK_EQ(heard, -ECANCELED);
	finish();
}

TEST(waiting_for_it_has_an_end)
{
	struct logger *l;

	CHECK_EQ(begin("cat <&3", STREAM_BINARY, &l, NULL), 0);
	CHECK_EQ(logger_await(l, clock_deadline(20), NULL), -ETIMEDOUT);
	end(l);
	finish();
}

TEST(one_that_stays_is_asked_to_end)
{
	struct logger *l;

	CHECK_EQ(
		begin("trap 'echo asked >asked; exit' TERM; exec 5>&-; while :; do sleep 0.1; done",
		      STREAM_BINARY, &l, NULL),
		0);
	CHECK_EQ(logger_await(l, clock_deadline(60000), NULL), 0);
	end(l);
	check_file("asked", "asked\n");
	finish();
}

TEST(one_that_is_missing_is_a_sentence)
{
	struct stream_name name = {.kind = STREAM_BINARY, .path = (char *) "/no/such/logger"};
	const struct logger_spec spec = {.name = &name, .id = "", .namespace = "", .mount_ns = -1};
	struct logger *l = NULL;
	struct err e = {0};

	CHECK_EQ(loop_new(&loop, NULL), 0);
	CHECK_EQ(logger_start(loop, &spec, &l, &e), -ENOENT);
	CHECK(strstr(e.text, "start logger '/no/such/logger'"));
	CHECK(!l);
	loop_free(loop);
}

TEST(all_that_end_can_be_killed_at_once)
{
	struct logger *l;

	for (int i = 0; i < 2; i++) {
		CHECK_EQ(
			begin("trap '' TERM; while :; do sleep 0.1; done", STREAM_BINARY, &l, NULL),
			0);
		logger_end(l, &ending, gone, loop);
	}
	loggers_kill(&ending);
	CHECK(list_empty(&ending));
	CHECK(!is_gone);
	finish();
}
