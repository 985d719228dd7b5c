#include "ttrpc/wire.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/loop.h"

/*
 * Reading: whatever is there, up to READ_BYTES, goes into one buffer; whole frames are handed over
 * in place, then consumed. A frame that is too large is consumed as it comes (skip_bytes).
 *
 * Writing: a frame is written at once if nothing waits before it, so an answer costs one system
 * call. What the descriptor does not take waits in a queue for EPOLLOUT.
 *
 * Breaking: ops->broken is never called inside wire_send(), whose caller does not expect callbacks;
 * a timer that is due at once calls it from the loop. If a write failed, what the peer sent before
 * is still read, because it may be an awaited answer.
 */
#define READ_BYTES ((size_t) 64 << 10)
/* The most reads while draining, because the peer may go on sending. */
#define DRAIN_READS 128

struct wire {
	struct loop *loop;
	struct loop_watch *watch;
	struct loop_timer *break_timer;
	const struct wire_ops *ops;
	void *arg;
	unsigned flags;
	int fd;
	bool is_socket;
	bool is_unix;
	bool busy;  /* inside on_io(): wire_free() leaves the memory to it */
	bool freed; /* by a callback, while busy */
	bool broken;
	bool draining;     /* broken, but received data is still read */
	struct err reason; /* while broken */
	struct buf in;
	size_t skip_bytes;
	struct list queue;
	size_t queued_bytes;
	size_t n_fds;
	int fds[FD_PASS_MAX];
};

static bool is_paused(const struct wire *w)
{
	return (w->flags & WIRE_PAUSES) && w->queued_bytes >= TTRPC_QUEUE_PAUSE;
}

static void update_events(struct wire *w)
{
	uint32_t events = is_paused(w) ? 0 : EPOLLIN;

	if (!list_empty(&w->queue))
		events |= EPOLLOUT;
	if (!w->broken && !w->freed)
		loop_watch_events(w->watch, events);
}

static void report_break(void *arg);

void wire_break(struct wire *w, const struct err *reason)
{
	if (w->broken)
		return;
	w->broken = true;
	w->reason = *reason;
	/* Without memory for a timer the descriptor itself must wake the loop: it does if the
	 * socket is shut down or has an error. */
	if (loop_timer(w->loop, clock_now(), report_break, w, &w->break_timer, NULL) < 0) {
		(void) shutdown(w->fd, SHUT_RDWR);
		loop_watch_events(w->watch, EPOLLIN | EPOLLOUT);
		return;
	}
	loop_watch_events(w->watch, 0);
}

static void break_because(struct wire *w, int code, const char *what)
{
	struct err e = {0};

	if (code == EPIPE || code == ECONNRESET)
		(void) err_say(&e, ECONNRESET, "the other side hung up");
	else
		(void) err_sys(&e, code, "%s", what);
	wire_break(w, &e);
}

static ssize_t write_frame(struct wire *w, const struct frame *f)
{
	const uint8_t *data = f->bytes + f->start;
	ssize_t n;

	if (f->n_fds > 0)
		return fd_send(w->fd, data, frame_len(f), f->fds, f->n_fds);
	do
		n = w->is_socket ? send(w->fd, data, frame_len(f), MSG_NOSIGNAL)
				 : write(w->fd, data, frame_len(f));
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* Writes what the descriptor takes. */
static void write_queue(struct wire *w)
{
	struct list *first;

	while ((first = list_first(&w->queue)) && !w->broken) {
		struct frame *f = container_of(first, struct frame, link);
		ssize_t n = write_frame(w, f);

		if (n == -EAGAIN)
			return;
		if (n < 0) {
			break_because(w, (int) -n, "write to the other side");
			w->draining = !(w->flags & WIRE_PAUSES);
			return;
		}
		w->queued_bytes -= (size_t) n;
		f->start += (size_t) n;
		for (size_t i = 0; i < f->n_fds; i++)
			fd_close(f->fds[i]); /* they went with the first byte */
		f->n_fds = 0;
		if (frame_len(f) == 0) {
			list_remove(&f->link);
			frame_free(f);
		}
	}
}

void wire_send(struct wire *w, struct frame *take_frame)
{
	bool idle = list_empty(&w->queue);

	if (w->broken) {
		frame_free(take_frame);
		return;
	}
	list_add(&w->queue, &take_frame->link);
	w->queued_bytes += frame_len(take_frame);
	if (idle)
		write_queue(w);
	if (w->queued_bytes > TTRPC_QUEUE_MAX)
		break_because(w, ENOBUFS, "the other side does not read");
	update_events(w);
}

/* Returns bytes read, 0 at end of file, or -errno. */
static ssize_t read_more(struct wire *w)
{
	if (!(w->flags & WIRE_ACCEPTS_FDS) || !w->is_unix)
		return buf_read_from(&w->in, w->fd, READ_BYTES);

	uint8_t *room = buf_reserve(&w->in, READ_BYTES);
	int fds[FD_PASS_MAX];
	size_t n_fds = 0;
	ssize_t n = room ? fd_recv(w->fd, room, READ_BYTES, fds, &n_fds) : -ENOMEM;

	if (n < 0)
		return n;
	buf_commit(&w->in, (size_t) n);
	if (w->n_fds + n_fds > FD_PASS_MAX) {
		for (size_t i = 0; i < n_fds; i++)
			fd_close(fds[i]);
		return -EPROTO;
	}
	memcpy(w->fds + w->n_fds, fds, n_fds * sizeof fds[0]);
	w->n_fds += n_fds;
	return n;
}

static void skip(struct wire *w)
{
	size_t n = buf_len(&w->in);

	if (n > w->skip_bytes)
		n = w->skip_bytes;
	buf_consume(&w->in, n);
	w->skip_bytes -= n;
}

/* Hands over complete frames while the queue has room for their answers. */
static void take_frames(struct wire *w)
{
	while (!w->freed && (!w->broken || w->draining) && !is_paused(w)) {
		skip(w);
		if (buf_len(&w->in) < FRAME_HEADER_BYTES)
			break;

		struct frame_header h = frame_header_read(buf_data(&w->in));

		if (h.body_bytes > TTRPC_MESSAGE_MAX) {
			buf_consume(&w->in, FRAME_HEADER_BYTES);
			w->skip_bytes = h.body_bytes;
			w->ops->too_large(w->arg, &h);
			continue;
		}
		if (buf_len(&w->in) < FRAME_HEADER_BYTES + h.body_bytes)
			break;
		w->ops->frame(w->arg, &h, buf_data(&w->in) + FRAME_HEADER_BYTES);
		buf_consume(&w->in, FRAME_HEADER_BYTES + h.body_bytes);
	}
	/* Free a buffer that a large frame has made grow. */
	if (buf_len(&w->in) == 0 && w->in.capacity > 2 * READ_BYTES)
		buf_fini(&w->in);
}

/* Whether to go on reading a frame without asking epoll, because a virtio-serial port gives only 4
 * KiB at a time. */
static bool reads_on(const struct wire *w, size_t bytes)
{
	return !w->is_socket && bytes < READ_BYTES && !w->freed && !w->broken && !is_paused(w) &&
	       buf_len(&w->in) > 0;
}

static void read_and_take(struct wire *w, uint32_t events)
{
	size_t bytes = 0;
	ssize_t n;

	do {
		n = read_more(w);
		if (n <= 0)
			break;
		bytes += (size_t) n;
		take_frames(w);
	} while (reads_on(w, bytes));

	if (n == 0 || n == -EIO) /* a pty returns EIO when its other end is closed */
		break_because(w, ECONNRESET, "");
	else if (n == -EAGAIN && (events & (EPOLLHUP | EPOLLERR)))
		break_because(w, ECONNRESET, "");
	else if (n < 0 && n != -EAGAIN)
		break_because(w, (int) -n, "read from the other side");
}

/* Ends a section in which callbacks may have freed the wire, and frees its memory then. */
static void leave(struct wire *w)
{
	w->busy = false;
	if (w->freed) {
		buf_fini(&w->in);
		free(w);
	}
}

static void report_break(void *arg)
{
	struct wire *w = arg;

	w->break_timer = NULL;
	w->busy = true;
	for (int i = 0; w->draining && !w->freed && i < DRAIN_READS; i++) {
		if (read_more(w) <= 0)
			break;
		take_frames(w);
	}
	if (!w->freed)
		w->ops->broken(w->arg, &w->reason);
	leave(w);
}

static void on_io(void *arg, uint32_t events)
{
	struct wire *w = arg;

	if (w->broken) {
		if (!w->break_timer)
			report_break(w);
		return;
	}
	w->busy = true;
	if (events & EPOLLOUT) {
		write_queue(w);
		take_frames(w); /* frames that waited because the queue was too long */
	}
	if (!w->freed && !w->broken) {
		if (!is_paused(w) && (events & ~(uint32_t) EPOLLOUT))
			read_and_take(w, events);
		else if (events & (EPOLLHUP | EPOLLERR))
			break_because(w, ECONNRESET, "");
	}
	update_events(w);
	leave(w);
}

static int look_at(struct wire *w, struct err *e)
{
	int type, domain;
	socklen_t bytes = sizeof type;

	if (getsockopt(w->fd, SOL_SOCKET, SO_TYPE, &type, &bytes) < 0)
		return 0;
	if (type != SOCK_STREAM)
		return err_say(e, EINVAL, "a socket for ttRPC must be a stream");
	w->is_socket = true;
	bytes = sizeof domain;
	w->is_unix =
		getsockopt(w->fd, SOL_SOCKET, SO_DOMAIN, &domain, &bytes) == 0 && domain == AF_UNIX;
	return 0;
}

int wire_new(struct loop *loop, int take_fd, unsigned flags, const struct wire_ops *ops, void *arg,
	     struct wire **ret, struct err *e)
{
	auto_free struct wire *w = calloc(1, sizeof *w);

	if (!w)
		return err_sys(e, ENOMEM, "serve a connection");
	*w = (struct wire){.loop = loop, .flags = flags, .ops = ops, .arg = arg, .fd = take_fd};
	buf_init(&w->in, TTRPC_MESSAGE_MAX + FRAME_HEADER_BYTES + READ_BYTES);
	list_init(&w->queue);

	int r = look_at(w, e);

	if (r < 0)
		return r;
	r = fd_set_nonblock(take_fd, true);
	if (r < 0)
		return err_sys(e, -r, "make descriptor %d non-blocking", take_fd);
	r = loop_watch(loop, take_fd, EPOLLIN, on_io, w, &w->watch, e);
	if (r < 0)
		return r;
	*ret = take_ptr(w);
	return 0;
}

void wire_free(struct wire *w)
{
	if (!w || w->freed)
		return;
	w->freed = true;
	loop_timer_cancel(w->break_timer);
	loop_unwatch(w->watch);
	w->fd = fd_close(w->fd);
	for (size_t i = 0; i < w->n_fds; i++)
		fd_close(w->fds[i]);
	w->n_fds = 0;
	list_for_each (pos, &w->queue) {
		list_remove(pos);
		frame_free(container_of(pos, struct frame, link));
	}
	if (w->busy)
		return; /* on_io() or report_break() still uses it and frees it */
	buf_fini(&w->in);
	free(w);
}

int wire_flush(struct wire *w, msec_t deadline)
{
	while (!list_empty(&w->queue) && !w->broken) {
		struct pollfd p = {.fd = w->fd, .events = POLLOUT};
		int n = poll(&p, 1, clock_poll_ms(deadline));

		if (n == 0)
			return -ETIMEDOUT;
		if (n > 0)
			write_queue(w);
	}
	update_events(w);
	return w->broken ? -ECONNRESET : 0;
}

size_t wire_queued(const struct wire *w)
{
	return w->queued_bytes;
}

bool wire_carries_fds(const struct wire *w)
{
	return w->is_unix;
}

bool wire_take_fds(struct wire *w, size_t n, int *ret_fds)
{
	if (n > w->n_fds)
		return false;
	memcpy(ret_fds, w->fds, n * sizeof w->fds[0]);
	w->n_fds -= n;
	memmove(w->fds, w->fds + n, w->n_fds * sizeof w->fds[0]);
	return true;
}
