/* Connections of the host's to programs of the guest: "connect" in agent.proto.
 *
 *	Connect ──► being made ──► made: its streams are a process's ──► Disconnect
 *	               └ refused: of localhost the other address is tried ─┘
 *
 * Only the host asks for one. The guest's programs see a connection from one of the guest's own
 * addresses. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "agent/process/process.h"
#include "agent/rpc/agent.h"
#include "base/array.h"
#include "base/fd.h"

/* At once. Each has two descriptors. */
#define CONNECTIONS_MAX 256
/* Bytes of a connection's id, with the NUL. */
#define CONNECTION_ID_BYTES 64

struct connection {
	struct list link; /* in rpc.connections */
	struct rpc *rpc;
	char id[CONNECTION_ID_BYTES];
	uint16_t port;
	bool ipv6;
	bool is_localhost; /* else to address: */
	union {
		struct in_addr v4;
		struct in6_addr v6;
	} address;
	int code; /* why the family that was asked for did not take it; 0: it was not tried yet */
	/* While it is being made: */
	struct ttrpc_call *call; /* the Connect; then NULL */
	int fd;                  /* then -1 */
	struct loop_watch *watch;
	struct process *streams; /* once it is made */
};

static void connection_free(struct connection *c)
{
	struct err e = {0};

	list_remove(&c->link);
	loop_unwatch(c->watch);
	process_free(c->streams);
	fd_close(c->fd);
	if (c->call)
		ttrpc_answer(c->call, err_say(&e, ECANCELED, "the connection is given up"), &e);
	free(c);
}

void connections_free(struct rpc *rpc)
{
	while (!list_empty(&rpc->connections))
		connection_free(
			container_of(list_first(&rpc->connections), struct connection, link));
}

static struct connection *find(struct rpc *rpc, const char *id)
{
	list_for_each (pos, &rpc->connections) {
		struct connection *c = container_of(pos, struct connection, link);

		if (strcmp(c->id, id) == 0)
			return c;
	}
	return NULL;
}

struct process *connection_find(struct rpc *rpc, const char *id, struct ttrpc_call *call)
{
	struct connection *c = find(rpc, id);
	struct err e = {0};

	if (c && c->streams)
		return c->streams;
	ttrpc_answer(call, err_say(&e, ENOENT, "there is no connection '%s'", id), &e);
	return NULL;
}

/* ---- How it is made ---- */

static int fail(struct connection *c, int code, struct err *e)
{
	char address[INET6_ADDRSTRLEN] = "the guest's loopback";

	if (!c->is_localhost)
		(void) inet_ntop(c->ipv6 ? AF_INET6 : AF_INET, &c->address, address,
				 sizeof address);
	return err_sys(e, code, "connect to port %u of %s", c->port, address);
}

static void refuse(struct connection *c, const struct err *why)
{
	ttrpc_fail_err(take_ptr(c->call), why);
	connection_free(c);
}

static int make_streams(struct connection *c, struct err *e)
{
	struct process_io io = PROCESS_IO_NONE;

	io.at_once = true;
	io.in = fcntl(c->fd, F_DUPFD_CLOEXEC, 0);
	if (io.in < 0)
		return fail(c, errno, e);
	io.out = take_fd(&c->fd);

	int r = process_new(c->rpc->config.loop, &io, &c->streams, e);

	process_io_close(&io); /* no-op once they are the process's */
	return r;
}

static void made(struct connection *c)
{
	struct err e = {0};

	if (make_streams(c, &e) < 0)
		refuse(c, &e);
	else
		ttrpc_reply(take_ptr(c->call), NULL);
}

static int begin(struct connection *c);

/* @code: why the family that was tried last did not take it; 0: it did. */
static void tried(struct connection *c, int code)
{
	struct err e = {0};

	loop_unwatch(take_ptr(c->watch));
	if (code == 0) {
		made(c);
		return;
	}
	c->fd = fd_close(c->fd);
	if (c->is_localhost && c->code == 0) {
		c->code = code;
		c->ipv6 = !c->ipv6;
		if (begin(c) == 0)
			return;
	}
	if (c->code == 0)
		c->code = code;
	(void) fail(c, c->code, &e);
	refuse(c, &e);
}

static void on_ready(void *arg, uint32_t events)
{
	struct connection *c = arg;
	int code = 0;
	socklen_t bytes = sizeof code;

	(void) events;
	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &code, &bytes) < 0)
		code = errno;
	tried(c, code);
}

static int connect_there(const struct connection *c)
{
	const struct in_addr loopback = {htonl(INADDR_LOOPBACK)};
	const struct sockaddr_in v4 = {
		.sin_family = AF_INET,
		.sin_port = htons(c->port),
		.sin_addr = c->is_localhost ? loopback : c->address.v4,
	};
	const struct sockaddr_in6 v6 = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(c->port),
		.sin6_addr = c->is_localhost ? in6addr_loopback : c->address.v6,
	};

	return c->ipv6 ? connect(c->fd, (const struct sockaddr *) &v6, sizeof v6)
		       : connect(c->fd, (const struct sockaddr *) &v4, sizeof v4);
}

/* Returns 0 when on_ready() will tell, or -errno. */
static int begin(struct connection *c)
{
	c->fd = socket(c->ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0)
		return -errno;
	if (connect_there(c) < 0 && errno != EINPROGRESS)
		return -errno;
	return loop_watch(c->rpc->config.loop, c->fd, EPOLLOUT, on_ready, c, &c->watch, NULL);
}

static void on_gone(void *arg)
{
	struct connection *c = arg;

	ttrpc_drop(take_ptr(c->call));
	connection_free(c);
}

/* ---- The calls ---- */

static int check(struct rpc *rpc, const Grpc__ConnectRequest *req, struct err *e)
{
	size_t n = 0;

	if (!*req->id || strlen(req->id) >= CONNECTION_ID_BYTES)
		return err_say(e, EINVAL, "a connection's id has 1 to %d bytes",
			       CONNECTION_ID_BYTES - 1);
	if (req->port == 0 || req->port > UINT16_MAX)
		return err_say(e, EINVAL, "there is no port %u", req->port);
	if (find(rpc, req->id))
		return err_say(e, EEXIST, "there is a connection '%s' already", req->id);
	list_for_each (pos, &rpc->connections)
		n++;
	if (n >= CONNECTIONS_MAX)
		return err_say(e, ENOSPC, "there are %zu connections already", n);
	return 0;
}

static int read_address(struct connection *c, const char *text, struct err *e)
{
	c->is_localhost = !*text;
	if (!c->is_localhost && inet_pton(c->ipv6 ? AF_INET6 : AF_INET, text, &c->address) != 1)
		return err_say(e, EINVAL, "'%s' is no address", text);
	return 0;
}

static int connection_new(struct rpc *rpc, const Grpc__ConnectRequest *req, struct connection **ret,
			  struct err *e)
{
	int r = check(rpc, req, e);
	struct connection *c = r < 0 ? NULL : calloc(1, sizeof *c);

	if (!c)
		return r < 0 ? r : err_sys(e, ENOMEM, "connect to a port");
	c->rpc = rpc;
	c->fd = -1;
	c->port = (uint16_t) req->port;
	c->ipv6 = req->ipv6;
	r = read_address(c, req->address, e);
	if (r < 0) {
		free(c);
		return r;
	}
	memcpy(c->id, req->id, strlen(req->id));
	list_add(&rpc->connections, &c->link);
	*ret = c;
	return 0;
}

void connection_rpc_connect(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	struct connection *c = NULL;
	struct err e = {0};

	if (connection_new(rpc, request, &c, &e) < 0) {
		ttrpc_fail_err(call, &e);
		return;
	}
	c->call = call;
	ttrpc_call_on_gone(call, on_gone, c);

	int r = begin(c);

	if (r < 0)
		tried(c, -r);
}

void connection_rpc_disconnect(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	const Grpc__DisconnectRequest *req = request;
	struct connection *c = find(rpc, req->id);
	struct err e = {0};

	if (!c) {
		ttrpc_answer(call, err_say(&e, ENOENT, "there is no connection '%s'", req->id), &e);
		return;
	}
	if (c->streams && req->reset)
		process_cut(c->streams);
	connection_free(c);
	ttrpc_answer(call, 0, NULL);
}
