#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>

#include "base/auto.h"
#include "base/err.h"

static int open_config(const char *path, struct err *e)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "open '%s'", path);
	return 0;
}

TEST(success_leaves_the_error_alone)
{
	struct err e = {0};

	CHECK_EQ(open_config("/dev/null", &e), 0);
	CHECK_EQ(e.code, 0);
}

TEST(the_sentence_reads_from_the_outside_in)
{
	struct err e = {0};
	char buf[640];

	int r = open_config("/no/such/file", &e);
	r = err_wrap(&e, r, "load configuration");

	CHECK_EQ(r, -ENOENT);
	CHECK_STR(err_show(&e, buf, sizeof buf),
		  "load configuration: open '/no/such/file': No such file or directory");
}

TEST(a_caller_may_want_only_the_number)
{
	CHECK_EQ(open_config("/no/such/file", NULL), -ENOENT);
}

TEST(when_space_runs_out_the_cause_survives)
{
	struct err e = {0};

	int r = err_say(&e, EINVAL, "THE CAUSE");

	for (int i = 0; i < 200; i++)
		r = err_wrap(&e, r, "layer %d", i);

	CHECK_EQ(r, -EINVAL);
	CHECK(strlen(e.text) < sizeof e.text);
	CHECK_STR(e.text + strlen(e.text) - strlen("THE CAUSE"), "THE CAUSE");
}

TEST(an_error_leaves_a_child_in_one_write)
{
	int p[2];

	CHECK_EQ(pipe2(p, O_CLOEXEC), 0);
	auto_close int rd = p[0];
	auto_close int wr = p[1];

	pid_t pid = fork();

	if (pid == 0) {
		struct err e = {0};

		(void) err_sys(&e, EPERM, "mount '/proc'");
		_exit(write(wr, &e, sizeof e) != (ssize_t) sizeof e);
	}
	CHECK_EQ(waitpid(pid, NULL, 0), pid);

	struct err got;

	CHECK_EQ(read(rd, &got, sizeof got), sizeof got);
	CHECK_EQ(got.code, EPERM);
	CHECK_STR(got.text, "mount '/proc'");
}

TEST(words_go_behind_the_cause)
{
	struct err e = {0};

	err_append(&e, "; nothing to add to");
	CHECK_STR(e.text, "");
	(void) err_sys(&e, 2, "open 'x'");
	err_append(&e, "; said %d", 7);
	CHECK_STR(e.text, "open 'x': No such file or directory; said 7");
}

TEST(words_without_end_are_cut)
{
	struct err e = {0};
	char lots[2000];

	memset(lots, 'x', sizeof lots - 1);
	lots[sizeof lots - 1] = '\0';
	(void) err_say(&e, 5, "short");
	err_append(&e, "; %s", lots);
	CHECK_EQ(strlen(e.text), ERR_TEXT_MAX - 1);
	CHECK(strncmp(e.text, "short; xxx", 10) == 0);
}
