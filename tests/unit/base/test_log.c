#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "base/log.h"

/* Reads everything that is in the pipe; returns the last of it, NUL-terminated. */
static size_t drain(int fd, char *text, size_t bytes)
{
	size_t total = 0;
	ssize_t n;

	while ((n = read(fd, text, bytes - 1)) > 0) {
		text[n] = '\0';
		total += (size_t) n;
	}
	return total;
}

TEST(a_reader_that_is_slow_costs_lines_and_not_the_log)
{
	char text[131072] = "";
	unsigned lines = 0;
	int p[2];

	CHECK_EQ(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);

	auto_close int rd = p[0];
	auto_close int wr = p[1];

	CHECK(fcntl(wr, F_SETPIPE_SZ, 4096) >= 4096);
	log_open(wr, LOG_TEXT, LOG_INFO);
	/* More than the pipe holds. */
	for (; lines < 200; lines++)
		log_info("line %u of what nobody reads yet", lines);
	CHECK(drain(rd, text, sizeof text) > 0);
	CHECK(strstr(text, "line 0 of"));
	CHECK(!strstr(text, "line 199 of"));

	log_info("now");
	CHECK(drain(rd, text, sizeof text) > 0);
	CHECK(strstr(text, " lines of the log are lost\""));
	CHECK(strstr(text, "msg=\"now\""));

	log_info("again");
	CHECK(drain(rd, text, sizeof text) > 0);
	CHECK(!strstr(text, "are lost"));
	CHECK(strstr(text, "msg=\"again\""));
	log_open(-1, LOG_TEXT, LOG_INFO);
}

TEST(lines_name_their_sandbox_in_both_formats)
{
	char text[1024] = "";
	int p[2];

	CHECK_EQ(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);

	auto_close int rd = p[0];
	auto_close int wr = p[1];

	log_set_sandbox("a\"b");
	log_open(wr, LOG_TEXT, LOG_INFO);
	log_info("hello");
	CHECK(drain(rd, text, sizeof text) > 0);
	CHECK(strstr(text, " level=info sandbox=\"a\\\"b\" msg=\"hello\"\n"));
	log_open(wr, LOG_JSON, LOG_INFO);
	log_info("hello");
	CHECK(drain(rd, text, sizeof text) > 0);
	CHECK(strstr(text, ",\"level\":\"info\",\"sandbox\":\"a\\\"b\",\"msg\":\"hello\"}\n"));
	log_set_sandbox(NULL);
	log_info("hello");
	CHECK(drain(rd, text, sizeof text) > 0);
	CHECK(!strstr(text, "sandbox"));
	log_open(-1, LOG_TEXT, LOG_INFO);
}

TEST(a_reader_that_is_gone_ends_the_log)
{
	int p[2];

	CHECK_EQ(pipe2(p, O_CLOEXEC), 0);
	(void) signal(SIGPIPE, SIG_IGN);
	close(p[0]);
	log_open(p[1], LOG_TEXT, LOG_INFO);
	errno = ENOENT;
	log_info("nobody");
	CHECK_EQ(errno, ENOENT);
	close(p[1]);
	/* The number may be somebody else's by now, who must not get our lines. */
	CHECK_EQ(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);

	auto_close int rd = p[0];
	auto_close int wr = p[1];
	char c;

	log_info("nobody");
	CHECK_EQ(read(rd, &c, 1), -1);
	(void) wr;
}

/* What a guest has said stands in a message: it neither ends the line nor speaks to a terminal. */
TEST(a_message_cannot_forge_a_line)
{
	static const enum log_format formats[] = {LOG_TEXT, LOG_JSON};
	char text[4096] = "";
	int p[2];

	CHECK_EQ(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);

	auto_close int rd = p[0];
	auto_close int wr = p[1];

	for (size_t i = 0; i < 2; i++) {
		log_open(wr, formats[i], LOG_INFO);
		log_info("a\"\nlevel=error\033[2J\x9b\302\233\342\200\256\363\240\200\201\r");
		CHECK(drain(rd, text, sizeof text) > 0);
		CHECK(strstr(text,
			     "a\\\"\\nlevel=error\\u001b[2J\\ufffd\\u009b\\u202e\\udb40\\udc01"
			     "\\u000d\""));
		CHECK(strchr(text, '\n') == text + strlen(text) - 1);
	}
	log_open(-1, LOG_TEXT, LOG_INFO);
}
