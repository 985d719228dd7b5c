#pragma once

#include <signal.h>

#include "base/err.h"
#include "base/loop.h"
#include "host/cli/server.h"

/*
 * SIGINT, SIGTERM and SIGHUP while a container is being made: what was made so far is undone, and
 * then the command dies of the signal as it would have. Those that the caller has us ignore (nohup,
 * a shell's background) stay ignored.
 *
 *	interrupt_hold()	before anything exists: from here on they wait
 *	interrupt_watch()	one that comes, or has come, makes the server give up: Create fails
 *	interrupt_unwatch()	they wait again, for who stands in for the container
 *	interrupt_die()		at the end: no-op when nothing came
 */
struct interrupt {
	struct server *server;
	const char *id;
	sigset_t signals;
	int fd;
	struct loop_watch *watch;
	int signo; /* what came; 0: nothing */
};

#define INTERRUPT_NONE ((struct interrupt){.fd = -1})

void interrupt_hold(struct interrupt *i);

/* @server and @id are borrowed until interrupt_unwatch(). */
int interrupt_watch(struct interrupt *i, struct server *server, const char *id, struct err *e);

/* Accepts one that does not watch. */
void interrupt_unwatch(struct interrupt *i);

void interrupt_die(const struct interrupt *i);
