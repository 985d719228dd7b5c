#pragma once

#include "base/list.h"
#include "base/loop.h"

/*
 * Connections to localhost in a pod's network namespace, which containerd makes for `kubectl
 * port-forward`, carried to the same port of the guest's loopback. Private to host/sandbox.
 *
 *	dialled in the namespace ──► accepted ──► Connect of the agent ──► relayed ──► Disconnect
 *	                                             └ refused: reset ─────┘ cut: reset
 *
 * The kernel has accepted a connection before the guest is asked, so where nobody listens in the
 * guest it is reset, and not refused. Only who is in the namespace can make one, and never the
 * guest.
 *
 * Threads: none, all on the loop.
 */
struct sandbox;

struct forwards {
	int listener;             /* -1: none */
	struct loop_watch *watch; /* of it */
	struct loop_timer *rests; /* until connections are accepted again */
	struct list list;         /* struct forward */
	size_t n;
	unsigned long last_id;
};

void forwards_init(struct forwards *all);

/* From now on takes such connections, if the namespace is the engine's, its interfaces are the
 * machine's, and the agent is one that connects. Where the kernel does not allow it, that is
 * logged. */
void forwards_begin(struct sandbox *sb);

/* Ends all connections, and takes no more. */
void forwards_end(struct sandbox *sb);
