#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/loop.h"
#include "ttrpc/server.h"

/*
 * How connections come and go; one that goes makes room for the next. When there are too many, or
 * no descriptor is left for one more, a listener does not watch its socket for a while: new clients
 * wait in the kernel's backlog.
 */
#define RETRY_MS 100

struct listener {
	struct list link;
	struct ttrpc_server *server;
	struct loop_watch *watch;
	struct loop_timer *retry;
	int fd;
};

void connection_close(struct connection *c)
{
	list_remove(&c->link);
	c->server->n_connections--;
	wire_free(c->wire);
	call_all_gone(c);
	free(c);
}

static void tell_connections(struct ttrpc_server *server)
{
	if (server->on_connections)
		server->on_connections(server->on_connections_arg, server->n_connections);
}

static void resume_listening(struct ttrpc_server *server)
{
	list_for_each (pos, &server->listeners) {
		struct listener *l = container_of(pos, struct listener, link);

		if (!l->retry)
			loop_watch_events(l->watch, EPOLLIN);
	}
}

static void connection_broken(void *arg, const struct err *e)
{
	struct connection *c = arg;
	struct ttrpc_server *server = c->server;

	(void) e; /* a closed connection is no failure of the server */
	connection_close(c);
	resume_listening(server);
	tell_connections(server);
}

static const struct wire_ops ops = {
	.frame = connection_frame,
	.too_large = connection_too_large,
	.broken = connection_broken,
};

int ttrpc_server_serve(struct ttrpc_server *server, int take_fd, struct err *e)
{
	unsigned flags = WIRE_PAUSES | (server->allows_fds ? WIRE_ACCEPTS_FDS : 0);
	struct connection *c = calloc(1, sizeof *c);

	if (!c)
		return err_sys(e, ENOMEM, "serve a connection");

	int r = wire_new(server->loop, take_fd, flags, &ops, c, &c->wire, e);

	if (r < 0) {
		free(c);
		return r;
	}
	c->server = server;
	list_init(&c->calls);
	list_add(&server->connections, &c->link);
	server->n_connections++;
	tell_connections(server);
	return 0;
}

static void listen_again(void *arg)
{
	struct listener *l = arg;

	l->retry = NULL;
	loop_watch_events(l->watch, EPOLLIN);
}

static void pause_listening(struct listener *l, bool for_a_moment)
{
	if (for_a_moment && loop_timer(l->server->loop, clock_deadline(RETRY_MS), listen_again, l,
				       &l->retry, NULL) < 0)
		return; /* no memory for a timer: goes on trying instead */
	loop_watch_events(l->watch, 0);
}

static void on_connect(void *arg, uint32_t events)
{
	struct listener *l = arg;

	(void) events;
	if (l->server->n_connections >= l->server->max_connections) {
		pause_listening(l, false);
		return;
	}

	auto_close int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0) {
		if (l->server->on_accept && !l->server->on_accept(l->server->on_accept_arg, fd))
			return;
		if (ttrpc_server_serve(l->server, fd, NULL) == 0)
			(void) take_fd(&fd); /* otherwise the peer sees its connection end */
		return;
	}
	if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
		pause_listening(l, true);
}

int ttrpc_server_listen(struct ttrpc_server *server, int take_fd, struct err *e)
{
	auto_free struct listener *l = calloc(1, sizeof *l);
	int r = fd_set_nonblock(take_fd, true);

	if (!l)
		return err_sys(e, ENOMEM, "listen");
	if (r < 0)
		return err_sys(e, -r, "make descriptor %d non-blocking", take_fd);
	*l = (struct listener){.server = server, .fd = take_fd};
	r = loop_watch(server->loop, take_fd, EPOLLIN, on_connect, l, &l->watch, e);
	if (r < 0)
		return r;
	list_add(&server->listeners, &take_ptr(l)->link);
	return 0;
}

void listener_free_all(struct ttrpc_server *server)
{
	list_for_each (pos, &server->listeners) {
		struct listener *l = container_of(pos, struct listener, link);

		list_remove(pos);
		loop_timer_cancel(l->retry);
		loop_unwatch(l->watch);
		fd_close(l->fd);
		free(l);
	}
}

void ttrpc_server_stop_listening(struct ttrpc_server *server)
{
	listener_free_all(server);
}
