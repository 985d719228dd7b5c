#include "host/stdio/stdio_pump.h"

#include <errno.h>

struct write_call {
	struct list link;
	struct inlet *i;
	struct ttrpc_pending *pending;
	size_t bytes;
	size_t done; /* taken by the guest */
	uint8_t data[];
};

static void go_on(struct inlet *i);

void inlet_init(struct inlet *i, struct stdio *io, struct stream *take_from)
{
	*i = (struct inlet){.io = io, .from = take_from};
	list_init(&i->calls);
}

static void call_free(struct write_call *call)
{
	list_remove(&call->link);
	call->i->n_calls--;
	free(call);
}

void inlet_fini(struct inlet *i)
{
	list_for_each (pos, &i->calls) {
		struct write_call *call = container_of(pos, struct write_call, link);

		ttrpc_cancel(call->pending);
		call_free(call);
	}
	stream_close(i->from);
	i->from = NULL;
}

/* Tells the guest that input has ended, once it has taken all before. A terminal's input has no
 * end, because hanging up is not typing end of file. */
static void close_guest(struct inlet *i)
{
	Grpc__CloseStdinRequest close = GRPC__CLOSE_STDIN_REQUEST__INIT;
	struct ttrpc_request request = {
		.service = &grpc__agent_service__descriptor,
		.method = "CloseStdin",
		.message = &close.base,
		.deadline = CLOCK_NEVER,
	};

	if (!i->ended || i->closed || i->n_calls > 0 || i->io->terminal || i->io->broken)
		return;
	i->closed = true;
	close.container_id = i->io->container_id;
	close.exec_id = i->io->exec_id;
	(void) ttrpc_call(i->io->client, &request, stdio_ignore, NULL, NULL, NULL);
}

static void end(struct inlet *i)
{
	i->ended = true;
	stream_close(i->from);
	i->from = NULL;
	close_guest(i);
}

static int send_rest(struct write_call *call);

static void answered(void *arg, struct ttrpc_answer *answer)
{
	struct write_call *call = arg;
	struct inlet *i = call->i;

	call->pending = NULL;
	if (answer->r == 0) {
		uint32_t len = ((Grpc__WriteStreamResponse *) answer->response)->len;

		/* An agent that took only a part gets the rest, unless more was sent behind. */
		call->done += len < call->bytes - call->done ? len : call->bytes - call->done;
		if (len > 0 && call->done < call->bytes && stdio_depth(i->io) == 1 &&
		    send_rest(call) == 0)
			return;
	}
	bool failed = answer->r < 0 || call->done < call->bytes;

	call_free(call);
	if (failed) { /* the process has closed its input, or is gone */
		i->closed = true;
		end(i);
	}
	go_on(i);
}

static int send_rest(struct write_call *call)
{
	struct stdio *io = call->i->io;
	Grpc__WriteStreamRequest write = GRPC__WRITE_STREAM_REQUEST__INIT;
	struct ttrpc_request request = {
		.service = &grpc__agent_service__descriptor,
		.method = "WriteStdin",
		.message = &write.base,
		.deadline = CLOCK_NEVER,
	};

	write.container_id = io->container_id;
	write.exec_id = io->exec_id;
	write.data.data = call->data + call->done;
	write.data.len = call->bytes - call->done;
	return ttrpc_call(io->client, &request, answered, call, &call->pending, NULL);
}

/* Reads as much as there is, up to one message. Returns what stream_read() said last if nothing
 * came. */
static ssize_t gather(struct inlet *i, struct write_call *call)
{
	ssize_t n;

	do {
		n = stream_read(i->from, call->data + call->bytes, STDIO_CHUNK_BYTES - call->bytes);
		if (n > 0)
			call->bytes += (size_t) n;
	} while (n > 0 && call->bytes < STDIO_CHUNK_BYTES);
	return call->bytes > 0 ? (ssize_t) call->bytes : n;
}

/* Sends one message to the guest. False: there is nothing to send now, or input has ended. */
static bool fill_once(struct inlet *i)
{
	struct write_call *call = malloc(sizeof *call + STDIO_CHUNK_BYTES);

	if (!call) {
		end(i);
		return false;
	}
	*call = (struct write_call){.i = i};

	ssize_t n = gather(i, call);

	if (n <= 0) {
		free(call);
		if (n != -EAGAIN)
			end(i);
		return false;
	}

	struct write_call *fit = realloc(call, sizeof *call + call->bytes);

	call = fit ? fit : call;
	list_add(&i->calls, &call->link);
	i->n_calls++;
	if (send_rest(call) < 0) {
		call_free(call);
		end(i);
		return false;
	}
	return true;
}

static void fill(struct inlet *i)
{
	while (i->from && !i->io->broken && i->n_calls < stdio_depth(i->io))
		if (!fill_once(i))
			return;
}

/* A connection may be over then. Comes last, because that frees it. */
static void go_on(struct inlet *i)
{
	fill(i);
	close_guest(i);
	if (i->io->connection)
		stdio_moved(i->io);
}

static void readable(void *arg)
{
	go_on(arg);
}

void inlet_start(struct inlet *i)
{
	if (i->started)
		return;
	i->started = true;
	if (!i->from) {
		end(i);
		return;
	}
	stream_on_ready(i->from, readable, i);
	go_on(i);
}

void inlet_stop(struct inlet *i)
{
	i->closed = true; /* no CloseStdin, because the process is gone */
	end(i);
}
