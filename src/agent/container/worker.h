#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "agent/container/handshake.h"
#include "agent/container/zygote.h"
#include "base/loop.h"
#include "base/reaper.h"

/*
 * A child that the agent has made, seen from the agent: a process, the socket to it, and the end of
 * both. Callbacks come on the loop; each of them may call worker_fini().
 */

/* What all containers of one agent share. */
struct container_host {
	struct loop *loop;
	struct reaper *reaper;
	struct cgroup_root *cgroups;
	struct zygote zygote;
};

struct worker_events {
	/* Any step but PID_MADE. *@fd is closed afterwards unless it is taken. */
	void (*heard)(void *arg, const struct note *note, int *fd);
	/* The child has closed the socket but still runs. */
	void (*closed)(void *arg);
	/* The process has ended, and all its notes were delivered; the last callback. */
	void (*ended)(void *arg, int status);
};

struct worker {
	struct container_host *host;
	pid_t pid; /* 0: none, or it has ended */
	int pidfd;
	int control;
	struct loop_watch *watch;
	int status;
	bool reaped;
	const struct worker_events *events;
	void *arg;
};

#define WORKER_NONE ((struct worker){.pidfd = -1, .control = -1})

/* Makes the process. On failure *@w is WORKER_NONE. */
int worker_start(struct worker *w, struct container_host *host, const struct worker_spec *spec,
		 const struct worker_events *events, void *arg, struct err *e);

/* Sends @step to the child. */
int worker_tell(struct worker *w, enum step step, struct err *e);

/* Writes the maps of the user namespace that the child is the first process of, lines of
 * /proc/PID/uid_map and gid_map, and tells it to go on. */
int worker_map_users(struct worker *w, const char *uid_map, const char *gid_map, struct err *e);

/* Sends SIGKILL; ended() follows as for any other end. Harmless when the child has ended. */
void worker_kill(struct worker *w);

/* Kills the child and frees what the worker holds; no callback follows. Accepts WORKER_NONE. */
void worker_fini(struct worker *w);
