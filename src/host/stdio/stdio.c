#include "host/stdio/stdio.h"

#include <errno.h>
#include <string.h>

#include "host/stdio/stdio_pump.h"

unsigned stdio_depth(const struct stdio *io)
{
	/* Only our agent promises to answer in order. */
	return io->promises.ordered_exit ? STDIO_DEPTH : 1;
}

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
	if (io->terminal)
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

static void call_back(struct stdio *io)
{
	void (*done)(void *arg) = take_ptr(io->done);

	loop_timer_cancel(io->silence_timer);
	loop_timer_cancel(io->hurry_timer);
	io->silence_timer = io->hurry_timer = NULL;
	done(io->done_arg);
}

static bool silent(const struct outlet *o, msec_t now)
{
	return o->ended || now >= o->heard_at + STDIO_SILENCE_MS;
}

static void listen_again(void *arg)
{
	struct stdio *io = arg;

	io->silence_timer = NULL;
	stdio_moved(io);
}

/* Whether the guest will send no more output. */
static bool heard_all(struct stdio *io)
{
	msec_t now = clock_now();

	if (io->promises.ordered_exit || io->broken ||
	    (silent(&io->out, now) && silent(&io->err, now)))
		return true;
	/* Without a timer there is no way to find out later. */
	return !io->silence_timer && loop_timer(io->loop, now + STDIO_SILENCE_MS, listen_again, io,
						&io->silence_timer, NULL) < 0;
}

/* Nothing more can come. */
static bool all_ended(const struct stdio *io)
{
	return io->out.ended && io->err.ended;
}

void stdio_moved(struct stdio *io)
{
	if (io->done && outlet_is_empty(&io->out) && outlet_is_empty(&io->err) &&
	    (io->lingers ? all_ended(io) : heard_all(io)))
		call_back(io);
}

bool stdio_flows(const struct stdio *io)
{
	return !io->broken && ((io->out.to && !io->out.ended) || (io->err.to && !io->err.ended));
}

void stdio_linger(struct stdio *io, void (*done)(void *arg), void *arg)
{
	io->lingers = true;
	io->done = done;
	io->done_arg = arg;
	stdio_moved(io);
}

void stdio_hang_up(struct stdio *io)
{
	outlet_hang_up(&io->out);
	outlet_hang_up(&io->err);
}

void stdio_finish(struct stdio *io, void (*done)(void *arg), void *arg)
{
	inlet_stop(&io->in);
	io->done = done;
	io->done_arg = arg;
	io->out.heard_at = io->err.heard_at = clock_now();
	stdio_moved(io);
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

void stdio_ignore(void *arg, struct ttrpc_answer *answer)
{
	(void) arg, (void) answer;
}
