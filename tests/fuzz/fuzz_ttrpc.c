/*
 * What a hostile peer can send. The first byte says whom it is sent to (even: a server, odd: a
 * client with calls in flight), the second in pieces of how many bytes; the rest is the stream.
 */
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent.pb-c.h"
#include "base/array.h"
#include "base/auto.h"
#include "base/loop.h"
#include "streaming.pb-c.h"
#include "ttrpc/ttrpc.h"

#define PARKED_MAX 16

struct parking {
	struct ttrpc_call *calls[PARKED_MAX];
	size_t n;
};

static void park(struct ttrpc_call *call, const ProtobufCMessage *request, void *arg)
{
	struct parking *p = arg;

	(void) request;
	(void) ttrpc_call_metadata(call, "key");
	if (p->n == PARKED_MAX)
		ttrpc_fail(call, TTRPC_RESOURCE_EXHAUSTED, "full");
	else
		p->calls[p->n++] = call;
}

static void answer(struct ttrpc_call *call, const ProtobufCMessage *request, void *arg)
{
	struct parking *p = arg;

	(void) request;
	if (p->n > 0)
		ttrpc_drop(p->calls[--p->n]);
	ttrpc_reply(call, NULL);
}

static void read_out(struct ttrpc_call *call, const ProtobufCMessage *request, void *arg)
{
	size_t len = ((const Grpc__ReadStreamRequest *) (const void *) request)->len % 70000;
	uint8_t *room = ttrpc_reply_room(call, len);

	(void) arg;
	if (len > 0 && room)
		memset(room, 'x', len);
	ttrpc_reply_bytes(call, room ? len : 0);
}

static const struct ttrpc_method methods[] = {
	{"WaitProcess", park},
	{"CreateContainer", answer},
	{"ReadStdout", read_out},
};

static const struct ttrpc_service service = {
	.descriptor = &grpc__agent_service__descriptor,
	.methods = methods,
	.n_methods = ARRAY_LEN(methods),
};

/* A stream that says what it hears. */
static void echo(void *arg, const ProtobufCMessage *message)
{
	struct ttrpc_call *call = arg;

	if (!message)
		ttrpc_stream_end(call);
	else if (ttrpc_stream_send(call, message) < 0)
		ttrpc_drop(call);
}

static void stream_gone(void *arg)
{
	ttrpc_drop(arg);
}

static void open_stream(struct ttrpc_call *call, const ProtobufCMessage *request, void *arg)
{
	(void) arg;
	if (request)
		abort();
	ttrpc_call_on_gone(call, stream_gone, call);
	ttrpc_stream_on_message(call, echo, call);
}

static const struct ttrpc_method stream_methods[] = {{"Stream", open_stream}};

static const struct ttrpc_service streams = {
	.descriptor = &containerd__services__streaming__v1__streaming__descriptor,
	.methods = stream_methods,
	.n_methods = ARRAY_LEN(stream_methods),
	.of_streams = true,
};

static const struct ttrpc_service *const services[] = {&service, &streams};

static void done(void *arg, struct ttrpc_answer *a)
{
	(void) arg;
	if ((a->r == 0) != (a->response != NULL))
		abort();
}

static void settle(struct loop *loop, int peer)
{
	static char sink[1 << 16];

	while (loop_step(loop, clock_now(), NULL) > 0)
		while (recv(peer, sink, sizeof sink, MSG_DONTWAIT) > 0)
			;
}

static void feed(struct loop *loop, int peer, const uint8_t *data, size_t bytes, size_t piece)
{
	while (bytes > 0) {
		ssize_t n = send(peer, data, bytes < piece ? bytes : piece,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		settle(loop, peer);
		if (n < 0)
			return; /* the line was broken by what came before */
		data += n;
		bytes -= (size_t) n;
	}
}

static void begin_calls(struct ttrpc_client *client)
{
	static const char *const names[] = {"StatsContainer", "GetGuestDetails", "ListInterfaces",
					    "ReadStdout", "WaitProcess"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct ttrpc_request request = {
			.service = &grpc__agent_service__descriptor,
			.method = names[i],
			.deadline = CLOCK_NEVER,
		};

		(void) ttrpc_call(client, &request, done, NULL, NULL, NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct loop *loop = NULL;
	struct ttrpc_server *server = NULL;
	struct ttrpc_client *client = NULL;
	struct parking parking = {.n = 0};
	int sv[2];

	if (bytes < 2)
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0 || loop_new(&loop, NULL) < 0)
		abort();
	if (data[0] % 2 == 0) {
		if (ttrpc_server_new(loop, services, ARRAY_LEN(services), &parking, &server, NULL) <
			    0 ||
		    ttrpc_server_serve(server, sv[1], NULL) < 0)
			abort();
	} else {
		if (ttrpc_client_new(loop, sv[1], &client, NULL) < 0)
			abort();
		begin_calls(client);
	}
	feed(loop, sv[0], data + 2, bytes - 2, data[1] ? data[1] : bytes);
	fd_close(sv[0]);
	while (loop_step(loop, clock_now(), NULL) > 0)
		;
	ttrpc_client_free(client);
	ttrpc_server_free(server);
	while (parking.n > 0)
		ttrpc_drop(parking.calls[--parking.n]);
	loop_free(loop);
	return 0;
}
