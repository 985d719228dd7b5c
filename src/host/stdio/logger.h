#pragma once

#include "base/clock.h"
#include "base/err.h"
#include "base/list.h"
#include "base/loop.h"
#include "host/stdio/stream_name.h"

/*
 * A logger: a program of the engine's that takes what a process prints (binary://).
 *
 *	descriptor 3	the process's standard output, 4 its standard error
 *	descriptor 5	closed, or one byte written, when the logger is ready; one that must say so
 *			(binary-v2://) and closes it has failed
 *	environment	CONTAINER_ID, CONTAINER_NAMESPACE, and nothing else
 *
 *	logger_start() ──► logger_await() or logger_when_ready() ──► logger_end() ── its input ends
 *		LOGGER_QUIT_MS later: SIGTERM ── LOGGER_TERM_MS later: SIGKILL ── forgotten
 *
 * It dies with the thread that has started it, by SIGKILL. Threads: the loop, but for
 * logger_await().
 *
 * Source: containerd, cmd/containerd-shim-runc-v2/process/io.go.
 */
#define LOGGER_READY_MS 10000
#define LOGGER_QUIT_MS  2000
#define LOGGER_TERM_MS  10000

struct logger;

struct logger_spec {
	const struct stream_name *name;
	const char *id, *namespace; /* what its environment says */
	int mount_ns;               /* in which it runs; -1: this one */
};

int logger_start(struct loop *loop, const struct logger_spec *spec, struct logger **ret,
		 struct err *e);

/* The end of the pipe that leads to descriptor 3 or 4, for the caller; -1: it was taken. */
int logger_take_output(struct logger *l, bool is_error);

/* Waits until it is ready. Returns 0, -EPIPE (it ended, or did not say that it must), -ETIMEDOUT. A
 * worker's; not while any other function of this header is called. */
int logger_await(struct logger *l, msec_t deadline, struct err *e);

/* The same on the loop: @done is called once, never from here when this returns 0. It may end the
 * logger. */
typedef void (*logger_ready_fn)(void *arg, int r, struct err *e);
int logger_when_ready(struct logger *l, msec_t deadline, logger_ready_fn done, void *arg,
		      struct err *e);

/* Ends such a wait with the failure @why. No-op when there is none. */
void logger_stop_waiting(struct logger *l, const struct err *why);

/* Nobody writes to it any more. It is freed when the program has ended, and @gone is called then;
 * until then it is in the list @ending. Who waits for it to be ready is told -ECANCELED. */
void logger_end(struct logger *take_logger, struct list *ending, void (*gone)(void *arg),
		void *arg);

/* Kills all of a list of logger_end() at once; no callback. */
void loggers_kill(struct list *ending);
