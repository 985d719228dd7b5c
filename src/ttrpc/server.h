#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"
#include "ttrpc/wire.h"

/* Private to ttrpc: what server.c, connection.c, dispatch.c and call.c share. */
struct ttrpc_server {
	struct loop *loop;
	const struct ttrpc_service *const *services;
	size_t n_services;
	void *arg;
	bool allows_fds;
	struct list listeners;
	struct list connections;
	size_t n_connections, max_connections;
	bool (*on_accept)(void *arg, int fd);
	void *on_accept_arg;
	void (*on_connections)(void *arg, size_t connections);
	void *on_connections_arg;
};

struct connection {
	struct list link;
	struct ttrpc_server *server;
	struct wire *wire;
	struct list calls; /* not answered yet */
	size_t n_calls;
	size_t requests_bytes; /* memory of their requests */
};

struct ttrpc_call {
	struct list link;
	struct connection *connection; /* NULL once gone */
	struct loop_timer *timer;      /* the peer's deadline */
	uint32_t stream;
	const ProtobufCMethodDescriptor *method;
	ProtobufCMessage *request;
	size_t request_bytes;
	msec_t deadline;
	char *metadata; /* key NUL value NUL ..., NULL when there is none */
	size_t n_metadata;
	size_t n_fds;
	int fds[TTRPC_FDS_MAX];
	struct frame *room;
	size_t room_bytes;
	void (*on_gone)(void *arg);
	void *on_gone_arg;
	bool is_stream;
	ttrpc_message_fn on_message;
	void *on_message_arg;
};

/* dispatch.c: a request has come. */
void connection_frame(void *connection, const struct frame_header *h, const uint8_t *body);
void connection_too_large(void *connection, const struct frame_header *h);

/* stream.c: something has come for a stream of the connection. */
void stream_frame(struct connection *c, const struct frame_header *h, const uint8_t *body);

/* call.c: ends a call, whose answer has been sent. */
void call_end(struct ttrpc_call *call);

/* call.c: puts a call on its connection, sets its timer. Returns 0 or -ENOMEM. */
int call_begin(struct ttrpc_call *call, struct connection *c, struct err *e);
void call_free(struct ttrpc_call *call);
AUTO_PTR(struct ttrpc_call, call_free)

/* call.c: the client has been told that there is no such call any more; tells its owner. */
void call_gone(struct ttrpc_call *call);

/* call.c: detaches every call of the connection, then calls their on_gone functions. */
void call_all_gone(struct connection *c);

/* refuse.c: answers a stream with a failure; breaks the connection if there is no memory for
 * that. */
void connection_refuse(struct connection *c, uint32_t stream, enum ttrpc_code code,
		       const char *message);

/* connection.c */
void connection_close(struct connection *c);
void listener_free_all(struct ttrpc_server *server);
