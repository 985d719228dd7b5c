#include "host/stdio/stdio.h"

#include <errno.h>
#include <string.h>

#include "host/stdio/stdio_pump.h"

int stdio_new(struct loop *loop, struct ttrpc_client *client, struct stdio_spec *take_spec,
	      struct stdio **ret, struct err *e)
{
	struct stdio *io = calloc(1, sizeof *io);

	if (!io)
		return err_sys(e, ENOMEM, "make a relay");
	io->container_id = strdup(take_spec->container_id);
	io->exec_id = strdup(take_spec->exec_id);
	if (!io->container_id || !io->exec_id) {
		stdio_free(io);
		return err_sys(e, ENOMEM, "make a relay");
	}
	io->loop = loop;
	io->client = client;
	io->promises = take_spec->promises;
	io->terminal = take_spec->terminal;
	io->connection = take_spec->connection;
	inlet_init(&io->in, io, take_ptr(take_spec->in));
	outlet_init(&io->out, io, "ReadStdout", take_ptr(take_spec->out));
	outlet_init(&io->err, io, "ReadStderr", take_ptr(take_spec->err));
	*ret = io;
	return 0;
}

void stdio_free(struct stdio *io)
{
	if (!io)
		return;
	loop_timer_cancel(io->silence_timer);
	loop_timer_cancel(io->hurry_timer);
	if (io->loop) {
		inlet_fini(&io->in);
		outlet_fini(&io->out);
		outlet_fini(&io->err);
	}
	free(io->container_id);
	free(io->exec_id);
	free(io);
}

void stdio_start_output(struct stdio *io)
{
	outlet_start(&io->out);
	if (io->terminal || io->connection)
		io->err.ended = true; /* it has one stream for both */
	else
		outlet_start(&io->err);
}

void stdio_start_input(struct stdio *io)
{
	inlet_start(&io->in);
}

void stdio_end_input(struct stdio *io)
{
	if (io->in.from)
		stream_end(io->in.from);
}

bool stdio_flows(const struct stdio *io)
{
	return !io->broken && ((io->out.to && !io->out.ended) || (io->err.to && !io->err.ended));
}

static void tell_when_written(struct stdio *io, void (*done)(void *arg), void *arg)
{
	io->done = done;
	io->done_arg = arg;
	outlet_settle(&io->out);
	outlet_settle(&io->err);
	stdio_moved(io);
}

void stdio_linger(struct stdio *io, void (*done)(void *arg), void *arg)
{
	io->lingers = true;
	tell_when_written(io, done, arg);
}

void stdio_hang_up(struct stdio *io)
{
	outlet_hang_up(&io->out);
	outlet_hang_up(&io->err);
}

void stdio_finish(struct stdio *io, void (*done)(void *arg), void *arg)
{
	inlet_stop(&io->in);
	io->out.heard_at = io->err.heard_at = clock_now();
	tell_when_written(io, done, arg);
}

static void hurry(void *arg);

static void wait_patiently(struct stdio *io)
{
	io->patiences--;
	io->written_before = io->written;
	(void) loop_timer(io->loop, clock_deadline(io->patience_ms), hurry, io, &io->hurry_timer,
			  NULL);
}

static void hurry(void *arg)
{
	struct stdio *io = arg;

	io->hurry_timer = NULL;
	if (io->written != io->written_before && io->patiences > 0) {
		wait_patiently(io);
		return;
	}
	outlet_discard(&io->out);
	outlet_discard(&io->err);
	stdio_moved(io);
}

void stdio_hurry(struct stdio *io, uint32_t patience_ms)
{
	if (io->hurry_timer)
		return;
	io->patience_ms = patience_ms;
	io->patiences = STDIO_PATIENCES;
	wait_patiently(io);
}

bool stdio_is_stuck(const struct stdio *io)
{
	return outlet_is_stuck(&io->out) || outlet_is_stuck(&io->err);
}

void stdio_break(struct stdio *io)
{
	io->broken = true;
	inlet_stop(&io->in);
	io->out.ended = io->err.ended = true;
}
