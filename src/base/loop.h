#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/signalfd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/err.h"

/*
 * The event loop: one epoll, one thread. Callbacks run one after the other on the thread that calls
 * loop_run() or loop_step(); none may block. Only loop_post() and loop_stop() may be called from
 * another thread (or, for loop_stop(), from a callback).
 *
 * Watches and timers belong to the loop; what callbacks point to belongs to the caller and must
 * outlive them. Both may be removed from inside any callback, their own included: once
 * loop_unwatch() or loop_timer_cancel() has returned, the callback is not called again.
 */
struct loop;
struct loop_watch;
struct loop_timer;

/* @events: EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR as they are in epoll_wait(2). */
typedef void (*loop_io_fn)(void *arg, uint32_t events);
typedef void (*loop_fn)(void *arg);
typedef void (*loop_signal_fn)(void *arg, const struct signalfd_siginfo *info);

int loop_new(struct loop **ret, struct err *e);

/* Also frees every watch and timer that is left; closes no descriptor of the caller. Accepts NULL.
 */
void loop_free(struct loop *loop);
AUTO_PTR(struct loop, loop_free)

/* Runs callbacks until loop_stop(). Returns 0, or -errno when epoll itself fails. */
int loop_run(struct loop *loop, struct err *e);

/* Waits until something is due, at most until @deadline, and runs the callbacks of that once.
 * Returns 1 when something ran, 0 when the deadline came first, or -errno. For a caller that needs
 * an answer before it goes on: while (!done && (r = loop_step(...)) > 0). Not from a callback. */
int loop_step(struct loop *loop, msec_t deadline, struct err *e);

void loop_stop(struct loop *loop);

/**
 * loop_watch() - call @fn when @fd is ready
 * @fd:		borrowed; must stay open until loop_unwatch()
 * @events:	EPOLLIN, EPOLLOUT or both; 0 waits for hang-up only
 * @ret:	the watch, owned by the loop
 */
int loop_watch(struct loop *loop, int fd, uint32_t events, loop_io_fn fn, void *arg,
	       struct loop_watch **ret, struct err *e);

/* Changes what is waited for. No-op when nothing changes, so it may be called often. */
void loop_watch_events(struct loop_watch *w, uint32_t events);

/* Accepts NULL. Call it before closing the descriptor. */
void loop_unwatch(struct loop_watch *w);

/* Calls @fn once at @deadline. The timer is gone when @fn is called. */
int loop_timer(struct loop *loop, msec_t deadline, loop_fn fn, void *arg, struct loop_timer **ret,
	       struct err *e);

/* Accepts NULL. */
void loop_timer_cancel(struct loop_timer *t);

/* Blocks @signo in this thread and calls @fn on the loop when it arrives. Once per signal. */
int loop_signal(struct loop *loop, int signo, loop_signal_fn fn, void *arg, struct err *e);

/* Runs @fn on the loop's thread soon. Safe from any thread; order is kept. Returns 0 or -ENOMEM. */
int loop_post(struct loop *loop, loop_fn fn, void *arg);
