#include "host/stdio/streaming.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/log.h"
#include "google/protobuf/any.pb-c.h"
#include "streaming.pb-c.h"
#include "transfer.pb-c.h"

#define ID_BYTES_MAX     512
#define DATA_BYTES_MAX   (32U << 10)
#define WINDOW_BYTES_MAX (1 << 30)

#define TYPE_INIT   "containerd.services.streaming.v1.StreamInit"
#define TYPE_ACK    "google.protobuf.Empty"
#define TYPE_WINDOW "containerd.types.transfer.WindowUpdate"
#define TYPE_DATA   "containerd.types.transfer.Data"

struct streaming {
	struct loop *loop;
	struct list entries;
	struct list strangers; /* who has not said which stream it wants */
	size_t n;
};

struct entry {
	struct list link;
	struct streaming *all;
	char *id;                /* NULL: a stranger */
	struct ttrpc_call *call; /* NULL: the client is away */
	int fd;                  /* our end of the pair; -1: there is no process */
	struct loop_watch *watch;
	enum stream_direction direction; /* once there is a process */
	size_t window;                   /* what the reader still takes */
	/* Input: */
	struct buf pending;
	size_t taken;    /* by the process, and not told yet */
	bool has_ended;  /* the client sends no more */
	bool is_granted; /* this client has been told of the window */
};

static void entry_free(struct entry *n)
{
	struct ttrpc_call *call = take_ptr(n->call);

	list_remove(&n->link);
	n->all->n -= n->id != NULL;
	loop_unwatch(n->watch);
	fd_close(n->fd);
	buf_fini(&n->pending);
	free(n->id);
	free(n);
	if (call && ttrpc_call_gone(call))
		ttrpc_drop(call);
	else if (call)
		ttrpc_stream_end(call);
}

static struct entry *entry_new(struct streaming *all, struct list *list)
{
	struct entry *n = calloc(1, sizeof *n);

	if (!n)
		return NULL;
	n->all = all;
	n->fd = -1;
	buf_init(&n->pending, STREAMING_WINDOW_BYTES);
	list_init(&n->link);
	list_add(list, &n->link);
	return n;
}

/* Sends @message inside an Any. Returns 0 or -errno. */
static int say(struct entry *n, const char *type, const ProtobufCMessage *message)
{
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	size_t bytes = message ? protobuf_c_message_get_packed_size(message) : 0;
	auto_free uint8_t *packed = malloc(bytes + 1);

	if (!packed)
		return -ENOMEM;
	any.type_url = (char *) type;
	any.value.data = packed;
	any.value.len = message ? protobuf_c_message_pack(message, packed) : 0;
	return ttrpc_stream_send(n->call, &any.base);
}

static int grant(struct entry *n, size_t bytes)
{
	Containerd__Types__Transfer__WindowUpdate update =
		CONTAINERD__TYPES__TRANSFER__WINDOW_UPDATE__INIT;

	update.update = (int32_t) bytes;
	n->window += bytes;
	return say(n, TYPE_WINDOW, &update.base);
}

static void ready(void *arg, uint32_t events);

/* Waits for what the entry can go on with; that the process has closed its end is always told. */
static void wait_for(struct entry *n, uint32_t events)
{
	if (n->fd < 0)
		return;
	if (n->watch)
		loop_watch_events(n->watch, events);
	else if (loop_watch(n->all->loop, n->fd, events, ready, n, &n->watch, NULL) < 0)
		log_error("out of memory: stream '%s' stands still", n->id);
}

/* ---- output ---- */

/* Returns false when the entry has ended. */
static bool send_output(struct entry *n)
{
	Containerd__Types__Transfer__Data data = CONTAINERD__TYPES__TRANSFER__DATA__INIT;
	uint8_t bytes[DATA_BYTES_MAX];

	while (n->call && n->window > 0) {
		size_t most = n->window < sizeof bytes ? n->window : sizeof bytes;
		ssize_t got = recv(n->fd, bytes, most, MSG_DONTWAIT);

		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (got <= 0) {
			entry_free(n);
			return false;
		}
		data.data.data = bytes;
		data.data.len = (size_t) got;
		n->window -= (size_t) got;
		if (say(n, TYPE_DATA, &data.base) < 0) {
			log_error("out of memory: output of stream '%s' is lost", n->id);
			entry_free(n);
			return false;
		}
	}
	wait_for(n, n->call && n->window > 0 ? EPOLLIN : 0);
	return true;
}

/* ---- input ---- */

/* Tells the client what the process has taken, not each byte by itself. */
static int grant_taken(struct entry *n)
{
	size_t bytes = n->taken;

	if (!n->call || n->has_ended || bytes == 0 ||
	    (bytes < STREAMING_WINDOW_BYTES / 4 && buf_len(&n->pending) > 0))
		return 0;
	n->taken = 0;
	return grant(n, bytes);
}

static bool give_input(struct entry *n)
{
	while (buf_len(&n->pending) > 0) {
		ssize_t put = send(n->fd, buf_data(&n->pending), buf_len(&n->pending),
				   MSG_DONTWAIT | MSG_NOSIGNAL);

		if (put < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (put < 0) { /* the process reads no more */
			entry_free(n);
			return false;
		}
		buf_consume(&n->pending, (size_t) put);
		n->taken += (size_t) put;
	}
	if ((n->has_ended && buf_len(&n->pending) == 0) || grant_taken(n) < 0) {
		entry_free(n);
		return false;
	}
	wait_for(n, buf_len(&n->pending) > 0 ? EPOLLOUT : 0);
	return true;
}

/* ---- both ---- */

static bool go_on(struct entry *n)
{
	if (n->fd < 0)
		return true;
	if (n->direction == STREAM_OUT && n->has_ended) {
		/* Nobody reads it: the process gets a broken pipe. */
		entry_free(n);
		return false;
	}
	if (n->direction == STREAM_OUT)
		return send_output(n);
	if (n->call && !n->is_granted && !n->has_ended) {
		/* What was granted to a client that is gone is not on its way any more. */
		n->is_granted = true;
		n->window = n->taken = 0;
		if (grant(n, STREAMING_WINDOW_BYTES - buf_len(&n->pending)) < 0) {
			entry_free(n);
			return false;
		}
	}
	return give_input(n);
}

static void ready(void *arg, uint32_t events)
{
	struct entry *n = arg;
	bool is_closed = events & (EPOLLHUP | EPOLLERR);

	/* What the process has written before it closed its end is sent first, once the client
	 * takes it. */
	if (is_closed && n->direction == STREAM_IN)
		entry_free(n);
	else if (is_closed && !(n->call && n->window > 0))
		loop_unwatch(take_ptr(n->watch));
	else
		(void) go_on(n);
}

static void client_gone(void *arg)
{
	struct entry *n = arg;

	ttrpc_drop(take_ptr(n->call));
	n->is_granted = false;
	n->window = 0;
	if (n->fd < 0)
		entry_free(n);
	else
		(void) go_on(n);
}

/* Ends a stream whose client does not keep to what was agreed. */
static void refuse(struct entry *n, const char *why)
{
	ttrpc_fail(take_ptr(n->call), TTRPC_INVALID_ARGUMENT, why);
	entry_free(n);
}

static void window_came(struct entry *n, const Google__Protobuf__Any *any)
{
	auto_ptr(ttrpc_message_free) ProtobufCMessage *m = NULL;

	if (ttrpc_unpack(&containerd__types__transfer__window_update__descriptor, any->value.data,
			 any->value.len, &m, NULL) < 0) {
		refuse(n, "this is no WindowUpdate");
		return;
	}

	int32_t update = ((Containerd__Types__Transfer__WindowUpdate *) m)->update;

	if (update < 0 || n->window + (size_t) update > WINDOW_BYTES_MAX) {
		refuse(n, "the window is too large");
		return;
	}
	n->window += (size_t) update;
	(void) go_on(n);
}

static void data_came(struct entry *n, const Google__Protobuf__Any *any)
{
	auto_ptr(ttrpc_message_free) ProtobufCMessage *m = NULL;

	if (ttrpc_unpack(&containerd__types__transfer__data__descriptor, any->value.data,
			 any->value.len, &m, NULL) < 0) {
		refuse(n, "this is no Data");
		return;
	}

	const ProtobufCBinaryData *data = &((Containerd__Types__Transfer__Data *) m)->data;
	bool fits = n->fd >= 0 && n->direction == STREAM_IN && data->len <= n->window;

	if (!fits || buf_append(&n->pending, data->data, data->len) < 0) {
		refuse(n, "more data than was asked for");
		return;
	}
	n->window -= data->len;
	(void) go_on(n);
}

static void came(void *arg, const ProtobufCMessage *message)
{
	struct entry *n = arg;
	const Google__Protobuf__Any *any = (const void *) message;

	if (!any) {
		n->has_ended = true;
		(void) go_on(n);
	} else if (strcmp(any->type_url, TYPE_WINDOW) == 0) {
		window_came(n, any);
	} else if (strcmp(any->type_url, TYPE_DATA) == 0) {
		data_came(n, any);
	} else {
		refuse(n, "only WindowUpdate and Data are known here");
	}
}

/* ---- who comes ---- */

static struct entry *find(struct streaming *all, const char *id)
{
	list_for_each (pos, &all->entries) {
		struct entry *n = container_of(pos, struct entry, link);

		if (strcmp(n->id, id) == 0)
			return n;
	}
	return NULL;
}

/* Whether nobody will come for it: its process is gone, and so is its client. */
static bool is_forgotten(const struct entry *n)
{
	struct pollfd p = {.fd = n->fd};

	return !n->call && n->fd >= 0 && poll(&p, 1, 0) == 1 && (p.revents & POLLHUP);
}

static bool make_room(struct streaming *all)
{
	if (all->n < STREAMING_MAX)
		return true;
	list_for_each (pos, &all->entries) {
		struct entry *n = container_of(pos, struct entry, link);

		if (is_forgotten(n)) {
			entry_free(n);
			return true;
		}
	}
	return false;
}

static int find_or_make(struct streaming *all, const char *id, struct entry **ret, struct err *e)
{
	struct entry *n = find(all, id);

	*ret = n;
	if (n)
		return 0;
	if (!id[0] || strlen(id) > ID_BYTES_MAX)
		return err_say(e, EINVAL, "'%.64s' is no name of a stream", id);
	if (!make_room(all))
		return err_say(e, ENOSPC, "there are %d streams already", STREAMING_MAX);
	n = entry_new(all, &all->entries);
	if (n && !(n->id = strdup(id))) {
		entry_free(n);
		n = NULL;
	}
	if (!n)
		return err_sys(e, ENOMEM, "make stream '%.64s'", id);
	all->n++;
	*ret = n;
	return 0;
}

/* A client that comes back takes the place of its former connection. */
static void attach(struct entry *n, struct ttrpc_call *call)
{
	struct ttrpc_call *former = take_ptr(n->call);

	if (former)
		ttrpc_stream_end(former);
	n->call = call;
	n->window = 0;
	n->is_granted = false;
	ttrpc_call_on_gone(call, client_gone, n);
	ttrpc_stream_on_message(call, came, n);
	if (say(n, TYPE_ACK, NULL) < 0)
		entry_free(n);
	else
		(void) go_on(n);
}

/* The first message of a stream says which it is. */
static void introduced(void *arg, const ProtobufCMessage *message)
{
	struct entry *stranger = arg;
	struct streaming *all = stranger->all;
	const Google__Protobuf__Any *any = (const void *) message;
	auto_ptr(ttrpc_message_free) ProtobufCMessage *m = NULL;
	struct ttrpc_call *call;
	struct err e = {0};

	if (!any || strcmp(any->type_url, TYPE_INIT) != 0 ||
	    ttrpc_unpack(&containerd__services__streaming__v1__stream_init__descriptor,
			 any->value.data, any->value.len, &m, NULL) < 0) {
		refuse(stranger, "a stream begins with StreamInit");
		return;
	}
	call = take_ptr(stranger->call);
	entry_free(stranger);

	const char *id = ((Containerd__Services__Streaming__V1__StreamInit *) m)->id;
	struct entry *n;

	if (find_or_make(all, id, &n, &e) == 0)
		attach(n, call);
	else
		ttrpc_fail_err(call, &e);
}

void streaming_serve(struct streaming *all, struct ttrpc_call *call)
{
	struct entry *n = entry_new(all, &all->strangers);

	if (!n) {
		ttrpc_fail(call, TTRPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	n->call = call;
	ttrpc_call_on_gone(call, client_gone, n);
	ttrpc_stream_on_message(call, introduced, n);
}

int streaming_open(struct streaming *all, const char *id, enum stream_direction direction,
		   struct stream **ret, struct err *e)
{
	struct entry *n;
	int r = find_or_make(all, id, &n, e);

	if (r < 0)
		return r;
	if (n->fd >= 0)
		return err_say(e, EEXIST, "stream '%s' is that of another process", id);
	r = stream_open_pair(all->loop, direction, ret, &n->fd, e);

	if (r < 0) {
		if (!n->call)
			entry_free(n);
		return r;
	}
	n->direction = direction;
	(void) go_on(n);
	return 0;
}

int streaming_new(struct loop *loop, struct streaming **ret, struct err *e)
{
	struct streaming *all = calloc(1, sizeof *all);

	if (!all)
		return err_sys(e, ENOMEM, "serve streams");
	all->loop = loop;
	list_init(&all->entries);
	list_init(&all->strangers);
	*ret = all;
	return 0;
}

void streaming_free(struct streaming *all)
{
	if (!all)
		return;
	list_for_each (pos, &all->entries)
		entry_free(container_of(pos, struct entry, link));
	list_for_each (pos, &all->strangers)
		entry_free(container_of(pos, struct entry, link));
	free(all);
}
