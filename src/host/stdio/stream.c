#include "host/stdio/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/fd.h"
#include "base/file.h"

/* How much to write at once where only poll() tells that anything can be written. */
#define STREAM_LITTLE_BYTES 256

enum kind {
	KIND_OWN,    /* non-blocking, and the description is ours */
	KIND_SOCKET, /* non-blocking by flag */
	KIND_FILE,   /* never waits */
	KIND_POLLED, /* may wait if asked for too much */
};

struct stream {
	struct loop *loop;
	int fd;
	int writer_fd; /* keeps a fifo for input from ending; -1 otherwise */
	bool is_pair;  /* nobody else has this end */
	bool is_connection;
	enum kind kind;
	enum stream_direction direction;
	stream_ready_fn ready_fn;
	void *ready_arg;
	struct loop_watch *watch; /* only while somebody waits */
	bool unmet;               /* a fifo for output: nobody else was seen to have it open */
	bool was_written;
};

/* Whether epoll knows how to wait for it. */
static bool can_wait(int fd)
{
	auto_close int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ev = {.events = EPOLLIN};

	return epoll_fd >= 0 && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0;
}

/* The same file once more, with a description of our own; or -errno. */
static int reopen(int fd, int access_mode)
{
	return fd_reopen(fd, access_mode | O_NONBLOCK | O_NOCTTY);
}

static enum kind classify(int fd, const struct stat *st)
{
	if (S_ISSOCK(st->st_mode))
		return KIND_SOCKET;
	if (S_ISREG(st->st_mode) || S_ISBLK(st->st_mode) || S_ISDIR(st->st_mode) || !can_wait(fd))
		return KIND_FILE;
	if (S_ISFIFO(st->st_mode) || S_ISCHR(st->st_mode))
		return KIND_OWN;
	return KIND_POLLED;
}

static struct stream *make(struct loop *loop, enum stream_direction direction)
{
	struct stream *s = calloc(1, sizeof *s);

	if (s) {
		s->loop = loop;
		s->direction = direction;
		s->fd = s->writer_fd = -1;
	}
	return s;
}

int stream_open(struct loop *loop, int take_fd, enum stream_direction direction,
		struct stream **ret, struct err *e)
{
	struct stat st;

	if (fstat(take_fd, &st) < 0)
		return err_sys(e, errno, "look at a stream");

	struct stream *s = make(loop, direction);

	if (!s)
		return err_sys(e, ENOMEM, "open a stream");
	s->kind = classify(take_fd, &st);
	s->fd = take_fd;
	if (s->kind == KIND_OWN) {
		int fd = reopen(take_fd, direction == STREAM_IN ? O_RDONLY : O_WRONLY);

		/* Fails for a /dev/tty of another session and a pipe that nobody reads. */
		if (fd < 0)
			s->kind = KIND_POLLED;
		else
			s->fd = fd;
		if (fd >= 0)
			fd_close(take_fd);
	}
	*ret = s;
	return 0;
}

int stream_open_duplicate(struct loop *loop, int fd, enum stream_direction direction,
			  struct stream **ret, struct err *e)
{
	auto_close int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	int r = own < 0 ? err_sys(e, errno, "use a stream")
			: stream_open(loop, own, direction, ret, e);

	if (r == 0)
		(void) take_fd(&own);
	return r;
}

int stream_open_connection(struct loop *loop, int fd, enum stream_direction direction,
			   struct stream **ret, struct err *e)
{
	int r = stream_open_duplicate(loop, fd, direction, ret, e);

	if (r == 0)
		(*ret)->is_connection = true;
	return r;
}

int stream_open_fifo(struct loop *loop, const char *path, enum stream_direction direction,
		     struct stream **ret, struct err *e)
{
	struct stat st;
	int flags = direction == STREAM_IN ? O_RDONLY : O_RDWR;
	auto_close int fd = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	auto_close int writer = -1;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "open '%s'", path);
	if (!S_ISFIFO(st.st_mode))
		return err_say(e, EINVAL, "'%s' is not a fifo", path);
	if (direction == STREAM_IN) {
		writer = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
		if (writer < 0)
			return err_sys(e, errno, "open '%s'", path);
	}

	struct stream *s = make(loop, direction);

	if (!s)
		return err_sys(e, ENOMEM, "open a stream");
	s->kind = KIND_OWN;
	s->fd = take_fd(&fd);
	s->writer_fd = take_fd(&writer);
	s->unmet = direction == STREAM_OUT;
	*ret = s;
	return 0;
}

int stream_open_file(struct loop *loop, const char *path, struct stream **ret, struct err *e)
{
	auto_free char *folder = strndup(path, (size_t) (strrchr(path, '/') - path));
	int r = folder ? 0 : err_sys(e, ENOMEM, "open '%s'", path);

	if (r == 0 && folder[0])
		r = dir_make(folder, 0755, e);
	if (r < 0)
		return r;

	/* What is no regular file would be waited for. */
	auto_close int fd =
		open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0644);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "open '%s'", path);
	if (!S_ISREG(st.st_mode))
		return err_say(e, EINVAL, "'%s' is not a file", path);
	r = stream_open(loop, fd, STREAM_OUT, ret, e);
	if (r == 0)
		(void) take_fd(&fd);
	return r;
}

int stream_open_pair(struct loop *loop, enum stream_direction direction, struct stream **ret,
		     int *ret_fd, struct err *e)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		return err_sys(e, errno, "open a stream");

	int r = stream_open(loop, ends[0], direction, ret, e);

	if (r < 0) {
		fd_close(ends[0]);
		fd_close(ends[1]);
		return r;
	}
	(*ret)->is_pair = true;
	*ret_fd = ends[1];
	return 0;
}

static void stop_waiting(struct stream *s)
{
	loop_unwatch(s->watch);
	s->watch = NULL;
}

void stream_close(struct stream *s)
{
	if (!s)
		return;
	stop_waiting(s);
	if (s->is_connection && s->direction == STREAM_OUT)
		(void) shutdown(s->fd, SHUT_WR);
	fd_close(s->fd);
	fd_close(s->writer_fd);
	free(s);
}

void stream_cut(struct stream *s)
{
	if (!s)
		return;
	fd_reset_at_close(s->fd);
	s->is_connection = false;
	stream_close(s);
}

void stream_on_ready(struct stream *s, stream_ready_fn fn, void *arg)
{
	s->ready_fn = fn;
	s->ready_arg = arg;
}

/* One call per wait: the next -EAGAIN watches the descriptor again. */
static void woken(void *arg, uint32_t events)
{
	struct stream *s = arg;

	(void) events;
	stop_waiting(s);
	s->ready_fn(s->ready_arg);
}

static ssize_t wait_for_it(struct stream *s)
{
	uint32_t events = s->direction == STREAM_IN ? EPOLLIN : EPOLLOUT;
	int r = s->watch ? 0 : loop_watch(s->loop, s->fd, events, woken, s, &s->watch, NULL);

	return r < 0 ? r : -EAGAIN;
}

/* For KIND_POLLED: may we try? */
static bool poll_says_no(const struct stream *s)
{
	struct pollfd p = {
		.fd = s->fd,
		.events = s->direction == STREAM_IN ? POLLIN : POLLOUT,
	};

	return s->kind == KIND_POLLED && poll(&p, 1, 0) == 0;
}

ssize_t stream_read(struct stream *s, void *data, size_t bytes)
{
	ssize_t n;

	if (poll_says_no(s))
		return wait_for_it(s);
	do
		n = s->kind == KIND_SOCKET ? recv(s->fd, data, bytes, MSG_DONTWAIT)
					   : read(s->fd, data, bytes);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	if (errno == EAGAIN)
		return wait_for_it(s);
	/* EIO: the other side of a terminal is gone. */
	return errno == EIO || errno == ECONNRESET ? 0 : -errno;
}

ssize_t stream_write(struct stream *s, const void *data, size_t bytes)
{
	ssize_t n;

	if (poll_says_no(s))
		return wait_for_it(s);
	if (s->kind == KIND_POLLED && bytes > STREAM_LITTLE_BYTES)
		bytes = STREAM_LITTLE_BYTES;
	do
		n = s->kind == KIND_SOCKET ? send(s->fd, data, bytes, MSG_DONTWAIT | MSG_NOSIGNAL)
					   : write(s->fd, data, bytes);
	while (n < 0 && errno == EINTR);
	if (n >= 0) {
		s->was_written = true;
		return n;
	}
	if (errno == EAGAIN)
		return wait_for_it(s);
	return errno == EIO || errno == ECONNRESET ? -EPIPE : -errno;
}

/* Whether nobody reads what is written to @fd. */
static bool is_alone(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	return poll(&p, 1, 0) > 0 && p.revents & POLLERR;
}

/* What was written is not there any more. */
static bool was_read(const struct stream *s)
{
	int left = 0;

	return s->was_written && ioctl(s->fd, FIONREAD, &left) == 0 && left == 0;
}

/* Looks whether somebody else has the fifo open for reading, for which it must not be open for
 * reading here. It is open for writing all along, because it would lose what it holds otherwise. */
static bool somebody_reads(struct stream *s)
{
	int writer = reopen(s->fd, O_WRONLY), both;

	if (writer < 0)
		return true; /* because there is no way to find out */
	stop_waiting(s);
	fd_close(s->fd);
	s->fd = writer;

	bool alone = is_alone(writer);

	both = reopen(writer, O_RDWR);
	if (both >= 0) {
		fd_close(writer);
		s->fd = both;
	}
	return !alone;
}

bool stream_is_met(struct stream *s)
{
	if (s->unmet && (was_read(s) || somebody_reads(s)))
		s->unmet = false;
	return !s->unmet;
}

void stream_end(struct stream *s)
{
	s->writer_fd = fd_close(s->writer_fd);
	if (s->is_pair)
		(void) shutdown(s->fd, SHUT_RD);
}
