#include "tests/test.h"

#include <fcntl.h>

#include "base/auto.h"
#include "base/tail.h"

static void put(struct tail *t, const char *text)
{
	tail_put(t, text, strlen(text));
}

TEST(the_last_bytes_are_kept)
{
	struct tail t = {0};
	char buf[32];

	CHECK_EQ(tail_init(&t, 8, NULL), 0);
	CHECK_EQ(tail_copy(&t, buf, sizeof buf), 0);
	put(&t, "abc");
	CHECK_EQ(tail_copy(&t, buf, sizeof buf), 3);
	CHECK_STR(buf, "abc");
	put(&t, "defgh");
	put(&t, "ij");
	CHECK_EQ(tail_copy(&t, buf, sizeof buf), 8);
	CHECK_STR(buf, "cdefghij");
	put(&t, "0123456789abcdef");
	CHECK_EQ(tail_copy(&t, buf, sizeof buf), 8);
	CHECK_STR(buf, "89abcdef");
	tail_fini(&t);
}

TEST(a_small_buffer_gets_the_end)
{
	struct tail t = {0};
	char buf[4];

	CHECK_EQ(tail_init(&t, 8, NULL), 0);
	put(&t, "abcdefghij");
	CHECK_EQ(tail_copy(&t, buf, sizeof buf), 3);
	CHECK_STR(buf, "hij");
	CHECK_EQ(tail_copy(&t, buf, 0), 0);
	tail_fini(&t);
}

struct seen {
	int lines;
	char last[300];
};

static void note(void *arg, const char *line)
{
	struct seen *s = arg;

	s->lines++;
	(void) snprintf(s->last, sizeof s->last, "%s", line);
}

static int make_pipe(int p[2])
{
	return pipe2(p, O_CLOEXEC | O_NONBLOCK);
}

TEST(lines_come_whole_and_printable)
{
	struct tail t = {0};
	struct seen s = {0};
	int p[2];

	CHECK_EQ(tail_init(&t, 64, NULL), 0);
	CHECK_EQ(make_pipe(p), 0);
	CHECK_EQ(write(p[1], "one\r\n\r\ntw", 9), 9);
	CHECK_EQ(tail_pump(&t, p[0], note, &s), 1);
	CHECK_EQ(s.lines, 1);
	CHECK_STR(s.last, "one");
	CHECK_EQ(write(p[1], "o\033[m\n", 6), 6);
	CHECK_EQ(tail_pump(&t, p[0], note, &s), 1);
	CHECK_EQ(s.lines, 2);
	CHECK_STR(s.last, "two");
	fd_close(p[1]);
	CHECK_EQ(tail_pump(&t, p[0], note, &s), 0);
	fd_close(p[0]);
	tail_fini(&t);
}

TEST(a_line_without_end_comes_in_pieces)
{
	struct tail t = {0};
	struct seen s = {0};
	char lots[1000];
	int p[2];

	memset(lots, 'x', sizeof lots);
	CHECK_EQ(tail_init(&t, 64, NULL), 0);
	CHECK_EQ(make_pipe(p), 0);
	CHECK_EQ(write(p[1], lots, sizeof lots), sizeof lots);
	CHECK_EQ(tail_pump(&t, p[0], note, &s), 1);
	CHECK_EQ(s.lines, 3);
	CHECK_EQ(strlen(s.last), 255);
	fd_close(p[0]);
	fd_close(p[1]);
	tail_fini(&t);
}
