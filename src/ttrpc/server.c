#include "ttrpc/server.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/loop.h"

static void check_service(const struct ttrpc_service *s)
{
	for (size_t i = 0; i < s->n_methods; i++)
		assert(protobuf_c_service_descriptor_get_method_by_name(s->descriptor,
									s->methods[i].name));
	(void) s;
}

int ttrpc_server_new(struct loop *loop, const struct ttrpc_service *const *services,
		     size_t n_services, void *arg, struct ttrpc_server **ret, struct err *e)
{
	struct ttrpc_server *server = calloc(1, sizeof *server);

	if (!server)
		return err_sys(e, ENOMEM, "make a ttRPC server");
	for (size_t i = 0; i < n_services; i++)
		check_service(services[i]);
	*server = (struct ttrpc_server){
		.loop = loop,
		.services = services,
		.n_services = n_services,
		.arg = arg,
		.max_connections = TTRPC_CONNECTIONS_MAX,
	};
	list_init(&server->listeners);
	list_init(&server->connections);
	*ret = server;
	return 0;
}

static void connection_close(struct connection *c)
{
	list_remove(&c->link);
	c->server->n_connections--;
	wire_free(c->wire);
	call_all_gone(c);
	free(c);
}

void ttrpc_server_free(struct ttrpc_server *server)
{
	struct list *first;

	if (!server)
		return;
	listener_free_all(server);
	while ((first = list_first(&server->connections)))
		connection_close(container_of(first, struct connection, link));
	free(server);
}

void ttrpc_server_allow_fds(struct ttrpc_server *server)
{
	server->allows_fds = true;
}

void ttrpc_server_on_accept(struct ttrpc_server *server, bool (*fn)(void *arg, int fd), void *arg)
{
	server->on_accept = fn;
	server->on_accept_arg = arg;
}

void ttrpc_server_limit(struct ttrpc_server *server, size_t max)
{
	assert(max > 0 && max < TTRPC_CONNECTIONS_MAX);
	server->max_connections = max;
}

void ttrpc_server_on_connections(struct ttrpc_server *server,
				 void (*fn)(void *arg, size_t connections), void *arg)
{
	server->on_connections = fn;
	server->on_connections_arg = arg;
}

static void tell_connections(struct ttrpc_server *server)
{
	if (server->on_connections)
		server->on_connections(server->on_connections_arg, server->n_connections);
}

static void connection_broken(void *arg, const struct err *e)
{
	struct connection *c = arg;
	struct ttrpc_server *server = c->server;

	(void) e; /* a closed connection is no failure of the server */
	connection_close(c);
	listener_resume_all(server);
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

int ttrpc_server_flush(struct ttrpc_server *server, msec_t deadline)
{
	int ret = 0;

	list_for_each (pos, &server->connections) {
		if (wire_flush(container_of(pos, struct connection, link)->wire, deadline) ==
		    -ETIMEDOUT)
			ret = -ETIMEDOUT;
	}
	return ret;
}
