#include "agent/process/process.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent/process/stream.h"
#include "base/array.h"
#include "base/fd.h"

struct process {
	bool ended;
	bool told; /* a waiter has got the end, and no output was left unread */
	int exit_code;
	int tty;   /* for its size; the streams have their own descriptors */
	int slave; /* of the terminal, which hangs up too early without it */
	struct input in;
	struct output out[PROCESS_STREAM_MAX];
	struct list waits;
};

void process_io_close(struct process_io *io)
{
	fd_close(io->in);
	fd_close(io->out);
	fd_close(io->err);
	fd_close(io->tty);
	*io = PROCESS_IO_NONE;
}

/* @ours is the index of the agent's end, which must never block the loop. */
static int make_pipe(int fds[2], int ours, uint32_t bytes, struct err *e)
{
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(e, errno, "make a pipe");
	/* F_SETPIPE_SZ fails for a user over the pipe limit; small pipes also work. */
	(void) fcntl(fds[0], F_SETPIPE_SZ, bytes ? bytes : PROCESS_PIPE_BYTES);
	if (fcntl(fds[ours], F_SETFL, O_NONBLOCK) < 0)
		return err_sys(e, errno, "make a pipe");
	return 0;
}

int process_io_open(uint32_t pipe_bytes, struct process_io *ret, int ret_child[3], struct err *e)
{
	int p[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}};

	for (int i = 0; i < 3; i++) {
		int r = make_pipe(p[i], i == 0, pipe_bytes, e);

		if (r == 0)
			continue;
		for (int j = 0; j <= i; j++) {
			fd_close(p[j][0]);
			fd_close(p[j][1]);
		}
		return r;
	}
	*ret = (struct process_io){.in = p[0][1], .out = p[1][0], .err = p[2][0], .tty = -1};
	ret_child[0] = p[0][0];
	ret_child[1] = p[1][1];
	ret_child[2] = p[2][1];
	return 0;
}

static bool owes(const struct process *p)
{
	for (int i = 0; i < PROCESS_STREAM_MAX; i++)
		if (p->out[i].wanted && p->out[i].owed_bytes > 0)
			return true;
	return false;
}

static void tell_end(struct process *p)
{
	bool unread = owes(p);

	if (!p->ended)
		return;
	list_for_each (pos, &p->waits) {
		struct process_wait *w = container_of(pos, struct process_wait, link);

		if (unread && !w->at_end)
			continue;
		list_remove(&w->link);
		p->told |= !unread;
		w->unread = unread;
		w->finish(w, p->exit_code);
	}
}

static void stdout_moved(struct output *o)
{
	tell_end(container_of(o, struct process, out[PROCESS_STDOUT]));
}

static void stderr_moved(struct output *o)
{
	tell_end(container_of(o, struct process, out[PROCESS_STDERR]));
}

/* A terminal is one descriptor for both directions, duplicated because each direction is watched by
 * itself. */
static int open_tty(struct process *p, struct loop *loop, const struct process_io *io,
		    struct err *e)
{
	auto_close int in = fcntl(io->tty, F_DUPFD_CLOEXEC, 0);
	auto_close int out = fcntl(io->tty, F_DUPFD_CLOEXEC, 0);

	if (in < 0 || out < 0)
		return err_sys(e, errno, "take over a terminal");
	if (fcntl(io->tty, F_SETFL, O_NONBLOCK) < 0) /* shared by all three descriptors */
		return err_sys(e, errno, "take over a terminal");

	int r = output_init(&p->out[PROCESS_STDOUT], loop, out, true, e);

	if (r < 0)
		return r;
	(void) take_fd(&out);
	input_init(&p->in, loop, take_fd(&in));
	/* May be refused (an old devpts); then a process that closes its terminal for a while ends
	 * its output early, as everywhere. */
	p->slave = ioctl(io->tty, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	return 0;
}

static int open_pipes(struct process *p, struct loop *loop, struct process_io *io, struct err *e)
{
	int r = output_init(&p->out[PROCESS_STDOUT], loop, io->out, false, e);

	if (r < 0)
		return r;
	r = output_init(&p->out[PROCESS_STDERR], loop, io->err, false, e);
	if (r < 0) {
		/* On failure io->out is still the caller's. */
		loop_unwatch(p->out[PROCESS_STDOUT].watch);
		p->out[PROCESS_STDOUT].watch = NULL;
		p->out[PROCESS_STDOUT].fd = -1;
		return r;
	}
	p->out[PROCESS_STDOUT].at_once = io->at_once;
	input_init(&p->in, loop, io->in);
	return 0;
}

int process_new(struct loop *loop, struct process_io *take_io, struct process **ret, struct err *e)
{
	auto_ptr(process_free) struct process *p = calloc(1, sizeof *p);

	if (!p)
		return err_sys(e, ENOMEM, "keep a process");
	p->tty = p->slave = -1;
	list_init(&p->waits);
	input_init(&p->in, loop, -1);
	for (int i = 0; i < PROCESS_STREAM_MAX; i++)
		(void) output_init(&p->out[i], loop, -1, false, e);
	p->out[PROCESS_STDOUT].moved = stdout_moved;
	p->out[PROCESS_STDERR].moved = stderr_moved;

	int r = take_io->tty >= 0 ? open_tty(p, loop, take_io, e) : open_pipes(p, loop, take_io, e);

	if (r < 0)
		return r;
	p->tty = take_io->tty;
	*take_io = PROCESS_IO_NONE;
	*ret = take_ptr(p);
	return 0;
}

void process_free(struct process *p)
{
	if (!p)
		return;
	input_fini(&p->in);
	for (int i = 0; i < PROCESS_STREAM_MAX; i++)
		output_fini(&p->out[i]);
	while (!list_empty(&p->waits)) {
		struct process_wait *w =
			container_of(list_first(&p->waits), struct process_wait, link);

		list_remove(&w->link);
		w->finish(w, p->ended ? p->exit_code : -ESRCH);
	}
	fd_close(p->tty);
	fd_close(p->slave);
	free(p);
}

void process_ended(struct process *p, int exit_code)
{
	assert(!p->ended);
	p->ended = true;
	p->exit_code = exit_code;
	/* From now on the terminal hangs up with its last user. */
	p->slave = fd_close(p->slave);
	if (p->tty >= 0)
		input_fini(
			&p->in); /* a terminal would take the bytes, and nobody would read them */
	for (int i = 0; i < PROCESS_STREAM_MAX; i++)
		output_settle(&p->out[i]);
	tell_end(p);
}

void process_cut(struct process *p)
{
	int fd = p->in.fd >= 0 ? p->in.fd : p->out[PROCESS_STDOUT].fd;

	if (fd >= 0)
		fd_reset_at_close(fd);
}

bool process_has_ended(const struct process *p)
{
	return p->ended;
}

bool process_has_tty(const struct process *p)
{
	return p->tty >= 0;
}

bool process_is_spent(const struct process *p)
{
	return p->ended && p->told && list_empty(&p->waits) && p->out[PROCESS_STDOUT].fd < 0 &&
	       p->out[PROCESS_STDERR].fd < 0;
}

void process_read(struct process *p, enum process_stream which, struct process_read *r)
{
	assert(which < PROCESS_STREAM_MAX && r->max_bytes > 0);
	output_read(&p->out[which], r);
}

void process_read_cancel(struct process_read *r)
{
	list_remove(&r->link);
}

void process_close_output(struct process *p, enum process_stream which)
{
	output_close(&p->out[which]);
}

void process_write(struct process *p, struct process_write *w)
{
	w->done = 0;
	input_write(&p->in, w);
}

void process_write_cancel(struct process_write *w)
{
	list_remove(&w->link);
}

void process_close_stdin(struct process *p)
{
	if (p->tty < 0)
		input_close_after_writes(&p->in);
}

void process_wait(struct process *p, struct process_wait *w)
{
	list_init(&w->link);
	if (parked_full(&p->waits)) {
		w->finish(w, -EBUSY);
		return;
	}
	list_add(&p->waits, &w->link);
	tell_end(p);
}

void process_wait_cancel(struct process_wait *w)
{
	list_remove(&w->link);
}

int process_resize(struct process *p, unsigned rows, unsigned columns, struct err *e)
{
	struct winsize size = {
		.ws_row = (unsigned short) rows,
		.ws_col = (unsigned short) columns,
	};

	if (p->tty < 0)
		return err_say(e, ENOTTY, "the process has no terminal");
	if (rows > USHRT_MAX || columns > USHRT_MAX)
		return err_say(e, EINVAL, "a terminal of %u by %u is too large", rows, columns);
	if (ioctl(p->tty, TIOCSWINSZ, &size) < 0)
		return err_sys(e, errno, "resize the terminal");
	return 0;
}
