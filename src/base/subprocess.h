#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/tail.h"

/*
 * A program that runs until this process stops it: a VMM, a file server. One thread starts it, the
 * loop of another watches it, and its last messages on stdout and stderr are kept.
 *
 *	idle --start--> running --watch--> watched --ends--> ended
 *	  ^                |                  |                |
 *	  +----------------+------stop--------+----------------+
 *
 * Threads: init, on_*, and fini belong to the loop's thread; start, watch and stop to one other (or
 * to the same), one at a time; the rest to any. The program dies with the *thread* that started it.
 */
typedef void (*subprocess_fn)(void *arg);

struct subprocess {
	struct loop *loop;
	struct tail messages; /* its last output on stdout and stderr */
	subprocess_fn watched_fn;
	subprocess_fn ended_fn;
	void *fn_arg;

	int wake_fd; /* the starting thread cannot install watches: it makes this readable */
	int messages_fd;
	struct loop_watch *wake_watch;
	struct loop_watch *end_watch;
	struct loop_watch *messages_watch;

	pthread_mutex_t lock; /* guards all below */
	struct child child;   /* its pidfd stays open until stop */
	bool reaped;
	bool stopping; /* set by subprocess_stop(): an end is not reported */
	int status;    /* of waitpid(2), once reaped */
};

/* @p is zeroed memory. */
int subprocess_init(struct subprocess *p, struct loop *loop, struct err *e);

/* Stops it and frees everything. Accepts zeroed memory. */
void subprocess_fini(struct subprocess *p);

/* @watched (may be NULL) is called when the loop has begun to watch; @ended once, when the program
 * ends without having been stopped. */
void subprocess_on(struct subprocess *p, subprocess_fn watched, subprocess_fn ended, void *arg);

/* Runs the program. @spec's die_with_parent, new_session and descriptors 0 to 2 are set here. */
int subprocess_start(struct subprocess *p, const struct child_spec *spec, struct err *e);

/* Makes the loop watch it from now on. Until then the caller must watch the program itself. */
void subprocess_watch(struct subprocess *p);

/* SIGKILL, without waiting: subprocess_stop() is due. From here on @ended is not called any more,
 * but may be running. Returns whether there is an end to wait for. */
bool subprocess_begin_stop(struct subprocess *p);

/* SIGKILL, and waits for the end; idle again afterwards. Returns 0, also when nothing ran, or
 * -ETIMEDOUT. @ended is not called any more, but may be running. */
int subprocess_stop(struct subprocess *p, msec_t deadline, struct err *e);

/* True when it was started and has ended; *@ret_status (may be NULL) is as in waitpid(2). */
bool subprocess_ended(struct subprocess *p, int *ret_status);

/* Waits for that. Returns 0 or -ETIMEDOUT. */
int subprocess_wait(struct subprocess *p, msec_t deadline);

/* SIGKILL, without waiting; the loop will notice. */
void subprocess_kill(struct subprocess *p);

/* 0 when nothing runs. */
pid_t subprocess_pid(struct subprocess *p);

/* Reads the output that is still in the pipe; does not wait. */
void subprocess_drain(struct subprocess *p);
