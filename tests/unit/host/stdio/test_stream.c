#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/file.h"
#include "host/stdio/stream.h"

static struct loop *loop;
static unsigned ready;

static void count(void *arg)
{
	(void) arg;
	ready++;
}

static struct stream *opened(int take_fd, enum stream_direction direction)
{
	struct stream *s;

	if (!loop)
		CHECK_EQ(loop_new(&loop, NULL), 0);
	(void) signal(SIGPIPE, SIG_IGN);
	CHECK_EQ(stream_open(loop, take_fd, direction, &s, NULL), 0);
	stream_on_ready(s, count, NULL);
	return s;
}

static void done(struct stream *s)
{
	stream_close(s);
	loop_free(loop);
}

static void make_pipe(int p[2])
{
	CHECK_EQ(pipe2(p, O_CLOEXEC), 0);
}

TEST(reading_an_empty_pipe_does_not_block_and_wakes_later)
{
	int p[2];
	char text[8];

	make_pipe(p);
	struct stream *s = opened(p[0], STREAM_IN);

	CHECK_EQ(stream_read(s, text, sizeof text), -EAGAIN);
	CHECK_EQ(stream_read(s, text, sizeof text), -EAGAIN);
	CHECK_EQ(write(p[1], "hi", 2), 2);
	CHECK_EQ(loop_step(loop, clock_deadline(5000), NULL), 1);
	CHECK_EQ(ready, 1);
	CHECK_EQ(stream_read(s, text, sizeof text), 2);
	fd_close(p[1]);
	CHECK_EQ(stream_read(s, text, sizeof text), 0);
	done(s);
}

TEST(the_users_description_stays_blocking)
{
	int p[2];

	make_pipe(p);
	int mine = fcntl(p[0], F_DUPFD_CLOEXEC, 0);
	struct stream *s = opened(p[0], STREAM_IN);
	char c;

	CHECK_EQ(stream_read(s, &c, 1), -EAGAIN);
	CHECK_EQ(fcntl(mine, F_GETFL) & O_NONBLOCK, 0);
	fd_close(mine);
	fd_close(p[1]);
	done(s);
}

TEST(a_full_pipe_pushes_back)
{
	static char data[256 << 10];
	int p[2];
	ssize_t n;

	make_pipe(p);
	struct stream *s = opened(p[1], STREAM_OUT);

	n = stream_write(s, data, sizeof data);
	CHECK(n > 0 && n < (ssize_t) sizeof data);
	CHECK_EQ(stream_write(s, data, sizeof data), -EAGAIN);
	CHECK_EQ(loop_step(loop, clock_now(), NULL), 0);
	CHECK_EQ(read(p[0], data, sizeof data), n);
	CHECK_EQ(loop_step(loop, clock_deadline(5000), NULL), 1);
	CHECK_EQ(ready, 1);
	fd_close(p[0]);
	CHECK_EQ(stream_write(s, data, sizeof data), -EPIPE);
	done(s);
}

TEST(the_reader_of_our_output_sees_its_end_when_we_close)
{
	int p[2];
	char c;

	make_pipe(p);
	struct stream *s = opened(p[1], STREAM_OUT);

	done(s);
	CHECK_EQ(read(p[0], &c, 1), 0);
	fd_close(p[0]);
}

TEST(sockets_do_not_block_either)
{
	static char data[4 << 20];
	int p[2];
	char c;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p), 0);
	struct stream *s = opened(p[0], STREAM_OUT);

	while (stream_write(s, data, sizeof data) > 0)
		;
	CHECK_EQ(stream_write(s, data, sizeof data), -EAGAIN);
	CHECK_EQ(fcntl(p[1], F_GETFL) & O_NONBLOCK, 0);
	CHECK(read(p[1], &c, 1) == 1);
	fd_close(p[1]);
	CHECK_EQ(stream_write(s, data, sizeof data), -EPIPE);
	done(s);
}

TEST(a_file_is_written_where_its_other_users_are)
{
	char path[] = "/tmp/test-stream-XXXXXX", text[8] = "";
	int fd = mkostemp(path, O_CLOEXEC);

	CHECK_EQ(write(fd, "ab", 2), 2);
	int mine = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	struct stream *s = opened(fd, STREAM_OUT);

	CHECK_EQ(stream_write(s, "cd", 2), 2);
	CHECK_EQ(write(mine, "ef", 2), 2);
	CHECK_EQ(pread(mine, text, 8, 0), 6);
	CHECK_STR(text, "abcdef");
	fd_close(mine);
	CHECK_EQ(unlink(path), 0);
	done(s);
}

TEST(the_null_device_takes_and_gives)
{
	char c;
	struct stream *s = opened(open("/dev/null", O_RDWR | O_CLOEXEC), STREAM_IN);

	CHECK_EQ(stream_read(s, &c, 1), 0);
	stream_close(s);
	s = opened(open("/dev/null", O_RDWR | O_CLOEXEC), STREAM_OUT);
	CHECK_EQ(stream_write(s, "x", 1), 1);
	done(s);
}

TEST(a_terminal_works_both_ways_and_ends_when_hung_up)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	char text[8] = "";

	CHECK(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	int again = fcntl(slave, F_DUPFD_CLOEXEC, 0);
	struct stream *in = opened(slave, STREAM_IN);
	struct stream *out = opened(again, STREAM_OUT);

	CHECK_EQ(stream_read(in, text, sizeof text), -EAGAIN);
	CHECK_EQ(write(master, "yes\n", 4), 4);
	CHECK_EQ(loop_step(loop, clock_deadline(5000), NULL), 1);
	CHECK_EQ(stream_read(in, text, sizeof text), 4);
	CHECK_EQ(stream_write(out, "out", 3), 3);
	fd_close(master);
	CHECK_EQ(stream_read(in, text, sizeof text), 0);
	CHECK_EQ(stream_write(out, "out", 3), -EPIPE);
	stream_close(out);
	done(in);
}

TEST(a_pipe_that_nobody_reads_any_more_is_found_out)
{
	int p[2];

	make_pipe(p);
	fd_close(p[0]);
	struct stream *s = opened(p[1], STREAM_OUT);

	CHECK_EQ(stream_write(s, "x", 1), -EPIPE);
	done(s);
}

TEST(a_fifo_for_input_ends_only_when_told)
{
	char folder[] = "/tmp/test-stream-XXXXXX", text[8];
	struct stream *s;

	CHECK(mkdtemp(folder) != NULL);
	auto_free char *path = str_printf("%s/fifo", folder);
	CHECK_EQ(mkfifo(path, 0600), 0);
	CHECK_EQ(loop_new(&loop, NULL), 0);
	CHECK_EQ(stream_open_fifo(loop, path, STREAM_IN, &s, NULL), 0);
	stream_on_ready(s, count, NULL);

	int client = open(path, O_WRONLY | O_CLOEXEC);

	CHECK_EQ(write(client, "abc", 3), 3);
	fd_close(client);
	CHECK_EQ(stream_read(s, text, sizeof text), 3);
	CHECK_EQ(stream_read(s, text, sizeof text), -EAGAIN);
	stream_end(s);
	CHECK_EQ(stream_read(s, text, sizeof text), 0);
	done(s);
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(rmdir(folder), 0);
}

TEST(a_fifo_for_output_outlives_its_reader)
{
	char folder[] = "/tmp/test-stream-XXXXXX", text[8];
	struct stream *s;

	CHECK(mkdtemp(folder) != NULL);
	auto_free char *path = str_printf("%s/fifo", folder);
	CHECK_EQ(mkfifo(path, 0600), 0);
	CHECK_EQ(loop_new(&loop, NULL), 0);
	CHECK_EQ(stream_open_fifo(loop, path, STREAM_OUT, &s, NULL), 0);
	CHECK_EQ(stream_write(s, "abc", 3), 3);

	int client = open(path, O_RDONLY | O_CLOEXEC);

	CHECK_EQ(read(client, text, sizeof text), 3);
	fd_close(client);
	CHECK_EQ(stream_write(s, "def", 3), 3);
	done(s);
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(rmdir(folder), 0);
}

TEST(a_file_is_made_and_appended_to)
{
	char folder[] = "/tmp/kata-test-stream-XXXXXX";

	CHECK(mkdtemp(folder));

	auto_free char *path = str_printf("%s/a/b/log", folder);
	auto_free char *text = NULL;
	struct stream *s;

	CHECK_EQ(loop_new(&loop, NULL), 0);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(stream_open_file(loop, path, &s, NULL), 0);
		CHECK_EQ(stream_write(s, "line\n", 5), 5);
		stream_close(s);
	}
	CHECK_EQ(file_read(AT_FDCWD, path, 100, &text, NULL, NULL), 0);
	CHECK_STR(text, "line\nline\n");
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(mkfifo(path, 0600), 0);
	CHECK(stream_open_file(loop, path, &s, NULL) < 0); /* nobody reads it */
	CHECK_EQ(dir_remove(AT_FDCWD, folder, NULL), 0);
	loop_free(loop);
}
