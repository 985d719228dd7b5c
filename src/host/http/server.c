#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/list.h"
#include "host/http/http.h"

#define ANSWER_HEAD_BYTES 256
#define DISCARD_BYTES     4096
/* How long nobody is accepted after that was refused for want of descriptors or memory. */
#define REST_MS 200

struct http_server {
	struct loop *loop;
	struct loop_watch *watch;
	struct loop_timer *rests; /* nobody is accepted until then; or NULL */
	int fd;
	struct list calls; /* the connections */
	size_t n_calls;
	http_admits_fn admits;
	http_handler_fn handler;
	void *arg;
};

/* A connection; while the handler has it, it lives until the answer, whatever the peer does. */
struct http_call {
	struct list link;
	struct http_server *server; /* NULL: the connection is gone */
	struct loop_watch *watch;
	struct loop_timer *timer;
	int fd;
	bool asked;    /* the handler has it */
	bool answered; /* what comes from the peer now is discarded */
	struct buf in, out;
};

static void accept_more(struct http_server *s)
{
	if (!s->rests)
		loop_watch_events(s->watch, EPOLLIN);
}

static void hang_up(struct http_call *c)
{
	struct http_server *s = c->server;

	if (!s)
		return;
	list_remove(&c->link);
	c->server = NULL;
	loop_unwatch(c->watch);
	loop_timer_cancel(c->timer);
	c->fd = fd_close(c->fd);
	s->n_calls--;
	accept_more(s);
}

static void call_end(struct http_call *c)
{
	hang_up(c);
	if (c->asked && !c->answered)
		return;
	buf_fini(&c->in);
	buf_fini(&c->out);
	free(c);
}

static void too_late(void *arg)
{
	struct http_call *c = arg;

	c->timer = NULL;
	call_end(c);
}

/* Once all is written the peer sees the end, and has its time to read: closing a socket that holds
 * unread bytes, such as a body, would take the answer away from some clients. */
static void write_more(struct http_call *c)
{
	ssize_t n = send(c->fd, buf_data(&c->out), buf_len(&c->out), MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		call_end(c);
		return;
	}
	if (n > 0)
		buf_consume(&c->out, (size_t) n);
	if (buf_len(&c->out) == 0) {
		(void) shutdown(c->fd, SHUT_WR);
		loop_watch_events(c->watch, EPOLLIN);
	}
}

static const char *reason(int status)
{
	switch (status) {
	case HTTP_SWITCHING:
		return "Switching Protocols";
	case HTTP_OK:
		return "OK";
	case HTTP_FORBIDDEN:
		return "Forbidden";
	case HTTP_NOT_FOUND:
		return "Not Found";
	case HTTP_METHOD_NOT_ALLOWED:
		return "Method Not Allowed";
	case HTTP_CONFLICT:
		return "Conflict";
	case HTTP_URI_TOO_LONG:
		return "URI Too Long";
	case HTTP_HEAD_TOO_LARGE:
		return "Request Header Fields Too Large";
	case HTTP_SERVER_ERROR:
		return "Internal Server Error";
	case HTTP_NOT_IMPLEMENTED:
		return "Not Implemented";
	case HTTP_UNAVAILABLE:
		return "Service Unavailable";
	case HTTP_VERSION_UNKNOWN:
		return "HTTP Version Not Supported";
	default:
		return "Bad Request";
	}
}

void http_reply(struct http_call *c, int status, const char *type, const void *body, size_t bytes)
{
	char head[ANSWER_HEAD_BYTES];
	int n = snprintf(head, sizeof head,
			 "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
			 "Connection: close\r\n\r\n",
			 status, reason(status), type, bytes);

	c->answered = true;
	if (!c->server) {
		call_end(c);
		return;
	}
	buf_init(&c->out, (size_t) n + bytes);
	if (buf_append(&c->out, head, (size_t) n) < 0 || buf_append(&c->out, body, bytes) < 0) {
		call_end(c);
		return;
	}
	buf_fini(&c->in);
	loop_watch_events(c->watch, EPOLLOUT);
}

int http_take_over(struct http_call *c, const char *protocol)
{
	char head[ANSWER_HEAD_BYTES];
	int n = snprintf(head, sizeof head,
			 "HTTP/1.1 %d %s\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n",
			 HTTP_SWITCHING, reason(HTTP_SWITCHING), protocol);
	auto_close int fd = c->server ? fcntl(c->fd, F_DUPFD_CLOEXEC, 0) : -1;

	c->answered = true;
	call_end(c);
	/* Nothing was sent on this connection before, so there is room. */
	if (fd < 0 || send(fd, head, (size_t) n, MSG_NOSIGNAL | MSG_DONTWAIT) != n)
		return -EPIPE;
	return take_fd(&fd);
}

void http_say(struct http_call *c, int status, const char *sentence)
{
	char text[640];
	int n = snprintf(text, sizeof text, "%s\n", sentence);

	http_reply(c, status, HTTP_TEXT, text, (size_t) n < sizeof text ? (size_t) n : 0);
}

/* Whether the body is all there, or is none that is read. @head_bytes are before it. */
static bool take_body(struct http_call *c, size_t head_bytes, struct http_request *request)
{
	size_t rest = buf_len(&c->in) - head_bytes;

	if (request->content_bytes == 0 || request->content_bytes > HTTP_BODY_MAX)
		return true;
	if (rest < request->content_bytes)
		return false;
	request->body = (const char *) buf_data(&c->in) + head_bytes;
	request->body_bytes = (size_t) request->content_bytes;
	return true;
}

static void read_more(struct http_call *c)
{
	struct http_request request;
	struct err e = {0};
	int status = HTTP_BAD_REQUEST;
	ssize_t n = buf_read_from(&c->in, c->fd, HTTP_HEAD_MAX);

	if (n <= 0) {
		if (n != -EAGAIN)
			call_end(c);
		return;
	}

	int r = http_request_parse((const char *) buf_data(&c->in), buf_len(&c->in), &request,
				   &status, &e);

	if (r == 0 || (r > 0 && !take_body(c, (size_t) r, &request)))
		return;
	c->asked = true;
	loop_watch_events(c->watch, 0);
	if (r < 0)
		http_say(c, status, e.text);
	else
		c->server->handler(c->server->arg, c, &request);
}

static void discard(struct http_call *c)
{
	char bytes[DISCARD_BYTES];
	ssize_t n = read(c->fd, bytes, sizeof bytes);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		call_end(c);
}

static void on_ready(void *arg, uint32_t events)
{
	struct http_call *c = arg;

	if (c->answered && buf_len(&c->out) > 0)
		write_more(c);
	else if (c->answered)
		discard(c);
	else if (!c->asked)
		read_more(c);
	else if (events & (EPOLLHUP | EPOLLERR))
		call_end(c);
}

static int serve(struct http_server *s, int take_fd)
{
	struct http_call *c = calloc(1, sizeof *c);
	int r = c ? 0 : -ENOMEM;

	if (r == 0)
		r = loop_watch(s->loop, take_fd, EPOLLIN, on_ready, c, &c->watch, NULL);
	if (r == 0)
		r = loop_timer(s->loop, clock_deadline(HTTP_CONNECTION_MS), too_late, c, &c->timer,
			       NULL);
	if (r < 0) {
		if (c)
			loop_unwatch(c->watch);
		free(c);
		return r;
	}
	c->server = s;
	c->fd = take_fd;
	buf_init(&c->in, HTTP_HEAD_MAX + HTTP_BODY_MAX);
	list_add(&s->calls, &c->link);
	if (++s->n_calls >= HTTP_CONNECTIONS_MAX)
		loop_watch_events(s->watch, 0);
	return 0;
}

static void rested(void *arg)
{
	struct http_server *s = arg;

	s->rests = NULL;
	if (s->n_calls < HTTP_CONNECTIONS_MAX)
		accept_more(s);
}

/* Whoever was not accepted is still there, and would wake the loop again at once. */
static void rest(struct http_server *s)
{
	if (loop_timer(s->loop, clock_deadline(REST_MS), rested, s, &s->rests, NULL) == 0)
		loop_watch_events(s->watch, 0);
}

static void on_connect(void *arg, uint32_t events)
{
	struct http_server *s = arg;
	auto_close int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void) events;
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS))
		rest(s);
	else if (fd >= 0 && s->admits(s->arg, fd) && serve(s, fd) == 0)
		(void) take_fd(&fd);
}

int http_server_new(struct loop *loop, int take_listen_fd, http_admits_fn admits,
		    http_handler_fn handler, void *arg, struct http_server **ret, struct err *e)
{
	struct http_server *s = calloc(1, sizeof *s);
	int r = s ? fd_set_nonblock(take_listen_fd, true) : -ENOMEM;

	if (r < 0) {
		free(s);
		return err_sys(e, -r, "serve HTTP");
	}
	*s = (struct http_server){
		.loop = loop, .fd = -1, .admits = admits, .handler = handler, .arg = arg};
	list_init(&s->calls);
	r = loop_watch(loop, take_listen_fd, EPOLLIN, on_connect, s, &s->watch, e);
	if (r < 0) {
		free(s);
		return r;
	}
	s->fd = take_listen_fd;
	*ret = s;
	return 0;
}

void http_server_free(struct http_server *s)
{
	struct list *first;

	if (!s)
		return;
	while ((first = list_first(&s->calls)))
		call_end(container_of(first, struct http_call, link));
	loop_timer_cancel(s->rests);
	loop_unwatch(s->watch);
	fd_close(s->fd);
	free(s);
}
