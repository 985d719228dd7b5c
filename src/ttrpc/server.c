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
