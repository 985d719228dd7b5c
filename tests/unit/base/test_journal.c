#include "tests/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/auto.h"
#include "base/journal.h"
#include "base/log.h"

static char path[64];

/* Somebody who listens as journald does. */
static int listen_there(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void) snprintf(path, sizeof path, "/tmp/test-journal-%d", getpid());
	(void) unlink(path);
	strcpy(at.sun_path, path);
	CHECK_EQ(bind(fd, (struct sockaddr *) &at, sizeof at), 0);
	return fd;
}

#define FIELD(name, size, value) name "\n" size "\0\0\0\0\0\0\0" value "\n"

static void check_record(int fd, const char *want, size_t bytes)
{
	char got[8192];

	CHECK_EQ(recv(fd, got, sizeof got, 0), (ssize_t) bytes);
	CHECK(memcmp(got, want, bytes) == 0);
}

TEST(a_line_is_a_record_whose_fields_hold_any_text)
{
	auto_close int fd = listen_there();
	static const char first[] =
		"PRIORITY=6\nSYSLOG_IDENTIFIER=kata-runtime\n" FIELD("MESSAGE", "\5", "hello");
	static const char second[] =
		"PRIORITY=3\nSYSLOG_IDENTIFIER=kata-runtime\n" FIELD("KATA_SANDBOX", "\2", "c1")
			FIELD("MESSAGE", "\16", "two\nPRIORITY=0");

	log_open(-1, LOG_TEXT, LOG_INFO);
	CHECK_EQ(journal_open(path, NULL), 0);
	log_info("hello");
	check_record(fd, first, sizeof first - 1);
	log_debug("less important than what is logged");
	log_set_sandbox("c1");
	log_error("two\n%s", "PRIORITY=0");
	check_record(fd, second, sizeof second - 1);
	CHECK(recv(fd, path, 1, MSG_PEEK) < 0);
	journal_close();
	log_set_sandbox(NULL);
	(void) unlink(path);
}

TEST(what_the_journal_does_not_take_goes_to_the_log)
{
	char text[512] = "";
	int p[2];

	CHECK_EQ(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);

	auto_close int rd = p[0];
	auto_close int wr = p[1];
	int fd = listen_there();
	static const char last[] =
		"PRIORITY=4\nSYSLOG_IDENTIFIER=kata-runtime\n" FIELD("MESSAGE", "\5", "again");

	log_open(wr, LOG_TEXT, LOG_INFO);
	CHECK_EQ(journal_open(path, NULL), 0);
	CHECK_EQ(unlink(path), 0);
	fd = fd_close(fd);
	log_info("while it is gone");
	CHECK(read(rd, text, sizeof text - 1) > 0);
	CHECK(strstr(text, "msg=\"while it is gone\""));
	/* As journald is restarted. */
	fd = listen_there();
	log_warn("again");
	check_record(fd, last, sizeof last - 1);
	CHECK(read(rd, text, sizeof text - 1) < 0);
	journal_close();
	(void) unlink(path);
	(void) close(fd);
}

TEST(where_nobody_listens_the_log_stays_where_it_is)
{
	struct err e = {0};
	char text[512] = "";
	int p[2];

	CHECK_EQ(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);

	auto_close int rd = p[0];
	auto_close int wr = p[1];

	log_open(wr, LOG_TEXT, LOG_INFO);
	CHECK_EQ(journal_open("/no/such/socket", &e), -ENOENT);
	CHECK(strstr(e.text, "'/no/such/socket'"));
	log_info("here");
	CHECK(read(rd, text, sizeof text - 1) > 0);
	CHECK(strstr(text, "msg=\"here\""));
}
