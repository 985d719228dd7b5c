#include "tests/test.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/log.h"
#include "events.pb-c.h"
#include "host/shim/events.h"
#include "task_events.pb-c.h"
#include "ttrpc/ttrpc.h"

/* A containerd that takes events, in the loop of the publisher. */
static struct {
	char path[64];
	struct loop *loop;
	struct ttrpc_server *server;
	struct events *events;
	unsigned got;
	char last[64];  /* the id in the last event */
	unsigned wrong; /* events out of order */
	bool refuses;
} here = {.path = "/tmp/kata-test-events-XXXXXX"};

static void take(struct ttrpc_call *call, const ProtobufCMessage *request, void *arg)
{
	const Containerd__Services__Events__Ttrpc__V1__ForwardRequest *q = (const void *) request;
	const Google__Protobuf__Any *any = q->envelope->event;
	Containerd__Events__TaskOOM *event =
		containerd__events__task_oom__unpack(NULL, any->value.len, any->value.data);

	(void) arg;
	CHECK_STR(q->envelope->namespace_, "ns");
	CHECK_STR(q->envelope->topic, "/tasks/oom");
	CHECK_STR(any->type_url, "containerd.events.TaskOOM");
	here.wrong += here.last[0] && strcmp(event->container_id, here.last) <= 0;
	(void) snprintf(here.last, sizeof here.last, "%s", event->container_id);
	containerd__events__task_oom__free_unpacked(event, NULL);
	here.got++;
	if (here.refuses)
		ttrpc_fail(call, TTRPC_INVALID_ARGUMENT, "no");
	else
		ttrpc_reply(call, NULL);
}

static const struct ttrpc_method methods[] = {{"Forward", take}};
static const struct ttrpc_service service = {
	.descriptor = &containerd__services__events__ttrpc__v1__events__descriptor,
	.methods = methods,
	.n_methods = 1,
};
static const struct ttrpc_service *const services[] = {&service};

static void containerd_begin(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(at.sun_path, here.path);
	(void) unlink(here.path);
	CHECK_EQ(bind(fd, (struct sockaddr *) &at, sizeof at), 0);
	CHECK_EQ(listen(fd, 4), 0);
	CHECK_EQ(ttrpc_server_new(here.loop, services, 1, NULL, &here.server, NULL), 0);
	CHECK_EQ(ttrpc_server_listen(here.server, fd, NULL), 0);
}

static void containerd_end(void)
{
	ttrpc_server_free(here.server);
	here.server = NULL;
	(void) unlink(here.path);
}

static void begin(void)
{
	log_set_level(LOG_ERROR);
	fd_close(mkstemp(here.path));
	CHECK_EQ(loop_new(&here.loop, NULL), 0);
	CHECK_EQ(events_new(here.loop, here.path, "ns", &here.events, NULL), 0);
}

static void end(void)
{
	events_free(here.events);
	containerd_end();
	loop_free(here.loop);
}

/* Publishes the events @from to @to - 1. */
static void publish(unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		Containerd__Events__TaskOOM event = CONTAINERD__EVENTS__TASK_OOM__INIT;
		char id[16];

		(void) snprintf(id, sizeof id, "%08u", i);
		event.container_id = id;
		events_publish(here.events, "/tasks/oom", &event.base);
	}
}

static void await(unsigned got)
{
	while (here.got < got && loop_step(here.loop, clock_deadline(60000), NULL) > 0)
		;
	CHECK_EQ(here.got, got);
	CHECK_EQ(here.wrong, 0);
}

TEST(events_arrive_in_order)
{
	begin();
	containerd_begin();
	publish(0, 500);
	await(500);
	end();
}

TEST(events_wait_for_a_containerd_that_is_away)
{
	begin();
	(void) unlink(here.path);
	publish(0, 100);
	containerd_begin();
	await(100);
	end();
}

TEST(a_containerd_that_comes_back_gets_what_came_meanwhile)
{
	begin();
	containerd_begin();
	publish(0, 10);
	await(10);
	containerd_end();
	publish(10, 20);
	containerd_begin();
	await(20);
	end();
}

TEST(the_queue_is_bounded_and_the_oldest_go)
{
	begin();
	(void) unlink(here.path);
	log_open(-1, LOG_TEXT, LOG_ERROR);
	publish(0, EVENTS_MAX + 10);
	containerd_begin();
	await(EVENTS_MAX);
	CHECK_EQ(strtoul(here.last, NULL, 10), EVENTS_MAX + 9);
	end();
}

TEST(an_event_that_is_refused_is_not_sent_again)
{
	begin();
	log_open(-1, LOG_TEXT, LOG_ERROR);
	here.refuses = true;
	containerd_begin();
	publish(0, 3);
	await(3);
	events_flush(here.events, clock_deadline(60000));
	CHECK_EQ(here.got, 3);
	end();
}

TEST(a_flush_ends_at_its_deadline_when_nobody_takes_events)
{
	begin();
	(void) unlink(here.path);
	publish(0, 1);
	events_flush(here.events, clock_deadline(10));
	CHECK_EQ(here.got, 0);
	end();
}
