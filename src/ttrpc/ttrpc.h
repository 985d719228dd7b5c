#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/err.h"

/*
 * ttRPC: remote calls as containerd and the guest agent make them. One stream carries frames of a
 * 10-byte header (length, stream, type, flags) and a protobuf body; each call has a stream number
 * of its own, so many are in flight at once and are answered in any order.
 *
 *	caller			server
 *	  |  request, stream 1	  |	handler A is called and parks
 *	  |---------------------->|
 *	  |  request, stream 3	  |	handler B is called and answers
 *	  |---------------------->|
 *	  |<----------------------|	response, stream 3
 *	  |<----------------------|	response, stream 1: A answers later
 *
 * The stream is any descriptor on which both read() and write() work and that epoll accepts: a unix
 * or vsock socket, a virtio-serial port, a pty. A server may have methods that are streams of
 * messages in both directions; the client makes unary calls only.
 *
 * Threads: none. Every function here is called on the thread of the loop, callbacks come on it too.
 * No callback is called from inside a function of this header unless that function's comment says
 * so.
 *
 * Distrusts the peer: lengths, stream numbers, types and envelopes are checked, and the limits
 * below bound the memory that it can make this side use. The handler must check what a message
 * *says*. Strings in messages and errors may hold any byte but NUL; in the words of a remote error
 * control characters are replaced.
 *
 * Descriptors handed over are made non-blocking. SIGPIPE is avoided on sockets; a program that
 * serves another kind of descriptor must ignore the signal.
 */

/* Body of one frame, envelope included (containerd's ttrpc has the same limit). */
#define TTRPC_MESSAGE_MAX (4 << 20)
/* Memory that one message may take once unpacked: so many times its length plus 64 KiB, ... */
#define TTRPC_UNPACK_FACTOR 16
/* ... and never more than this. */
#define TTRPC_UNPACK_MAX (32 << 20)
/* Connections of one server; more wait in the kernel's backlog. */
#define TTRPC_CONNECTIONS_MAX 256
/* Calls of one connection that are not answered yet; more get RESOURCE_EXHAUSTED. */
#define TTRPC_CALLS_MAX 2048
/* Memory of the requests of those calls together; more get RESOURCE_EXHAUSTED. */
#define TTRPC_REQUESTS_MAX (64 << 20)
/* Bytes waiting to be written above which nothing more is read from that peer ... */
#define TTRPC_QUEUE_PAUSE (1 << 20)
/* ... and above which a server breaks the connection, and a client's calls fail with -ENOBUFS. */
#define TTRPC_QUEUE_MAX (64 << 20)
/* Metadata of one request: pairs, and bytes of all keys and values. */
#define TTRPC_METADATA_PAIRS_MAX 64
#define TTRPC_METADATA_BYTES_MAX (16 << 10)
/* Descriptors that may travel with one request. */
#define TTRPC_FDS_MAX 3

struct loop;

/* gRPC's numbers; what does not fit in here arrives as TTRPC_UNKNOWN. */
enum ttrpc_code {
	TTRPC_OK = 0,
	TTRPC_CANCELLED = 1,
	TTRPC_UNKNOWN = 2,
	TTRPC_INVALID_ARGUMENT = 3,
	TTRPC_DEADLINE_EXCEEDED = 4,
	TTRPC_NOT_FOUND = 5,
	TTRPC_ALREADY_EXISTS = 6,
	TTRPC_PERMISSION_DENIED = 7,
	TTRPC_RESOURCE_EXHAUSTED = 8,
	TTRPC_FAILED_PRECONDITION = 9,
	TTRPC_ABORTED = 10,
	TTRPC_OUT_OF_RANGE = 11,
	TTRPC_UNIMPLEMENTED = 12,
	TTRPC_INTERNAL = 13,
	TTRPC_UNAVAILABLE = 14,
	TTRPC_DATA_LOSS = 15,
	TTRPC_UNAUTHENTICATED = 16,
	TTRPC_CODE_MAX,
};

/*
 * errno to code and back. The directions agree, so ENOENT from the guest is ENOENT in the shim and
 * NOT_FOUND to containerd. In parentheses: errnos that become the code but not the reverse.
 *	NOT_FOUND ENOENT (ESRCH, ENODEV, ENXIO)		INVALID_ARGUMENT EINVAL (ENAMETOOLONG, ...)
 *	ALREADY_EXISTS EEXIST				PERMISSION_DENIED EPERM (EACCES, EROFS)
 *	UNIMPLEMENTED ENOSYS (EOPNOTSUPP)		DEADLINE_EXCEEDED ETIMEDOUT
 *	RESOURCE_EXHAUSTED ENOMEM (ENOSPC, EMFILE, ...)	FAILED_PRECONDITION EBUSY (ENOTEMPTY, ...)
 *	UNAVAILABLE ECONNRESET (EPIPE, ...)		CANCELLED ECANCELED
 *	OUT_OF_RANGE ERANGE				ABORTED EINTR
 *	DATA_LOSS EBADMSG				UNAUTHENTICATED EACCES
 *	INTERNAL EIO (all others)			UNKNOWN EREMOTEIO
 * Both functions take and return positive numbers.
 */
enum ttrpc_code ttrpc_code_of(int code);
int ttrpc_errno_of(int32_t status_code);

/* Frees a message that ttrpc or protobuf-c has unpacked. Accepts NULL. */
void ttrpc_message_free(ProtobufCMessage *message);
AUTO_PTR(ProtobufCMessage, ttrpc_message_free)

/**
 * ttrpc_unpack() - read a message that a hostile peer has packed
 * @type:	the expected type
 * @data:	@bytes long; borrowed
 * @ret:	the message; freed with ttrpc_message_free()
 *
 * For messages inside messages (google.protobuf.Any) too. Returns 0, -EINVAL when it is no such
 * message, or -ENOMEM when it would take more than TTRPC_UNPACK_FACTOR and _MAX allow.
 */
int ttrpc_unpack(const ProtobufCMessageDescriptor *type, const void *data, size_t bytes,
		 ProtobufCMessage **ret, struct err *e);

/*
 * ---- Server ----
 *
 * The life of a call, which belongs to the handler from the moment it is called:
 *
 *	handler(call) ---> ttrpc_reply(), ttrpc_reply_bytes(), ttrpc_fail(), ttrpc_fail_err()
 *	     |                          ^ frees the call
 *	     v returns without answer   |
 *	  parked ------------- later ---+
 *	     |
 *	     v peer hung up, deadline passed, server freed
 *	   gone --- on_gone(arg) once --- ttrpc_drop() or any answer: frees the call, sends nothing
 *
 * The rule: the call stays valid, whatever happens to the connection or the server, until its owner
 * ends it; every call must be ended exactly once by one of those five functions. Ending a call that
 * is gone is always allowed and sends nothing, so a handler that answers before it returns need not
 * consider connection or server.
 */
struct ttrpc_server;
struct ttrpc_call;

/**
 * A handler - answers one method
 * @call:	owned; must be ended, now or later
 * @request:	of the method's input type; valid until the call is ended
 * @arg:	what was given to ttrpc_server_new()
 */
typedef void (*ttrpc_handler_fn)(struct ttrpc_call *call, const ProtobufCMessage *request,
				 void *arg);

struct ttrpc_method {
	const char *name; /* as in the .proto file: "CreateContainer" */
	ttrpc_handler_fn handler;
};

/* A service is what protoc-c made of the .proto file, and a handler for each method that is
 * answered. A method without one gets UNIMPLEMENTED. */
struct ttrpc_service {
	const ProtobufCServiceDescriptor *descriptor; /* &grpc__agent_service__descriptor */
	const struct ttrpc_method *methods;
	size_t n_methods;
	const char *name; /* of another version with the same messages; NULL: the descriptor's */
	bool of_streams;  /* a handler is called when a stream is opened, with NULL as request */
};

/**
 * ttrpc_server_new() - a server that has no connection yet
 * @services:	borrowed; must outlive the server. Naming a method that the descriptor does not have
 *		is a bug and asserted
 * @arg:	passed to every handler
 */
int ttrpc_server_new(struct loop *loop, const struct ttrpc_service *const *services,
		     size_t n_services, void *arg, struct ttrpc_server **ret, struct err *e);

/* Closes every connection and listening socket. Parked calls are gone: their on_gone is called from
 * here; the calls themselves stay valid until ended. Not from a handler. Accepts NULL. */
void ttrpc_server_free(struct ttrpc_server *server);
AUTO_PTR(struct ttrpc_server, ttrpc_server_free)

/* Accepts every connection that comes to a listening socket (unix or vsock). May be called for
 * several sockets. On failure @take_fd still belongs to the caller. */
int ttrpc_server_listen(struct ttrpc_server *server, int take_fd, struct err *e);

/* Stops listening on every socket and closes them; connections go on. */
void ttrpc_server_stop_listening(struct ttrpc_server *server);

/* Serves one connected stream. On failure @take_fd still belongs to the caller. */
int ttrpc_server_serve(struct ttrpc_server *server, int take_fd, struct err *e);

/**
 * ttrpc_server_on_accept() - let @fn accept or refuse a client of a listening socket
 * @fn:		gets the connected socket, borrowed, before anything is read; false closes it.
 *		It may not free the server
 */
void ttrpc_server_on_accept(struct ttrpc_server *server, bool (*fn)(void *arg, int fd), void *arg);

/* Serves at most @max connections at a time, which is less than TTRPC_CONNECTIONS_MAX. */
void ttrpc_server_limit(struct ttrpc_server *server, size_t max);

/* From now on new connections over unix sockets may send descriptors along with requests. Only
 * where the peer is trusted to fill our descriptor table: never towards a guest. */
void ttrpc_server_allow_fds(struct ttrpc_server *server);

/**
 * ttrpc_server_on_connections() - call @fn when a connection has come or gone
 * @fn:		gets the number of connections there are now. 0: the last one is gone. It may start
 *		to serve another stream (a virtio-serial port opened again), but not free the server
 */
void ttrpc_server_on_connections(struct ttrpc_server *server,
				 void (*fn)(void *arg, size_t connections), void *arg);

/* Blocks until all answers given so far are written or @deadline has passed: for the moments before
 * a process ends. Returns 0, or -ETIMEDOUT. */
int ttrpc_server_flush(struct ttrpc_server *server, msec_t deadline);

/* Answers, and frees the call. @response is of the method's output type, borrowed; NULL stands for
 * one with nothing set. A response above TTRPC_MESSAGE_MAX becomes RESOURCE_EXHAUSTED. */
void ttrpc_reply(struct ttrpc_call *call, const ProtobufCMessage *response);

/*
 * The fast way for a response that is one field of bytes (ReadStreamResponse): the data is read
 * straight into the frame that is sent.
 *
 *	uint8_t *room = ttrpc_reply_room(call, want);
 *	ssize_t n = read(fd, room, want);
 *	ttrpc_reply_bytes(call, n);
 *
 * ttrpc_reply_room() gives room for @bytes that belongs to the call, or NULL: out of memory, or
 * more than TTRPC_ROOM_MAX. It may be asked for again, which gives back the former; ending the call
 * in another way gives it back too. ttrpc_reply_bytes() sends the first @bytes of it; 0 needs no
 * room. That the method's output is such a message is asserted.
 */
#define TTRPC_ROOM_MAX (TTRPC_MESSAGE_MAX - 32)
uint8_t *ttrpc_reply_room(struct ttrpc_call *call, size_t bytes);
void ttrpc_reply_bytes(struct ttrpc_call *call, size_t bytes);

/*
 * A stream, in both directions. Its call lives until the handler's side ends it, with
 * ttrpc_stream_end(), ttrpc_fail() or ttrpc_drop(), also when the client has said its last. That
 * the connection is gone is told by on_gone, as for any call.
 */

/* @message: of the method's input type, valid during this call; NULL: the client sends no more. May
 * end the call. */
typedef void (*ttrpc_message_fn)(void *arg, const ProtobufCMessage *message);

/* In the handler, because messages come right after it. */
void ttrpc_stream_on_message(struct ttrpc_call *call, ttrpc_message_fn fn, void *arg);

/* Sends @message, of the method's output type. Whoever sends much lets the client say how much it
 * takes, because all that it does not read is kept. Returns 0, -EPIPE (nobody is there any more),
 * -EMSGSIZE or -ENOMEM. */
int ttrpc_stream_send(struct ttrpc_call *call, const ProtobufCMessage *message);

/* Ends the stream, and frees the call. */
void ttrpc_stream_end(struct ttrpc_call *call);

/* Answers with a failure, and frees the call. ttrpc_fail_err() says err_show() of @e under the code
 * of its errno; @e must hold an error. */
void ttrpc_fail(struct ttrpc_call *call, enum ttrpc_code code, const char *message);
void ttrpc_fail_err(struct ttrpc_call *call, const struct err *e);

/* ttrpc_fail_err() when @r is negative, else ttrpc_reply() without a response. */
void ttrpc_answer(struct ttrpc_call *call, int r, const struct err *e);

/* Frees the call without an answer: for one that is gone. If it is not, the peer gets CANCELLED.
 * Accepts NULL. */
void ttrpc_drop(struct ttrpc_call *call);

/**
 * ttrpc_call_on_gone() - call @fn when nobody waits for the answer any more
 * @fn:		called once, when the peer has hung up, the peer's deadline for this call has passed
 *		(the peer gets DEADLINE_EXCEEDED), or the server is freed. It may end this call or
 *		any other. NULL: no function
 *
 * Call it only while !ttrpc_call_gone(); inside a handler that is always so.
 */
void ttrpc_call_on_gone(struct ttrpc_call *call, void (*fn)(void *arg), void *arg);

/* Whether nobody waits for the answer. Check it before you read data that cannot be put back. */
bool ttrpc_call_gone(const struct ttrpc_call *call);

/* The name of the method, "CreateContainer"; lives as long as the service table. */
const char *ttrpc_call_method(const struct ttrpc_call *call);

/* When the caller stops waiting; CLOCK_NEVER when the request has no deadline. */
msec_t ttrpc_call_deadline(const struct ttrpc_call *call);

/* The first value sent under @key, borrowed from the call, or NULL. */
const char *ttrpc_call_metadata(const struct ttrpc_call *call, const char *key);

/* The descriptor that was sent at place @index, now the caller's; -1 if there is none or it has
 * been taken. Descriptors that the handler does not take are closed with the call. */
int ttrpc_call_take_fd(struct ttrpc_call *call, size_t index);

/*
 * ---- Client ----
 *
 * Every call ends in exactly one call of its done function, or in ttrpc_cancel(). When the
 * connection breaks, on_closed is called first and then all waiting calls fail with -ECONNRESET, so
 * that their done functions can rely on on_closed. The client stays dead and later calls fail at
 * once. There is no reconnect.
 */
struct ttrpc_client;
struct ttrpc_pending;

/* On failure @take_fd still belongs to the caller. */
int ttrpc_client_new(struct loop *loop, int take_fd, struct ttrpc_client **ret, struct err *e);

/* Closes the connection. Waiting calls fail with -ECANCELED: this calls their done functions.
 * Allowed from a done function and from on_closed. Accepts NULL. */
void ttrpc_client_free(struct ttrpc_client *client);
AUTO_PTR(struct ttrpc_client, ttrpc_client_free)

/* @fn is called once when the connection breaks, with the reason; not for ttrpc_client_free(). */
void ttrpc_client_on_closed(struct ttrpc_client *client, void (*fn)(void *arg, const struct err *e),
			    void *arg);

bool ttrpc_client_closed(const struct ttrpc_client *client);

struct ttrpc_pair {
	const char *key;
	const char *value;
};

/* One call. All is borrowed for the duration of ttrpc_call() or ttrpc_call_wait() only. */
struct ttrpc_request {
	const ProtobufCServiceDescriptor *service; /* &grpc__agent_service__descriptor */
	const char *method;                        /* "CreateContainer" */
	const ProtobufCMessage *message; /* of the method's input type; NULL: nothing set */
	msec_t deadline;                 /* also told to the server; CLOCK_NEVER: for ever */
	const struct ttrpc_pair *metadata;
	size_t n_metadata;
	const int *fds; /* for a server that allows it, over a unix socket; still the caller's */
	size_t n_fds;
};

/* How a call went. */
struct ttrpc_answer {
	int r;                /* 0 or -errno */
	enum ttrpc_code code; /* sent by the server; TTRPC_OK if the failure is on this side */
	struct err err;       /* filled when r < 0: the server's words, or the client's */
	ProtobufCMessage *response; /* of the method's output type; NULL when r < 0. Freed when the
				     * done function returns: take_ptr() it to keep it */
};

typedef void (*ttrpc_done_fn)(void *arg, struct ttrpc_answer *answer);

/**
 * ttrpc_call() - send a request and go on
 * @done:	called on the loop, never from inside here, unless this function fails
 * @ret:	a handle for ttrpc_cancel(), valid until @done is called; may be NULL
 *
 * Returns 0, or (then @done is not called)
 *  -EMSGSIZE	the request is above TTRPC_MESSAGE_MAX
 *  -ECONNRESET	the connection is broken
 *  -ETIMEDOUT	the deadline has passed already
 *  -ENOBUFS	the server does not read: TTRPC_QUEUE_MAX bytes wait, or TTRPC_CALLS_MAX calls
 *  -EINVAL	descriptors for a connection that cannot carry them
 *  -ENOMEM
 * @done gets the server's errors (see ttrpc_errno_of()) and these
 *  -ETIMEDOUT	no answer in time; a late one is thrown away
 *  -ECONNRESET	the connection broke
 *  -EPROTO	the answer is no response, or not of the method's output type
 *  -EMSGSIZE	the answer is too large
 * Naming a method that the service does not have, or a message of another type, is asserted.
 */
int ttrpc_call(struct ttrpc_client *client, const struct ttrpc_request *request, ttrpc_done_fn done,
	       void *arg, struct ttrpc_pending **ret, struct err *e);

/* Forgets the call: done is not called, a late answer is thrown away. The server does not learn of
 * it, because the protocol has no message for that. Accepts NULL. */
void ttrpc_cancel(struct ttrpc_pending *pending);

/**
 * ttrpc_call_wait() - send a request and run the loop until it is answered
 * @ret:	the response, freed by the caller with ttrpc_message_free(); NULL: not wanted
 *
 * For programs that have nothing else to do; not from a callback. Returns 0, the failures of
 * ttrpc_call(), or those of its answer with the server's words in @e.
 */
int ttrpc_call_wait(struct ttrpc_client *client, const struct ttrpc_request *request,
		    ProtobufCMessage **ret, struct err *e);
