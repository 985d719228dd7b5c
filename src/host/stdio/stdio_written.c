/* Is all output written? Asked after every change of an outlet. */
#include "host/stdio/stdio_pump.h"

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

/* Nothing more can come; in a connection, from the user neither. */
static bool all_ended(const struct stdio *io)
{
	return io->out.ended && io->err.ended && (!io->connection || io->in.closed || io->out.cut);
}

void stdio_moved(struct stdio *io)
{
	if (io->done && io->out.delivered && io->err.delivered &&
	    (io->lingers ? all_ended(io) : heard_all(io)))
		call_back(io);
}
