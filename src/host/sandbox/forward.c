#include "host/sandbox/forward.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/log.h"
#include "host/sandbox/agent_call.h"
#include "host/sandbox/model.h"

/* At once; more wait to be accepted. */
#define FORWARDS_MAX 128
/* How long the guest may take to connect: its program has a full queue, or does not run. */
#define CONNECT_TIMEOUT_MS 30000
/* Without descriptors or memory for one more, it is tried again after so long. */
#define REST_MS 200

struct forward {
	struct list link;
	struct sandbox *sb;
	char id[32];
	int fd;                       /* the user */
	struct loop_watch *watch;     /* tells that the user has cut it */
	struct ttrpc_pending *asking; /* the agent's Connect */
	struct stdio *io;             /* once it is connected */
};

static void ignore(void *arg, const struct sandbox_answer *answer)
{
	(void) arg, (void) answer;
}

/* The agent has a connection, or is about to have one. */
static void disconnect(struct forward *f, bool reset)
{
	Grpc__DisconnectRequest q = GRPC__DISCONNECT_REQUEST__INIT;

	q.id = f->id;
	q.reset = reset;
	agent_ask(f->sb, "Disconnect", &q.base, NULL, ignore, NULL);
}

static void listen_more(struct forwards *all)
{
	if (all->watch && !all->rests)
		loop_watch_events(all->watch, EPOLLIN);
}

static void forward_free(struct forward *f)
{
	struct forwards *all = &f->sb->forwards;

	list_remove(&f->link);
	all->n--;
	ttrpc_cancel(f->asking);
	loop_unwatch(f->watch);
	stdio_free(f->io);
	fd_close(f->fd);
	free(f);
	listen_more(all);
}

/* One of both sides has cut it. */
static void give_up(struct forward *f)
{
	if (f->asking || f->io)
		disconnect(f, true);
	fd_reset_at_close(f->fd);
	forward_free(f);
}

/* Both have said all. */
static void over(void *arg)
{
	struct forward *f = arg;

	disconnect(f, false);
	forward_free(f);
}

/* A hang-up without an error is the end of both directions, which may not be relayed yet. */
static void user_gone(void *arg, uint32_t events)
{
	struct forward *f = arg;

	if (events & EPOLLERR)
		give_up(f);
	else
		loop_unwatch(take_ptr(f->watch));
}

static int open_relay(struct forward *f, struct ttrpc_client *line, struct err *e)
{
	struct loop *loop = f->sb->loop;
	struct stdio_spec streams = {
		.container_id = "",
		.exec_id = f->id,
		.promises = f->sb->agent.promises,
		.connection = true,
	};
	int r = stream_open_connection(loop, f->fd, STREAM_IN, &streams.in, e);

	if (r == 0)
		r = stream_open_connection(loop, f->fd, STREAM_OUT, &streams.out, e);
	if (r == 0)
		r = stdio_new(loop, line, &streams, &f->io, e);
	if (r < 0) {
		stream_close(streams.in);
		stream_close(streams.out);
	}
	return r;
}

static void connected(void *arg, struct ttrpc_answer *answer)
{
	struct forward *f = arg;
	struct err e = answer->err;
	struct ttrpc_client *line = answer->r < 0 ? NULL : agent_line(f->sb, &e);

	f->asking = NULL;
	if (!line || open_relay(f, line, &e) < 0) {
		log_err(LOG_DEBUG, &e, "ignoring a connection to the pod's loopback");
		if (answer->r == 0)
			disconnect(f, true);
		fd_reset_at_close(f->fd);
		forward_free(f);
		return;
	}
	stdio_start_output(f->io);
	stdio_linger(f->io, over, f);
	stdio_start_input(f->io);
}

static int ask(struct forward *f, struct err *e)
{
	Grpc__ConnectRequest q = GRPC__CONNECT_REQUEST__INIT;
	struct ttrpc_request request = {
		.service = &grpc__agent_service__descriptor,
		.method = "Connect",
		.message = &q.base,
		.deadline = clock_deadline(CONNECT_TIMEOUT_MS),
	};
	struct ttrpc_client *line = agent_line(f->sb, e);
	struct network_target to;

	if (!line)
		return -ECONNRESET;
	if (!network_dialled(f->sb->forwards.listener, f->fd, &to))
		return err_say(e, EINVAL, "not to a loopback address");
	q.id = f->id;
	q.port = to.port;
	q.ipv6 = to.ipv6;
	q.address = to.address;
	return ttrpc_call(line, &request, connected, f, &f->asking, e);
}

static int begin(struct sandbox *sb, int swallow_fd, struct err *e)
{
	struct forward *f = calloc(1, sizeof *f);

	if (!f) {
		fd_close(swallow_fd);
		return err_sys(e, ENOMEM, "take a connection");
	}
	f->sb = sb;
	f->fd = swallow_fd;
	(void) snprintf(f->id, sizeof f->id, "loopback-%lu", ++sb->forwards.last_id);
	list_add(&sb->forwards.list, &f->link);
	sb->forwards.n++;

	int r = loop_watch(sb->loop, f->fd, 0, user_gone, f, &f->watch, e);

	if (r == 0)
		r = ask(f, e);
	if (r < 0)
		give_up(f);
	return r;
}

/* ---- Who comes ---- */

static void rested(void *arg)
{
	struct sandbox *sb = arg;

	sb->forwards.rests = NULL;
	listen_more(&sb->forwards);
}

static void rest(struct sandbox *sb)
{
	struct forwards *all = &sb->forwards;

	loop_watch_events(all->watch, 0);
	(void) loop_timer(sb->loop, clock_deadline(REST_MS), rested, sb, &all->rests, NULL);
}

static void comes(void *arg, uint32_t events)
{
	struct sandbox *sb = arg;
	struct forwards *all = &sb->forwards;
	struct err e = {0};
	int fd = -1;

	(void) events;
	if (all->n >= FORWARDS_MAX)
		loop_watch_events(all->watch, 0);
	else if ((fd = accept4(all->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
		(void) begin(sb, fd, &e);
	else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
		rest(sb);
	if (e.code)
		log_err(LOG_DEBUG, &e, "ignoring a connection to the pod's loopback");
}

/* ---- For others ---- */

void forwards_init(struct forwards *all)
{
	*all = (struct forwards){.listener = -1};
	list_init(&all->list);
}

/* Over a handle of its own, because workers use that of the interfaces. */
static int catch_loopback(struct sandbox *sb, struct err *e)
{
	struct forwards *all = &sb->forwards;
	auto_ptr(network_close) struct network *n = NULL;
	int r = network_open(sb->machine.interfaces.ns_fd, &n, e);

	if (r == 0)
		r = network_catch_loopback(n, e);
	if (r < 0)
		return r;
	all->listener = r;
	return loop_watch(sb->loop, all->listener, EPOLLIN, comes, sb, &all->watch, e);
}

void forwards_begin(struct sandbox *sb)
{
	const struct interfaces *i = &sb->machine.interfaces;
	struct err e = {0};

	if (!i->is_given || !i->network || !sb->agent.connects)
		return;
	if (catch_loopback(sb, &e) < 0) {
		log_err(LOG_INFO, &e, "ignoring connections to the pod's loopback");
		forwards_end(sb);
	}
}

void forwards_end(struct sandbox *sb)
{
	struct forwards *all = &sb->forwards;
	auto_ptr(network_close) struct network *n = NULL;

	loop_timer_cancel(take_ptr(all->rests));
	loop_unwatch(take_ptr(all->watch));
	while (!list_empty(&all->list))
		give_up(container_of(list_first(&all->list), struct forward, link));
	if (all->listener < 0)
		return;
	if (network_open(sb->machine.interfaces.ns_fd, &n, NULL) == 0)
		network_release_loopback(n);
	all->listener = fd_close(all->listener);
}
