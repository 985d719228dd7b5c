#include "agent/process/stream.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

/*
 * One side of the stream is the process, which writes when it likes; the other is the host, which
 * asks for bytes and waits. A read is tried at once and parked only when there is nothing. The
 * descriptor is watched edge-triggered for all its life: every byte that comes after the "nothing"
 * makes a new edge, a hang-up makes one, and a stream that nobody reads costs nothing.
 *
 * A process that prints line by line would cost a message per line. So the first bytes after a
 * silence are handed out at once, but few bytes right behind others wait for a millisecond, and for
 * longer, up to OUTPUT_GATHER_MAX_MS, which no eye sees, while such a flow goes on.
 */

/* So many bytes are handed out at once, without waiting for more. */
#define OUTPUT_GATHER_BYTES  2048
#define OUTPUT_GATHER_MS     1
#define OUTPUT_GATHER_MAX_MS 8

/* A read from a terminal gives at most 4 KiB; several are gathered into one reply. */
#define OUTPUT_TTY_BYTES 32768

/* More than a terminal can hold between its two ends (64 KiB in flight, 4 KiB to be read): when so
 * much was handed out after the end, a child left behind must have written some of it. */
#define OUTPUT_TTY_OWED_BYTES (128U << 10)

enum look {
	LOOK_DATA,
	LOOK_NOTHING,
	LOOK_END,
};

/* For a terminal, poll() also moves what is in flight to where it can be read. */
static enum look look_at(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int n;

	do
		n = poll(&p, 1, 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return LOOK_NOTHING;
	return p.revents & POLLIN ? LOOK_DATA : LOOK_END;
}

static ssize_t read_once(int fd, uint8_t *data, size_t bytes)
{
	ssize_t n;

	do
		n = read(fd, data, bytes);
	while (n < 0 && errno == EINTR);
	/* EIO: no process has the other end of the terminal open. */
	if (n < 0 && errno == EIO)
		return 0;
	return n < 0 ? -errno : n;
}

/* Both return the bytes put into the room of @r, 0 at end of file, -EAGAIN, or -errno. */

static ssize_t read_pipe(int fd, struct process_read *r)
{
	int there = 0;

	if (ioctl(fd, FIONREAD, &there) < 0)
		return -errno;
	if (there == 0) {
		switch (look_at(fd)) {
		case LOOK_NOTHING:
			return -EAGAIN;
		case LOOK_END:
			return 0;
		case LOOK_DATA: /* came between the two looks */
			there = 1;
		}
	}

	size_t want = (size_t) there < r->max_bytes ? (size_t) there : r->max_bytes;
	uint8_t *room = r->room(r, want);

	return room ? read_once(fd, room, want) : -ENOMEM;
}

static ssize_t read_tty(int fd, struct process_read *r)
{
	enum look look = look_at(fd);

	if (look != LOOK_DATA)
		return look == LOOK_END ? 0 : -EAGAIN;

	size_t want = OUTPUT_TTY_BYTES < r->max_bytes ? OUTPUT_TTY_BYTES : r->max_bytes;
	uint8_t *room = r->room(r, want);
	size_t got = 0;
	ssize_t n = 0;

	if (!room)
		return -ENOMEM;
	while (got < want && (n = read_once(fd, room + got, want - got)) > 0)
		got += (size_t) n;
	/* An end that follows bytes is found again by the next read. */
	return got > 0 ? (ssize_t) got : n;
}

static void close_stream(struct output *o)
{
	loop_timer_cancel(o->gather);
	o->gather = NULL;
	loop_unwatch(o->watch);
	o->watch = NULL;
	o->fd = fd_close(o->fd);
	o->owed_bytes = 0;
}

static void repay(struct output *o, size_t bytes)
{
	o->owed_bytes -= bytes < o->owed_bytes ? bytes : o->owed_bytes;
	if (o->is_tty && o->owed_bytes > 0 && look_at(o->fd) != LOOK_DATA)
		o->owed_bytes = 0;
}

static void finish_first(struct output *o, ssize_t n)
{
	struct process_read *r = container_of(list_first(&o->parked), struct process_read, link);

	list_remove(&r->link);
	r->finish(r, n);
}

static void pump(struct output *o);

/* Watches for bytes again; the kernel also reports those that are there already. */
static void stop_gathering(struct output *o)
{
	loop_timer_cancel(o->gather);
	o->gather = NULL;
	o->answered_us = 0;
	if (o->watch)
		loop_watch_events(o->watch, EPOLLIN | EPOLLET);
}

static bool are_few(const struct output *o)
{
	int there = 0;

	return ioctl(o->fd, FIONREAD, &there) == 0 && there > 0 && there < OUTPUT_GATHER_BYTES;
}

/* The next wait is longer only if this one was too short to gather a message, because a writer that
 * fills the pipe meanwhile is held up. */
static void on_gathered(void *arg)
{
	struct output *o = arg;

	o->gather = NULL; /* the loop has freed it */
	if (!are_few(o))
		o->gather_ms = OUTPUT_GATHER_MS;
	else if (o->gather_ms < OUTPUT_GATHER_MAX_MS)
		o->gather_ms *= 2;
	stop_gathering(o);
	pump(o);
}

/* Whether the bytes that are there should wait for more. */
static bool gathers(struct output *o)
{
	if (o->gather)
		return true;
	if (o->settled || o->at_once || o->answered_us == 0)
		return false;
	if (clock_now_us() - o->answered_us >= o->gather_ms * 1000ULL) {
		o->gather_ms = OUTPUT_GATHER_MS; /* a silence: the next bytes begin another flow */
		return false;
	}
	if (!are_few(o) ||
	    loop_timer(o->loop, clock_deadline(o->gather_ms), on_gathered, o, &o->gather, NULL) < 0)
		return false;
	loop_watch_events(o->watch, EPOLLET);
	return true;
}

/* Gives parked reads what there is. */
static void pump(struct output *o)
{
	while (o->fd >= 0 && !list_empty(&o->parked) && !gathers(o)) {
		struct process_read *r =
			container_of(list_first(&o->parked), struct process_read, link);
		ssize_t n = o->is_tty ? read_tty(o->fd, r) : read_pipe(o->fd, r);

		if (n == -EAGAIN)
			break;
		if (n > 0) {
			o->answered_us = clock_now_us();
			repay(o, (size_t) n);
		} else if (n != -ENOMEM)
			close_stream(o);
		finish_first(o, n);
	}
	if (o->fd < 0)
		while (!list_empty(&o->parked))
			finish_first(o, 0);
	o->moved(o);
}

static void on_ready(void *arg, uint32_t events)
{
	(void) events;
	pump(arg);
}

int output_init(struct output *o, struct loop *loop, int take_fd, bool is_tty, struct err *e)
{
	list_init(&o->parked);
	o->loop = loop;
	o->fd = -1;
	o->is_tty = is_tty;
	o->gather_ms = OUTPUT_GATHER_MS;
	if (take_fd < 0)
		return 0;

	int r = loop_watch(loop, take_fd, EPOLLIN | EPOLLET, on_ready, o, &o->watch, e);

	if (r == 0)
		o->fd = take_fd;
	return r;
}

void output_fini(struct output *o)
{
	close_stream(o);
	while (!list_empty(&o->parked))
		finish_first(o, 0);
}

void output_close(struct output *o)
{
	close_stream(o);
	pump(o);
}

void output_read(struct output *o, struct process_read *r)
{
	o->wanted = true;
	if (parked_full(&o->parked)) {
		r->finish(r, -EBUSY);
		return;
	}

	bool first = list_empty(&o->parked);

	list_add(&o->parked, &r->link);
	/* Behind a parked read there is nothing to hand out now: do not try again. */
	if (first)
		pump(o);
}

void output_settle(struct output *o)
{
	int there = 0;

	o->settled = true;
	stop_gathering(o);
	if (o->fd < 0)
		return;
	if (o->is_tty)
		o->owed_bytes = look_at(o->fd) == LOOK_DATA ? OUTPUT_TTY_OWED_BYTES : 0;
	else if (ioctl(o->fd, FIONREAD, &there) == 0)
		o->owed_bytes = (size_t) there;
	pump(o);
}
