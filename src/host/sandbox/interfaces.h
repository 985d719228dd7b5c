#pragma once

#include <pthread.h>

#include "base/list.h"
#include "base/loop.h"
#include "host/config/config.h"
#include "host/hypervisor/hypervisor.h"
#include "host/network/network.h"
#include "host/sandbox/beside.h"

/*
 * The network interfaces of a machine: those of the network namespace that its container or pod was
 * given. Private to host/sandbox.
 *
 *	found in the namespace ──► a tap beside it ──► in the machine ──► the agent is told
 *	       ▲                                                              its addresses
 *	       └── looked for before the machine starts, after the hooks of a container, and
 *	           before a container starts, because engines also fill the namespace then
 *
 * Threads: the worker of whoever looks; one at a time, by the lock. The loop reads ns_fd and
 * network only, which are set before the machine starts; watching is the loop's.
 */
struct sandbox;
struct worker;

/* What the agent was told last, to tell it only what is new. */
struct told {
	uint8_t *packed;
	size_t bytes;
};

/* By which an interface is known again. */
struct interface_key {
	int index;
	uint8_t mac[NETWORK_MAC_BYTES];
};

/* How many interfaces that cannot be brought in are remembered: one more keeps each container of
 * the pod from its start. */
#define INTERFACES_KNOWN_MAX 16

struct interfaces {
	int ns_fd;     /* -1: none yet */
	bool is_given; /* the namespace is the engine's, and not a new one */
	struct network_rates rates;
	size_t queues;        /* of each, if the machine may have as many vCPUs */
	pthread_mutex_t lock; /* guards all below */
	struct network *network;
	struct network_facts facts; /* of the last look */
	/* A tap for each link of facts, which then are a file's and stay; NULL: a namespace's. */
	struct network_attached_tap *taps;
	struct list list; /* struct interface */
	struct told routes, neighbours;
	bool has_neighbours; /* the guest may have some of ours */
	bool warned;         /* of routes that the guest does not get */
	/* What the watch's last look could not bring in, and has said so. */
	struct interface_key known[INTERFACES_KNOWN_MAX];
	size_t n_known;
	bool has_begun; /* a container runs with what there is */
	unsigned long last_id;
	struct beside ending; /* they are taken back */

	struct egress_watch *egress; /* the loop's while egress_watch is set; NULL: no policy */

	/* The loop's. */
	struct loop_watch *egress_watch;
	struct loop_timer *egress_expires;
	int watch_fd; /* -1: not watched */
	struct loop_watch *watch;
	struct loop_timer *settles; /* until it is looked again */
	msec_t rest_ms;             /* how long it is waited more, after looks that failed */
};

void interfaces_init(struct interfaces *all);
/* Is not watched any more. */
void interfaces_fini(struct interfaces *all);

/* The namespace is the one of @ns_fd, of which a duplicate is kept, or if that is -1 a new one.
 * @config: whether interfaces are brought into the machine, how fast they may be, and what may
 * leave them; @id is the sandbox's, for which a file may describe other interfaces. */
int interfaces_begin(struct interfaces *all, const char *id, int ns_fd, const struct config *config,
		     struct err *e);

/* Looks into the namespace and gives a machine, which was created or runs, what has come, and takes
 * away what has gone. One that cannot be taken away stays, and is logged; one that cannot be given
 * keeps no other away, and the first such failure is returned. */
int interfaces_update(struct interfaces *all, struct hv *hv, msec_t deadline, struct err *e);

/* The machine is gone, and another one will take its place: takes back what it had. */
void interfaces_reclaim(struct interfaces *all);

/* The machine will not speak to anybody any more: begins to take back what it had, beside what the
 * caller goes on to do. Before interfaces_end(). */
void interfaces_begin_end(struct interfaces *all);

/* Tells the agent what it does not know yet. @w is the worker whose job calls. */
int interfaces_tell(struct sandbox *sb, struct worker *w, msec_t deadline, struct err *e);

/* Updates and tells a machine that runs, because a container begins: what came for that is there
 * when this returns 0. After interfaces_begun() an interface that the watch could not bring in, and
 * has logged, is no failure any more, because it did not come for this container. */
int interfaces_refresh(struct sandbox *sb, struct worker *w, struct err *e);

/* A container of the machine runs with the interfaces that it has. */
void interfaces_begun(struct interfaces *all);

/* Updates and tells a machine that runs, because the namespace has changed: for the watch, which
 * logs what this returns. */
int interfaces_follow(struct sandbox *sb, struct worker *w, struct err *e);

/* Identifies the namespace for notes; 0: there is none. */
uint64_t interfaces_inode(const struct interfaces *all);

/* Removes what a server that is dead has made in the namespace @path, if that has @inode and so is
 * the one that it was. Returns 0 also if there is none any more. */
int interfaces_clean(const char *path, uint64_t inode, struct err *e);

/* ---- interfaces_attached.c ---- */

/* Has the interfaces that a file describes for sandbox @id, if there is one. Before anything else
 * is known of @all but the namespace. Returns 1 if so, 0, or -errno. */
int interfaces_begin_attached(struct interfaces *all, const char *id, const struct config *config,
			      struct err *e);

/* ---- interface_watch.c ---- */

/* From now on looks again whenever the namespace changes, until the machine ends. What it cannot
 * follow is logged, and tried again with the next change. Loop; no-op for a machine without
 * interfaces of the host. */
void interfaces_watch(struct sandbox *sb);
void interfaces_unwatch(struct interfaces *all);

/* ---- egress_watch.c ---- */

/* From now on hears what the egress policy refuses. Loop; no-op without one. */
void interfaces_watch_egress(struct sandbox *sb);
void interfaces_unwatch_egress(struct interfaces *all);

/* The machine is gone: nothing of ours is in the namespace when it returns. */
void interfaces_end(struct interfaces *all);
