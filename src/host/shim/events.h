#pragma once

#include <protobuf-c/protobuf-c.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/loop.h"

/*
 * Events for containerd: what happens to tasks, in order, over its ttRPC event service
 * (containerd.services.events.ttrpc.v1.Events/Forward). Private to host/shim.
 *
 *	publish ──► queue ──one at a time──► Forward ──answered──► next
 *	              ▲                         │
 *	              └──── a moment later ◄── failed, containerd is away
 *
 * While containerd is away, events wait in the queue. It holds EVENTS_MAX of them; the oldest is
 * dropped and logged when one more comes, because a shim must not grow without bound.
 */
#define EVENTS_MAX 2048

struct events;

/**
 * events_new() - a publisher that has not connected yet
 * @address:	path of containerd's ttRPC socket, or NULL: events are dropped
 * @namespace:	containerd's
 */
int events_new(struct loop *loop, const char *address, const char *namespace, struct events **ret,
	       struct err *e);

/* What is still queued is dropped. Accepts NULL. */
void events_free(struct events *ev);
AUTO_PTR(struct events, events_free)

/* Queues one event. @topic is a literal ("/tasks/start"); @message is packed here. */
void events_publish(struct events *ev, const char *topic, const ProtobufCMessage *message);

/* Runs the loop until the queue is empty, or @deadline. Not from a callback. */
void events_flush(struct events *ev, msec_t deadline);
