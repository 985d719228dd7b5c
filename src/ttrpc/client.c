#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/loop.h"
#include "base/text.h"
#include "ttrpc/envelope.h"
#include "ttrpc/wire.h"

struct ttrpc_client {
	struct loop *loop;
	struct wire *wire; /* NULL once the connection is broken */
	struct list calls; /* struct ttrpc_pending, oldest first */
	size_t n_calls;
	uint32_t last_stream;
	int busy;   /* inside callbacks: ttrpc_client_free() leaves the memory to leave() */
	bool freed; /* by a callback, while busy */
	void (*on_closed)(void *arg, const struct err *e);
	void *on_closed_arg;
};

struct ttrpc_pending {
	struct list link;
	struct ttrpc_client *client;
	const ProtobufCMethodDescriptor *method;
	struct loop_timer *timer;
	uint32_t stream;
	ttrpc_done_fn done;
	void *arg;
};

static void leave(struct ttrpc_client *client)
{
	if (--client->busy == 0 && client->freed)
		free(client);
}

void ttrpc_cancel(struct ttrpc_pending *p)
{
	if (!p)
		return;
	list_remove(&p->link);
	p->client->n_calls--;
	loop_timer_cancel(p->timer);
	free(p);
}

/* The only way to end a call: forgets it, then calls its done function. */
static void finish(struct ttrpc_pending *p, struct ttrpc_answer *answer)
{
	struct ttrpc_client *client = p->client;
	ttrpc_done_fn done = p->done;
	void *arg = p->arg;

	ttrpc_cancel(p);
	client->busy++;
	done(arg, answer);
	ttrpc_message_free(answer->response);
	leave(client);
}

static void finish_failed(struct ttrpc_pending *p, int code, const char *why)
{
	struct ttrpc_answer answer = {.r = -code};

	(void) err_say(&answer.err, code, "%s: %s", p->method->name, why);
	finish(p, &answer);
}

/* Ends all calls, including those that done functions begin meanwhile. */
static void finish_all(struct ttrpc_client *client, int code, const char *why)
{
	struct list *first;

	while ((first = list_first(&client->calls)))
		finish_failed(container_of(first, struct ttrpc_pending, link), code, why);
}

static void deadline_passed(void *arg)
{
	struct ttrpc_pending *p = arg;

	p->timer = NULL;
	finish_failed(p, ETIMEDOUT, "no answer in time");
}

static void read_answer(const struct ttrpc_pending *p, const uint8_t *body, size_t bytes,
			struct ttrpc_answer *ret)
{
	struct response_in in;
	char words[ERR_TEXT_MAX];

	if (!response_read(body, bytes, &in)) {
		ret->r = err_say(&ret->err, EPROTO, "%s: the answer is no response",
				 p->method->name);
	} else if (in.code != 0) {
		(void) text_line((const char *) in.message.data, in.message.bytes, words,
				 sizeof words);
		ret->code = in.code > 0 && in.code < TTRPC_CODE_MAX ? (enum ttrpc_code) in.code
								    : TTRPC_UNKNOWN;
		ret->r = err_say(&ret->err, ttrpc_errno_of(in.code), "%s",
				 words[0] ? words : "refused without a reason");
	} else if (ttrpc_unpack(p->method->output, in.payload.data, in.payload.bytes,
				&ret->response, NULL) < 0) {
		ret->r = err_say(&ret->err, EPROTO, "%s: the answer is no %s", p->method->name,
				 p->method->output->name);
	}
}

static struct ttrpc_pending *find_call(struct ttrpc_client *client, uint32_t stream)
{
	list_for_each (pos, &client->calls) {
		struct ttrpc_pending *p = container_of(pos, struct ttrpc_pending, link);

		if (p->stream == stream)
			return p;
	}
	return NULL; /* the answer is late, or to a call that was never made */
}

/* Breaks the connection at a frame type that no server sends, because the peer speaks another
 * protocol or the frame boundaries are lost. */
static bool is_garbage(struct ttrpc_client *client, const struct frame_header *h)
{
	struct err e = {0};

	if (h->type == FRAME_RESPONSE || h->type == FRAME_DATA)
		return false;
	(void) err_say(&e, EPROTO, "the other side sent a frame of type %d", h->type);
	wire_break(client->wire, &e);
	return true;
}

static void client_frame(void *arg, const struct frame_header *h, const uint8_t *body)
{
	struct ttrpc_pending *p = find_call(arg, h->stream);
	struct ttrpc_answer answer = {0};

	if (is_garbage(arg, h) || !p)
		return;
	if (h->type != FRAME_RESPONSE) {
		finish_failed(p, EPROTO, "the answer is no response");
		return;
	}
	read_answer(p, body, h->body_bytes, &answer);
	finish(p, &answer);
}

static void client_too_large(void *arg, const struct frame_header *h)
{
	struct ttrpc_pending *p = find_call(arg, h->stream);

	if (!is_garbage(arg, h) && p)
		finish_failed(p, EMSGSIZE, "the answer is above the limit of 4194304 bytes");
}

static void client_broken(void *arg, const struct err *e)
{
	struct ttrpc_client *client = arg;
	char words[640];

	client->busy++;
	wire_free(client->wire);
	client->wire = NULL;
	if (!client->freed && client->on_closed)
		client->on_closed(client->on_closed_arg, e);
	finish_all(client, ECONNRESET, err_show(e, words, sizeof words));
	leave(client);
}

static const struct wire_ops ops = {
	.frame = client_frame,
	.too_large = client_too_large,
	.broken = client_broken,
};

int ttrpc_client_new(struct loop *loop, int take_fd, struct ttrpc_client **ret, struct err *e)
{
	auto_free struct ttrpc_client *client = calloc(1, sizeof *client);

	if (!client)
		return err_sys(e, ENOMEM, "make a ttRPC client");
	client->loop = loop;
	client->last_stream = UINT32_MAX; /* the first one is 1 */
	list_init(&client->calls);

	int r = wire_new(loop, take_fd, 0, &ops, client, &client->wire, e);

	if (r < 0)
		return r;
	*ret = take_ptr(client);
	return 0;
}

void ttrpc_client_free(struct ttrpc_client *client)
{
	if (!client || client->freed)
		return;
	client->busy++;
	client->freed = true;
	wire_free(client->wire);
	client->wire = NULL;
	finish_all(client, ECANCELED, "the connection was closed on this side");
	leave(client);
}

void ttrpc_client_on_closed(struct ttrpc_client *client, void (*fn)(void *arg, const struct err *e),
			    void *arg)
{
	client->on_closed = fn;
	client->on_closed_arg = arg;
}

bool ttrpc_client_closed(const struct ttrpc_client *client)
{
	return !client->wire;
}

/* Rising odd numbers. After 2^31 calls they begin anew and pass over those in use. */
static uint32_t next_stream(struct ttrpc_client *client)
{
	do
		client->last_stream += 2;
	while (find_call(client, client->last_stream));
	return client->last_stream;
}

static int check_request(const struct ttrpc_client *client, const struct ttrpc_request *request,
			 msec_t now, struct err *e)
{
	if (!client->wire)
		return err_say(e, ECONNRESET, "the connection is closed");
	if (request->deadline <= now)
		return err_say(e, ETIMEDOUT, "no time is left for the call");
	if (client->n_calls >= TTRPC_CALLS_MAX)
		return err_say(e, ENOBUFS, "%zu calls wait for their answer", client->n_calls);
	if (wire_queued(client->wire) >= TTRPC_QUEUE_MAX / 2)
		return err_say(e, ENOBUFS, "the other side does not read");
	if (request->n_fds > TTRPC_FDS_MAX)
		return err_say(e, EINVAL, "%zu descriptors are too many", request->n_fds);
	if (request->n_fds > 0 && !wire_carries_fds(client->wire))
		return err_say(e, EINVAL, "descriptors cannot be sent over this connection");
	return 0;
}

/* The frame gets duplicates, because it may wait in the queue while the caller closes its own. */
static int attach_fds(struct frame *f, const struct ttrpc_request *request, struct err *e)
{
	for (size_t i = 0; i < request->n_fds; i++) {
		int fd = fcntl(request->fds[i], F_DUPFD_CLOEXEC, 0);

		if (fd < 0)
			return err_sys(e, errno, "send descriptor %d", request->fds[i]);
		f->fds[f->n_fds++] = fd;
	}
	return 0;
}

static int make_frame(const struct ttrpc_request *request, msec_t now, uint32_t stream,
		      struct frame **ret, struct err *e)
{
	char count[8];
	struct ttrpc_pair fds = {.key = FDS_KEY, .value = count};
	const struct ttrpc_pair *extra = request->n_fds > 0 ? &fds : NULL;
	msec_t left = request->deadline == CLOCK_NEVER ? 0 : request->deadline - now;
	int64_t timeout_ns = left < INT64_MAX / 1000000 ? (int64_t) left * 1000000 : 0;

	(void) snprintf(count, sizeof count, "%zu", request->n_fds);

	size_t bytes = request_bytes(request, timeout_ns, extra);

	if (bytes > TTRPC_MESSAGE_MAX)
		return err_say(e, EMSGSIZE, "the request has %zu bytes, more than %d", bytes,
			       TTRPC_MESSAGE_MAX);

	auto_ptr(frame_free) struct frame *f = request_frame(request, timeout_ns, extra, stream);

	if (!f)
		return err_sys(e, ENOMEM, "send %zu bytes", bytes);

	int r = attach_fds(f, request, e);

	if (r < 0)
		return r;
	*ret = take_ptr(f);
	return 0;
}

static int begin(struct ttrpc_client *client, const struct ttrpc_request *request, msec_t now,
		 struct ttrpc_pending *p, struct err *e)
{
	auto_ptr(frame_free) struct frame *f = NULL;
	int r = make_frame(request, now, p->stream, &f, e);

	if (r < 0)
		return r;
	if (request->deadline != CLOCK_NEVER) {
		r = loop_timer(client->loop, request->deadline, deadline_passed, p, &p->timer, e);
		if (r < 0)
			return r;
	}
	list_add(&client->calls, &p->link);
	client->n_calls++;
	wire_send(client->wire, take_ptr(f));
	return 0;
}

int ttrpc_call(struct ttrpc_client *client, const struct ttrpc_request *request, ttrpc_done_fn done,
	       void *arg, struct ttrpc_pending **ret, struct err *e)
{
	const ProtobufCMethodDescriptor *method =
		protobuf_c_service_descriptor_get_method_by_name(request->service, request->method);
	msec_t now = clock_now();

	assert(method && (!request->message || request->message->descriptor == method->input));

	int r = check_request(client, request, now, e);

	if (r < 0)
		return err_wrap(e, r, "%s", request->method);

	auto_free struct ttrpc_pending *p = calloc(1, sizeof *p);

	if (!p)
		return err_sys(e, ENOMEM, "%s", request->method);
	*p = (struct ttrpc_pending){
		.client = client,
		.method = method,
		.stream = next_stream(client),
		.done = done,
		.arg = arg,
	};
	list_init(&p->link);
	r = begin(client, request, now, p, e);
	if (r < 0)
		return err_wrap(e, r, "%s", request->method);
	if (ret)
		*ret = p;
	(void) take_ptr(p);
	return 0;
}

struct waiting {
	bool done;
	struct ttrpc_answer answer;
};

static void note_answer(void *arg, struct ttrpc_answer *answer)
{
	struct waiting *w = arg;

	w->done = true;
	w->answer = *answer;
	answer->response = NULL;
}

int ttrpc_call_wait(struct ttrpc_client *client, const struct ttrpc_request *request,
		    ProtobufCMessage **ret, struct err *e)
{
	struct loop *loop = client->loop;
	struct waiting w = {0};
	struct ttrpc_pending *pending = NULL;
	int r = ttrpc_call(client, request, note_answer, &w, &pending, e);

	if (r < 0)
		return r;
	while (!w.done) {
		r = loop_step(loop, CLOCK_NEVER, e);
		if (r < 0) {
			if (!w.done)
				ttrpc_cancel(pending);
			return r;
		}
	}
	if (w.answer.r < 0 && e)
		*e = w.answer.err;
	if (ret && w.answer.r == 0)
		*ret = take_ptr(w.answer.response);
	ttrpc_message_free(w.answer.response);
	return w.answer.r;
}
