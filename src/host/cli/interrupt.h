#pragma once

#include <signal.h>

#include "base/err.h"
#include "base/loop.h"
#include "host/cli/shim_client.h"

/*
 * SIGINT, SIGTERM and SIGHUP while a container is being made: the command undoes what it has made
 * and then dies of the signal. Signals that the caller had set to ignored (nohup, a shell's
 * background) stay ignored.
 *
 *	interrupt_hold()	before anything exists: blocks the signals, which then stay pending
 *	interrupt_watch()	a signal, pending or new, makes the server give up: Create fails
 *	interrupt_unwatch()	signals stay pending again, for the container's stand-in
 *	interrupt_die()		at the end: no-op when no signal came
 */
struct interrupt {
	struct shim_client *server;
	const char *id;
	sigset_t signals;
	int fd;
	struct loop_watch *watch;
	int signo; /* the signal that came; 0: none */
};

#define INTERRUPT_NONE ((struct interrupt){.fd = -1})

void interrupt_hold(struct interrupt *i);

/* @server and @id are borrowed until interrupt_unwatch(). */
int interrupt_watch(struct interrupt *i, struct shim_client *server, const char *id, struct err *e);

/* Accepts one that does not watch. */
void interrupt_unwatch(struct interrupt *i);

void interrupt_die(const struct interrupt *i);
