#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/err.h"
#include "base/loop.h"

/*
 * A little HTTP over unix sockets: what the management socket of a sandbox server needs, and its
 * clients. The sandbox server does not link libmicrohttpd, because that brings ten libraries, TLS
 * among them, into each pod's process.
 *
 * Server. A connection carries one request and one answer, and is closed. A request is GET or PUT
 * or POST, its head at most HTTP_HEAD_MAX bytes. A body of up to HTTP_BODY_MAX bytes is read; a
 * larger one, or one that does not say its length, is thrown away. All limits are below, and what
 * exceeds one gets the status that RFC 9110 has for it. At most HTTP_CONNECTIONS_MAX are served at
 * once, the next wait in the kernel's backlog, and none lasts longer than HTTP_CONNECTION_MS.
 *
 * Client. One GET or POST with a time and a size that it may take; the request says HTTP/1.0, so
 * that the answer comes whole and ends with the connection. Whom it distrusts: the server, which
 * may be slow, endless or no HTTP.
 *
 * Threads: the loop's.
 */
#define HTTP_HEAD_MAX        8192
#define HTTP_BODY_MAX        8192
#define HTTP_TARGET_MAX      1024
#define HTTP_CONNECTIONS_MAX 8
#define HTTP_CONNECTION_MS   30000

enum http_method {
	HTTP_GET,
	HTTP_PUT,
	HTTP_POST,
	HTTP_METHOD_MAX,
};

struct http_request {
	enum http_method method;
	char path[HTTP_TARGET_MAX];  /* begins with '/'; without the query; not decoded */
	char query[HTTP_TARGET_MAX]; /* what is behind the '?'; not decoded */
	uint64_t content_bytes;      /* Content-Length (RFC 9110, 8.6); 0: none is said */
	const char *body;            /* NULL: there is none, or it is too large. Not a string */
	size_t body_bytes;
};

/* Statuses that this layer or its callers answer with. */
enum {
	HTTP_SWITCHING = 101,
	HTTP_OK = 200,
	HTTP_BAD_REQUEST = 400,
	HTTP_FORBIDDEN = 403,
	HTTP_NOT_FOUND = 404,
	HTTP_METHOD_NOT_ALLOWED = 405,
	HTTP_CONFLICT = 409,
	HTTP_URI_TOO_LONG = 414,
	HTTP_HEAD_TOO_LARGE = 431,
	HTTP_SERVER_ERROR = 500,
	HTTP_NOT_IMPLEMENTED = 501,
	HTTP_UNAVAILABLE = 503,
	HTTP_VERSION_UNKNOWN = 505,
};

/**
 * http_request_parse() - read the head of a request
 * @data:	what has come so far
 * @ret:	without a body, which is behind the head
 * @ret_status:	with -EBADMSG: the status to answer with
 *
 * Returns the bytes of the head once it is whole, 0 when more must come, or -EBADMSG with the
 * reason in @e.
 */
int http_request_parse(const char *data, size_t bytes, struct http_request *ret, int *ret_status,
		       struct err *e);

/* The value of @key in the query of @q, decoded (RFC 3986, section 2.1), into @ret, which has
 * room for HTTP_TARGET_MAX bytes. False: there is no such key, or its value is no text. */
bool http_query(const struct http_request *q, const char *key, char *ret);

/* @text as a value in a query: all but letters, digits and "-._~/" is encoded. Freed by the
 * caller; NULL when out of memory. */
char *http_query_value(const char *text);

struct http_server;
struct http_call; /* a request that is to be answered */

/* Answers with http_reply(), now or later. @request is borrowed for the call. */
typedef void (*http_handler_fn)(void *arg, struct http_call *call,
				const struct http_request *request);
typedef bool (*http_admits_fn)(void *arg, int fd);

/* Serves the listening socket @take_listen_fd, swallowed on success. @admits says whether a
 * connection is served. */
int http_server_new(struct loop *loop, int take_listen_fd, http_admits_fn admits,
		    http_handler_fn handler, void *arg, struct http_server **ret, struct err *e);

/* Calls that were not answered yet stay valid for http_reply(). Accepts NULL. */
void http_server_free(struct http_server *server);
AUTO_PTR(struct http_server, http_server_free)

#define HTTP_TEXT    "text/plain; charset=utf-8"
#define HTTP_JSON    "application/json"
#define HTTP_METRICS "text/plain; version=0.0.4; charset=utf-8"

/* Answers the call, which is gone afterwards. */
void http_reply(struct http_call *call, int status, const char *type, const void *body,
		size_t bytes);

/**
 * http_take_over() - answer that from now on another protocol is spoken (RFC 9110, 15.2.2)
 * @protocol:	its name
 *
 * Returns the connection's descriptor, which is the caller's, or -EPIPE: the client is gone. The
 * call is gone afterwards. A client that sends more before it has the answer loses it.
 */
int http_take_over(struct http_call *call, const char *protocol);

/* The same with a sentence. */
void http_say(struct http_call *call, int status, const char *sentence);

/* What came of a question. Borrowed for the call of the done function. */
struct http_answer {
	int r; /* 0: there is an answer, whatever its status; or -errno */
	struct err err;
	int status;
	const char *body; /* NUL-terminated, which is not counted; it may hold other NULs */
	size_t bytes;
};

struct http_get;
typedef void (*http_done_fn)(void *arg, const struct http_answer *answer);

/**
 * http_get() - ask a server on a unix socket
 * @socket_path: fits into a socket's address
 * @target:	path and query
 * @max_bytes:	of the whole answer; -EMSGSIZE above
 * @deadline:	-ETIMEDOUT after it
 * @done:	called once, from the loop; not after http_get_cancel()
 */
int http_get(struct loop *loop, const char *socket_path, const char *target, size_t max_bytes,
	     msec_t deadline, http_done_fn done, void *arg, struct http_get **ret, struct err *e);

/* The same with a POST of @body, which is JSON. */
int http_post(struct loop *loop, const char *socket_path, const char *target, const char *body,
	      size_t max_bytes, msec_t deadline, http_done_fn done, void *arg,
	      struct http_get **ret, struct err *e);

/* Accepts NULL. Not once @done was called. */
void http_get_cancel(struct http_get *get);

/* Splits an answer: *@ret_body is in @data. Returns 0 or -EBADMSG. */
int http_answer_parse(const char *data, size_t bytes, int *ret_status, const char **ret_body,
		      size_t *ret_bytes, struct err *e);
