#include "host/shim/events.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/list.h"
#include "base/log.h"
#include "events.pb-c.h"
#include "host/shim/timestamp.h"
#include "ttrpc/ttrpc.h"

/* containerd's own shims give one call as long. */
#define FORWARD_TIMEOUT_MS 5000
/* Between two attempts to reach a containerd that is away. */
#define RETRY_MS 1000

struct event {
	struct list link;
	const char *topic;
	const char *type; /* the message's name */
	struct timespec when;
	size_t bytes;
	uint8_t packed[];
};

struct events {
	struct loop *loop;
	char *address;
	char *namespace;
	struct list queue; /* of struct event; the first may be on its way */
	size_t n;
	struct ttrpc_client *client; /* NULL: not connected */
	struct ttrpc_pending *pending;
	struct loop_timer *retry;
	bool away; /* it was logged that containerd does not answer */
};

static void send_first(struct events *ev);

int events_new(struct loop *loop, const char *address, const char *namespace, struct events **ret,
	       struct err *e)
{
	auto_ptr(events_free) struct events *ev = calloc(1, sizeof *ev);

	if (!ev)
		return err_sys(e, ENOMEM, "make the publisher of events");
	ev->loop = loop;
	list_init(&ev->queue);
	ev->namespace = strdup(namespace);
	ev->address = address && address[0] ? strdup(address) : NULL;
	if (!ev->namespace || (address && address[0] && !ev->address))
		return err_sys(e, ENOMEM, "make the publisher of events");
	*ret = take_ptr(ev);
	return 0;
}

static void drop_first(struct events *ev)
{
	struct event *first = container_of(list_first(&ev->queue), struct event, link);

	list_remove(&first->link);
	free(first);
	ev->n--;
}

static void disconnect(struct events *ev)
{
	ttrpc_cancel(take_ptr(ev->pending));
	ttrpc_client_free(take_ptr(ev->client));
}

void events_free(struct events *ev)
{
	if (!ev)
		return;
	loop_timer_cancel(ev->retry);
	disconnect(ev);
	while (ev->n > 0)
		drop_first(ev);
	free(ev->address);
	free(ev->namespace);
	free(ev);
}

static void try_again(void *arg)
{
	struct events *ev = arg;

	ev->retry = NULL;
	send_first(ev);
}

/* The first event stays the first, and is sent again later. */
static void postpone(struct events *ev, const struct err *why)
{
	if (!ev->away)
		log_err(LOG_WARN, why, "events wait, because containerd does not take them");
	ev->away = true;
	disconnect(ev);
	if (!ev->retry &&
	    loop_timer(ev->loop, clock_deadline(RETRY_MS), try_again, ev, &ev->retry, NULL) < 0)
		log_error("out of memory: events are not sent");
}

static void forwarded(void *arg, struct ttrpc_answer *answer)
{
	struct events *ev = arg;

	ev->pending = NULL;
	/* A refusal is final, because the same event would be refused again. */
	if (answer->r < 0 && answer->code == TTRPC_OK) {
		postpone(ev, &answer->err);
		return;
	}
	if (answer->r < 0)
		log_err(LOG_WARN, &answer->err, "containerd refused an event");
	ev->away = false;
	drop_first(ev);
	send_first(ev);
}

static int connect_to(struct events *ev, struct err *e)
{
	struct sockaddr_un at;
	const char *path = strncmp(ev->address, "unix://", 7) == 0 ? ev->address + 7 : ev->address;
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd_unix_address(path, &at) < 0)
		return err_say(e, ENAMETOOLONG, "containerd's socket '%s'", path);
	if (fd < 0 || connect(fd, (struct sockaddr *) &at, sizeof at) < 0)
		return err_sys(e, errno, "connect to '%s'", path);

	int r = ttrpc_client_new(ev->loop, fd, &ev->client, e);

	if (r == 0)
		(void) take_fd(&fd);
	return r;
}

static int forward(struct events *ev, const struct event *first, struct err *e)
{
	Containerd__Services__Events__Ttrpc__V1__ForwardRequest q =
		CONTAINERD__SERVICES__EVENTS__TTRPC__V1__FORWARD_REQUEST__INIT;
	Containerd__Services__Events__Ttrpc__V1__Envelope envelope =
		CONTAINERD__SERVICES__EVENTS__TTRPC__V1__ENVELOPE__INIT;
	Google__Protobuf__Timestamp when = timestamp_of(&first->when);
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	const struct ttrpc_request request = {
		.service = &containerd__services__events__ttrpc__v1__events__descriptor,
		.method = "Forward",
		.message = &q.base,
		.deadline = clock_deadline(FORWARD_TIMEOUT_MS),
	};

	any.type_url = (char *) first->type;
	any.value = (ProtobufCBinaryData){.data = (uint8_t *) first->packed, .len = first->bytes};
	envelope.timestamp = &when;
	envelope.namespace_ = ev->namespace;
	envelope.topic = (char *) first->topic;
	envelope.event = &any;
	q.envelope = &envelope;
	return ttrpc_call(ev->client, &request, forwarded, ev, &ev->pending, e);
}

static void send_first(struct events *ev)
{
	struct err e = {0};
	int r = 0;

	if (ev->n == 0 || ev->pending || ev->retry)
		return;
	if (ev->client && ttrpc_client_closed(ev->client))
		disconnect(ev); /* containerd was restarted */
	if (!ev->client)
		r = connect_to(ev, &e);
	if (r == 0)
		r = forward(ev, container_of(list_first(&ev->queue), struct event, link), &e);
	if (r < 0)
		postpone(ev, &e);
}

/* Makes room for one more. The first stays if it is on its way. */
static void drop_oldest(struct events *ev)
{
	struct list *oldest = list_first(&ev->queue);

	if (ev->pending)
		oldest = oldest->next;

	struct event *event = container_of(oldest, struct event, link);

	log_error("an event is lost, because %d others wait for containerd: %s", EVENTS_MAX,
		  event->topic);
	list_remove(&event->link);
	free(event);
	ev->n--;
}

void events_publish(struct events *ev, const char *topic, const ProtobufCMessage *message)
{
	size_t bytes = protobuf_c_message_get_packed_size(message);
	struct event *event;

	if (!ev->address)
		return;
	event = malloc(sizeof *event + bytes);
	if (!event) {
		log_error("out of memory: an event is lost: %s", topic);
		return;
	}
	*event = (struct event){.topic = topic, .type = message->descriptor->name, .bytes = bytes};
	(void) clock_gettime(CLOCK_REALTIME, &event->when);
	(void) protobuf_c_message_pack(message, event->packed);
	if (ev->n == EVENTS_MAX)
		drop_oldest(ev);
	list_init(&event->link);
	list_add(&ev->queue, &event->link);
	ev->n++;
	send_first(ev);
}

void events_flush(struct events *ev, msec_t deadline)
{
	while (ev->n > 0 && loop_step(ev->loop, deadline, NULL) > 0)
		;
}
