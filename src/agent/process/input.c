#include "agent/process/stream.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static struct process_write *first_parked(struct input *i)
{
	struct list *first = list_first(&i->parked);

	return first ? container_of(first, struct process_write, link) : NULL;
}

static void finish_first(struct input *i, int r)
{
	struct process_write *w = first_parked(i);

	list_remove(&w->link);
	w->finish(w, r);
}

static void close_stream(struct input *i)
{
	loop_unwatch(i->watch);
	i->watch = NULL;
	i->fd = fd_close(i->fd);
}

/* A connection stays open for its other direction, so closing would not end this one. What is no
 * connection does not know the call. */
static void end_stream(struct input *i)
{
	if (i->fd >= 0)
		(void) shutdown(i->fd, SHUT_WR);
	close_stream(i);
}

/* Closes the stream and fails all parked writes with @r, because the process takes no more. */
static void break_stream(struct input *i, int r)
{
	close_stream(i);
	while (!list_empty(&i->parked))
		finish_first(i, r);
}

/* Returns 0 when all of it was taken, -EAGAIN, or -errno. */
static int write_some(struct input *i, struct process_write *w)
{
	while (w->done < w->bytes) {
		ssize_t n = write(i->fd, w->data + w->done, w->bytes - w->done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EAGAIN;
		w->done += (size_t) n;
	}
	return 0;
}

static void on_ready(void *arg, uint32_t events);

/* Watches a full pipe, but none with nothing to write, because a reader that hung up would wake the
 * loop for ever. */
static int watch(struct input *i, bool on)
{
	if (on && !i->watch)
		return loop_watch(i->loop, i->fd, EPOLLOUT, on_ready, i, &i->watch, NULL);
	if (!on) {
		loop_unwatch(i->watch);
		i->watch = NULL;
	}
	return 0;
}

static void pump(struct input *i)
{
	while (!list_empty(&i->parked)) {
		int r = write_some(i, first_parked(i));

		if (r == -EAGAIN) {
			r = watch(i, true);
			if (r == 0)
				return;
		}
		if (r < 0) {
			break_stream(i, r == -EIO ? -EPIPE : r); /* EIO is a terminal's EPIPE */
			return;
		}
		finish_first(i, 0);
	}
	(void) watch(i, false);
	if (i->closing)
		end_stream(i);
}

static void on_ready(void *arg, uint32_t events)
{
	(void) events;
	pump(arg);
}

void input_init(struct input *i, struct loop *loop, int take_fd)
{
	*i = (struct input){.loop = loop, .fd = take_fd};
	list_init(&i->parked);
}

void input_fini(struct input *i)
{
	break_stream(i, -EPIPE);
}

void input_write(struct input *i, struct process_write *w)
{
	if (i->fd < 0 || i->closing) {
		w->finish(w, -EPIPE);
		return;
	}
	if (parked_full(&i->parked)) {
		w->finish(w, -EBUSY);
		return;
	}

	bool first = list_empty(&i->parked);

	list_add(&i->parked, &w->link);
	if (first)
		pump(i);
}

void input_close_after_writes(struct input *i)
{
	i->closing = true;
	if (list_empty(&i->parked))
		end_stream(i);
}
