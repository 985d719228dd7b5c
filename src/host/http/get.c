#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "host/http/http.h"

#define READ_BYTES 16384

struct http_get {
	struct loop *loop;
	struct loop_watch *watch;
	struct loop_timer *timer;
	char *name; /* of the socket, for the sentence */
	int fd;
	struct buf request, answer;
	http_done_fn done;
	void *arg;
};

void http_get_cancel(struct http_get *g)
{
	if (!g)
		return;
	loop_unwatch(g->watch);
	loop_timer_cancel(g->timer);
	fd_close(g->fd);
	buf_fini(&g->request);
	buf_fini(&g->answer);
	free(g->name);
	free(g);
}

static void finish(struct http_get *g, struct http_answer *a)
{
	if (a->r < 0)
		(void) err_wrap(&a->err, a->r, "ask '%s'", g->name);
	g->done(g->arg, a);
	http_get_cancel(g);
}

static void fail(struct http_get *g, int code, const char *why)
{
	struct http_answer a = {.r = -code};

	(void) err_say(&a.err, code, "%s", why);
	finish(g, &a);
}

static void too_late(void *arg)
{
	struct http_get *g = arg;

	g->timer = NULL;
	fail(g, ETIMEDOUT, "it does not answer in time");
}

static void complete(struct http_get *g)
{
	struct http_answer a = {0};
	size_t bytes = buf_len(&g->answer);

	/* The buffer holds at most one byte less than it may. */
	if (buf_append(&g->answer, "", 1) < 0)
		a.r = err_sys(&a.err, ENOMEM, "read the answer");
	else
		a.r = http_answer_parse((const char *) buf_data(&g->answer), bytes, &a.status,
					&a.body, &a.bytes, &a.err);
	finish(g, &a);
}

static void read_more(struct http_get *g)
{
	size_t room = g->answer.max_bytes - buf_len(&g->answer);
	ssize_t n;

	if (room <= 1) {
		fail(g, EMSGSIZE, "the answer is too large");
		return;
	}
	room--;
	n = buf_read_from(&g->answer, g->fd, room < READ_BYTES ? room : READ_BYTES);
	if (n == 0)
		complete(g);
	else if (n < 0 && n != -EAGAIN && n != -EINTR)
		fail(g, (int) -n, "reading the answer is not possible");
}

static void write_more(struct http_get *g)
{
	ssize_t n = send(g->fd, buf_data(&g->request), buf_len(&g->request), MSG_NOSIGNAL);

	/* A server that refuses us has closed the connection; it may have said why before. */
	if (n < 0 && errno == EPIPE)
		n = (ssize_t) buf_len(&g->request);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		fail(g, errno, "writing the request is not possible");
		return;
	}
	if (n > 0)
		buf_consume(&g->request, (size_t) n);
	if (buf_len(&g->request) == 0)
		loop_watch_events(g->watch, EPOLLIN);
}

static void ready(void *arg, uint32_t events)
{
	struct http_get *g = arg;

	(void) events;
	if (buf_len(&g->request) > 0)
		write_more(g);
	else
		read_more(g);
}

/* The socket must be root's or our own, because its answer is believed. */
static int dial(const char *path, int *ret_fd, struct err *e)
{
	struct sockaddr_un at;
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	uid_t uid;

	if (fd < 0)
		return err_sys(e, errno, "make a socket");
	if (fd_unix_address(path, &at) < 0)
		return err_say(e, ENAMETOOLONG, "socket path '%s' is too long", path);
	if (connect(fd, (struct sockaddr *) &at, sizeof at) < 0)
		return err_sys(e, errno, "connect to '%s'", path);

	int r = fd_peer_uid(fd, &uid);

	if (r < 0)
		return err_sys(e, -r, "ask whose socket '%s' is", path);
	if (uid != 0 && uid != geteuid())
		return err_say(e, EPERM, "'%s' is user %u's, who is neither root nor us", path,
			       uid);
	*ret_fd = take_fd(&fd);
	return 0;
}

static int ask(struct loop *loop, const char *socket_path, const char *request, size_t max_bytes,
	       msec_t deadline, http_done_fn done, void *arg, struct http_get **ret, struct err *e)
{
	struct http_get *g = calloc(1, sizeof *g);
	int r = g && request ? 0 : err_sys(e, ENOMEM, "ask '%s'", socket_path);

	if (r < 0) {
		free(g);
		return r;
	}
	*g = (struct http_get){.loop = loop, .fd = -1, .done = done, .arg = arg};
	buf_init(&g->request, strlen(request));
	buf_init(&g->answer, max_bytes);
	g->name = strdup(socket_path);
	if (!g->name || buf_append(&g->request, request, strlen(request)) < 0)
		r = err_sys(e, ENOMEM, "ask '%s'", socket_path);
	if (r == 0)
		r = dial(socket_path, &g->fd, e);
	if (r == 0)
		r = loop_watch(loop, g->fd, EPOLLOUT, ready, g, &g->watch, e);
	if (r == 0)
		r = loop_timer(loop, deadline, too_late, g, &g->timer, e);
	if (r < 0)
		http_get_cancel(g);
	else
		*ret = g;
	return r;
}

int http_get(struct loop *loop, const char *socket_path, const char *target, size_t max_bytes,
	     msec_t deadline, http_done_fn done, void *arg, struct http_get **ret, struct err *e)
{
	auto_free char *request = str_printf("GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n", target);

	return ask(loop, socket_path, request, max_bytes, deadline, done, arg, ret, e);
}

int http_post(struct loop *loop, const char *socket_path, const char *target, const char *body,
	      size_t max_bytes, msec_t deadline, http_done_fn done, void *arg,
	      struct http_get **ret, struct err *e)
{
	auto_free char *request = str_printf("POST %s HTTP/1.0\r\nHost: localhost\r\n"
					     "Content-Type: " HTTP_JSON "\r\n"
					     "Content-Length: %zu\r\n\r\n%s",
					     target, strlen(body), body);

	return ask(loop, socket_path, request, max_bytes, deadline, done, arg, ret, e);
}
