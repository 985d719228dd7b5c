#pragma once

/*
 * The other side of a ttRPC line, for tests: a bare descriptor on which frames are written and read
 * by hand, and a service that answers, parks, or answers much.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "agent.pb-c.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/loop.h"
#include "health.pb-c.h"
#include "tests/test.h"
#include "ttrpc.pb-c.h"
#include "ttrpc/ttrpc.h"

#define PEER_BODY_MAX (4 << 20)

static inline void socket_pair(int sv[2])
{
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
}

/* Runs what is due now. */
static inline void settle(struct loop *loop)
{
	while (loop_step(loop, clock_now(), NULL) > 0)
		;
}

/* Reads exactly @bytes from the line while the loop runs; fails the test when they do not come.
 * Returns false at end of file. */
static inline bool peer_read(struct loop *loop, int fd, void *data, size_t bytes)
{
	uint8_t *p = data;
	msec_t deadline = clock_deadline(20000);

	while (bytes > 0) {
		struct pollfd pfd = {.fd = fd, .events = POLLIN};

		settle(loop);
		CHECK(clock_now() < deadline);
		if (poll(&pfd, 1, 0) == 0) {
			(void) loop_step(loop, clock_deadline(1), NULL);
			continue;
		}

		ssize_t n = read(fd, p, bytes);

		if (n <= 0)
			return false;
		p += n;
		bytes -= (size_t) n;
	}
	return true;
}

struct peer_frame {
	uint32_t bytes;
	uint32_t stream;
	uint8_t type;
	uint8_t flags;
	uint8_t *body; /* freed by the caller */
};

static inline bool peer_read_frame(struct loop *loop, int fd, struct peer_frame *ret)
{
	uint8_t header[10];

	if (!peer_read(loop, fd, header, sizeof header))
		return false;

	struct cursor c = cursor_over(header, sizeof header);

	ret->bytes = cursor_be32(&c);
	ret->stream = cursor_be32(&c);
	ret->type = cursor_u8(&c);
	ret->flags = cursor_u8(&c);
	CHECK(ret->bytes <= PEER_BODY_MAX);
	ret->body = malloc(ret->bytes + 1);
	return peer_read(loop, fd, ret->body, ret->bytes);
}

static inline void put_header(uint8_t *header, uint32_t bytes, uint32_t stream, int type, int flags)
{
	put_be32(header, bytes);
	put_be32(header + 4, stream);
	header[8] = (uint8_t) type;
	header[9] = (uint8_t) flags;
}

/* A whole frame in new memory. */
static inline uint8_t *peer_frame(const ProtobufCMessage *m, uint32_t stream, int type, int flags,
				  size_t *ret_bytes)
{
	size_t bytes = protobuf_c_message_get_packed_size(m);
	uint8_t *frame = malloc(10 + bytes);

	put_header(frame, (uint32_t) bytes, stream, type, flags);
	(void) protobuf_c_message_pack(m, frame + 10);
	*ret_bytes = 10 + bytes;
	return frame;
}

/* protobuf-c makes these bytes, not the code under test. */
static inline uint8_t *peer_request(const char *service, const char *method,
				    const ProtobufCMessage *message, uint32_t stream,
				    int64_t timeout_ns, size_t *ret_bytes)
{
	Ttrpc__Request r = TTRPC__REQUEST__INIT;

	r.service = (char *) service;
	r.method = (char *) method;
	r.timeout_nano = timeout_ns;
	r.payload.len = message ? protobuf_c_message_get_packed_size(message) : 0;
	r.payload.data = malloc(r.payload.len + 1);
	if (message)
		(void) protobuf_c_message_pack(message, r.payload.data);

	uint8_t *frame = peer_frame(&r.base, stream, 1, 0, ret_bytes);

	free(r.payload.data);
	return frame;
}

static inline void peer_ask(int fd, const char *service, const char *method,
			    const ProtobufCMessage *message, uint32_t stream)
{
	size_t bytes;
	auto_free uint8_t *frame = peer_request(service, method, message, stream, 0, &bytes);

	CHECK_EQ(fd_write_all(fd, frame, bytes), 0);
}

/* Reads the answer to @stream and returns its status code; *@ret_message, if wanted, is freed by
 * the caller. */
static inline int peer_answer(struct loop *loop, int fd, uint32_t stream, char **ret_message,
			      size_t *ret_payload_bytes)
{
	struct peer_frame f = {0};

	CHECK(peer_read_frame(loop, fd, &f));
	CHECK_EQ(f.stream, stream);
	CHECK_EQ(f.type, 2);
	CHECK_EQ(f.flags, 0);

	Ttrpc__Response *r = ttrpc__response__unpack(NULL, f.bytes, f.body);

	CHECK(r);

	int code = r->status ? r->status->code : 0;

	if (ret_message)
		*ret_message = strdup(r->status ? r->status->message : "");
	if (ret_payload_bytes)
		*ret_payload_bytes = r->payload.len;
	ttrpc__response__free_unpacked(r, NULL);
	free(f.body);
	return code;
}

/* What the handlers of the test service have seen. */
#define PARKED_MAX 4096

struct bench {
	struct loop *loop;
	struct ttrpc_server *server;
	int peer; /* our end of the line the server serves */
	struct ttrpc_call *parked[PARKED_MAX];
	size_t n_parked;
	size_t gone;
	size_t connections;
	size_t reads;
	char seen[64];
	struct stat seen_fds[TTRPC_FDS_MAX];
	size_t n_fds;
};

static inline void bench_check(struct ttrpc_call *call, const ProtobufCMessage *request, void *arg)
{
	Grpc__HealthCheckResponse r = GRPC__HEALTH_CHECK_RESPONSE__INIT;
	const Grpc__CheckRequest *check = (const void *) request;
	struct bench *b = arg;
	const char *said = ttrpc_call_metadata(call, "greeting");

	(void) snprintf(b->seen, sizeof b->seen, "%s %s", check->service, said ? said : "-");
	r.status = GRPC__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
	ttrpc_reply(call, &r.base);
}

static inline void bench_count_gone(void *arg)
{
	((struct bench *) arg)->gone++;
}

static inline void bench_park(struct ttrpc_call *call, const ProtobufCMessage *request, void *arg)
{
	struct bench *b = arg;

	(void) request;
	CHECK(b->n_parked < PARKED_MAX);
	ttrpc_call_on_gone(call, bench_count_gone, b);
	b->parked[b->n_parked++] = call;
}

/* Answers with as many bytes as are asked for. */
static inline void bench_read(struct ttrpc_call *call, const ProtobufCMessage *request, void *arg)
{
	size_t len = ((const Grpc__ReadStreamRequest *) (const void *) request)->len;
	uint8_t *room = ttrpc_reply_room(call, len);

	((struct bench *) arg)->reads++;
	if (!room) {
		ttrpc_fail(call, TTRPC_RESOURCE_EXHAUSTED, "no room");
		return;
	}
	memset(room, 'r', len);
	ttrpc_reply_bytes(call, len);
}

/* The slow way to as many bytes as were sent twice over. */
static inline void bench_double(struct ttrpc_call *call, const ProtobufCMessage *request, void *arg)
{
	const Grpc__SetIPTablesRequest *set = (const void *) request;
	Grpc__SetIPTablesResponse r = GRPC__SET_IPTABLES_RESPONSE__INIT;

	(void) arg;
	r.data.len = 2 * set->data.len;
	r.data.data = calloc(1, r.data.len + 1);
	ttrpc_reply(call, &r.base);
	free(r.data.data);
}

static inline void bench_fail(struct ttrpc_call *call, const ProtobufCMessage *request, void *arg)
{
	struct err e = {0};

	(void) request;
	(void) arg;
	(void) err_sys(&e, ENOENT, "find container 'c\xff\n1'");
	ttrpc_fail_err(call, &e);
}

static inline void bench_empty(struct ttrpc_call *call, const ProtobufCMessage *request, void *arg)
{
	(void) request;
	(void) arg;
	ttrpc_reply(call, NULL);
}

/* Looks at the descriptors that came along, and takes the first two. */
static inline void bench_fds(struct ttrpc_call *call, const ProtobufCMessage *request, void *arg)
{
	struct bench *b = arg;

	(void) request;
	for (b->n_fds = 0; b->n_fds < 2; b->n_fds++) {
		auto_close int fd = ttrpc_call_take_fd(call, b->n_fds);

		if (fd < 0)
			break;
		CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		CHECK_EQ(fstat(fd, &b->seen_fds[b->n_fds]), 0);
		CHECK_EQ(ttrpc_call_take_fd(call, b->n_fds), -1);
	}
	ttrpc_reply(call, NULL);
}

static const struct ttrpc_method bench_health_methods[] = {
	{"Check", bench_check},
};

static const struct ttrpc_method bench_agent_methods[] = {
	{"WaitProcess", bench_park},     {"ReadStdout", bench_read},
	{"SetIPTables", bench_double},   {"StartContainer", bench_fail},
	{"PauseContainer", bench_empty}, {"ExecProcess", bench_fds},
};

static const struct ttrpc_service bench_health = {
	.descriptor = &grpc__health__descriptor,
	.methods = bench_health_methods,
	.n_methods = 1,
};

static const struct ttrpc_service bench_agent = {
	.descriptor = &grpc__agent_service__descriptor,
	.methods = bench_agent_methods,
	.n_methods = sizeof bench_agent_methods / sizeof bench_agent_methods[0],
};

static const struct ttrpc_service *const bench_services[] = {&bench_health, &bench_agent};

static inline void bench_connections(void *arg, size_t connections)
{
	((struct bench *) arg)->connections = connections;
}

/* A server on one end of a socket pair. */
static inline void bench_open(struct bench *b)
{
	int sv[2];

	*b = (struct bench){.peer = -1};
	socket_pair(sv);
	b->peer = sv[0];
	CHECK_EQ(loop_new(&b->loop, NULL), 0);
	CHECK_EQ(ttrpc_server_new(b->loop, bench_services, 2, b, &b->server, NULL), 0);
	ttrpc_server_on_connections(b->server, bench_connections, b);
	CHECK_EQ(ttrpc_server_serve(b->server, sv[1], NULL), 0);
}

static inline void bench_close(struct bench *b)
{
	ttrpc_server_free(b->server);
	for (size_t i = 0; i < b->n_parked; i++)
		ttrpc_drop(b->parked[i]);
	loop_free(b->loop);
	b->peer = fd_close(b->peer);
}
