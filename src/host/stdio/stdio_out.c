#include "host/stdio/stdio_pump.h"

#include <errno.h>

#include "base/log.h"

struct read_call {
	struct list link;
	struct outlet *o;
	struct ttrpc_pending *pending;
};

/* An answer of the guest on its way to the user. */
struct chunk {
	struct list link;
	Grpc__ReadStreamResponse *data;
	size_t written;
};

static void ask(struct outlet *o);

void outlet_init(struct outlet *o, struct stdio *io, const char *method, struct stream *take_to)
{
	*o = (struct outlet){.io = io, .method = method, .to = take_to};
	list_init(&o->calls);
	list_init(&o->chunks);
}

static void chunk_drop(struct outlet *o, struct chunk *c)
{
	list_remove(&c->link);
	o->n_chunks--;
	ttrpc_message_free(&c->data->base);
	free(c);
}

static void drop_chunks(struct outlet *o)
{
	list_for_each (pos, &o->chunks)
		chunk_drop(o, container_of(pos, struct chunk, link));
}

static void close_user(struct outlet *o)
{
	(o->cut ? stream_cut : stream_close)(take_ptr(o->to));
}

void outlet_fini(struct outlet *o)
{
	list_for_each (pos, &o->calls) {
		struct read_call *call = container_of(pos, struct read_call, link);

		ttrpc_cancel(call->pending);
		free(call);
	}
	drop_chunks(o);
	loop_timer_cancel(o->user_timer);
	close_user(o);
}

bool outlet_is_stuck(const struct outlet *o)
{
	return o->to && o->stuck;
}

/* The user's end is gone. A read of 0 bytes tells that to an agent with "close-output". */
static void user_gone(struct outlet *o)
{
	Grpc__ReadStreamRequest close = GRPC__READ_STREAM_REQUEST__INIT;

	o->gone = true;
	drop_chunks(o);
	stream_close(o->to);
	o->to = NULL;
	if (!o->io->promises.close_output || o->ended || o->io->broken)
		return;
	close.container_id = o->io->container_id;
	close.exec_id = o->io->exec_id;

	struct ttrpc_request request = {
		.service = &grpc__agent_service__descriptor,
		.method = o->method,
		.message = &close.base,
		.deadline = CLOCK_NEVER,
	};

	(void) ttrpc_call(o->io->client, &request, stdio_ignore, NULL, NULL, NULL);
}

void outlet_hang_up(struct outlet *o)
{
	if (o->to)
		user_gone(o);
}

/* Writes until the user's end takes no more. */
static void pour(struct outlet *o)
{
	struct list *first;

	o->stuck = false;
	while (o->to && (first = list_first(&o->chunks))) {
		struct chunk *c = container_of(first, struct chunk, link);
		size_t left = c->data->data.len - c->written;
		ssize_t n = stream_write(o->to, c->data->data.data + c->written, left);

		if (n == -EAGAIN) {
			o->stuck = true;
			return;
		}
		if (n < 0) {
			if (n != -EPIPE)
				log_warn("%s of '%s': cannot write: %s; ignoring the rest",
					 o->method + strlen("Read"), o->io->container_id,
					 strerror((int) -n));
			user_gone(o);
			return;
		}
		c->written += (size_t) n;
		o->io->written += (size_t) n;
		if (c->written == c->data->data.len)
			chunk_drop(o, c);
	}
	if (!o->to)
		drop_chunks(o);
}

static void look(void *arg)
{
	struct outlet *o = arg;

	o->user_timer = NULL;
	outlet_settle(o);
	stdio_moved(o->io);
}

/* False without memory for the timer. */
static bool look_again(struct outlet *o)
{
	return o->user_timer || loop_timer(o->io->loop, clock_deadline(STDIO_USER_LOOK_MS), look, o,
					   &o->user_timer, NULL) == 0;
}

/* Whether the user has come to read, or was waited for long enough. */
static bool is_met(struct outlet *o)
{
	msec_t now = clock_now();

	if (!o->to || stream_is_met(o->to))
		return true;
	if (!o->alone_until)
		o->alone_until = now + STDIO_USER_COMES_MS;
	return now >= o->alone_until || !look_again(o);
}

void outlet_settle(struct outlet *o)
{
	bool is_last = o->ended && o->asked == 0;

	o->delivered = o->n_chunks == 0 && (!(is_last || o->io->done) || is_met(o));
	if (is_last && o->delivered)
		close_user(o);
}

/* After anything has changed: asks for more, passes the end of file on, tells the relay. */
static void go_on(struct outlet *o)
{
	ask(o);
	outlet_settle(o);
	stdio_moved(o->io);
}

/* The user's end takes more. */
static void writable(void *arg)
{
	struct outlet *o = arg;

	pour(o);
	go_on(o);
}

static void keep(struct outlet *o, Grpc__ReadStreamResponse *take_data)
{
	struct chunk *c = calloc(1, sizeof *c);

	if (!c) { /* nothing else keeps the order of output */
		log_error("out of memory: output of '%s' is lost", o->io->container_id);
		ttrpc_message_free(&take_data->base);
		return;
	}
	c->data = take_data;
	list_add(&o->chunks, &c->link);
	o->n_chunks++;
}

static void answered(void *arg, struct ttrpc_answer *answer)
{
	struct read_call *call = arg;
	struct outlet *o = call->o;
	Grpc__ReadStreamResponse *data = (Grpc__ReadStreamResponse *) answer->response;

	list_remove(&call->link);
	free(call);
	o->asked--;
	o->heard_at = clock_now();
	/* An agent may report end of file by an error, too. */
	if (answer->r < 0 || data->data.len == 0) {
		o->ended = true;
		o->cut |= o->io->connection && answer->r < 0 && answer->r != -ERANGE;
	} else {
		keep(o, take_ptr(data));
		answer->response = NULL;
		pour(o);
	}
	go_on(o);
}

static int ask_once(struct outlet *o)
{
	Grpc__ReadStreamRequest read = GRPC__READ_STREAM_REQUEST__INIT;
	struct read_call *call = calloc(1, sizeof *call);

	if (!call)
		return -ENOMEM;
	call->o = o;
	read.container_id = o->io->container_id;
	read.exec_id = o->io->exec_id;
	read.len = STDIO_CHUNK_BYTES;

	struct ttrpc_request request = {
		.service = &grpc__agent_service__descriptor,
		.method = o->method,
		.message = &read.base,
		.deadline = CLOCK_NEVER,
	};
	int r = ttrpc_call(o->io->client, &request, answered, call, &call->pending, NULL);

	if (r < 0) {
		free(call);
		return r;
	}
	list_add(&o->calls, &call->link);
	o->asked++;
	return 0;
}

/* Keeps as many reads under way as there is room for their answers. */
static void ask(struct outlet *o)
{
	while (!o->ended && !o->io->broken && o->asked + o->n_chunks < stdio_depth(o->io))
		if (ask_once(o) < 0)
			o->ended = true;
}

void outlet_start(struct outlet *o)
{
	if (o->to) {
		stream_on_ready(o->to, writable, o);
		/* Most users are there now, and one may be away when the process ends. */
		(void) stream_is_met(o->to);
	}
	ask(o);
}

void outlet_discard(struct outlet *o)
{
	drop_chunks(o);
	stream_close(o->to);
	o->to = NULL;
	ask(o);
	outlet_settle(o);
}
