#pragma once

#include <sys/types.h>

#include "base/err.h"
#include "base/loop.h"

/*
 * The ends of children, for a process that gets children it never made: PID 1, or a subreaper. It
 * owns SIGCHLD on its loop and collects every child that ends. Who made a child says so in the same
 * callback of the loop in which it was made; then no end can be missed. The ends of all others are
 * thrown away.
 *
 * A child that is expected here must not be waited for in any other way.
 */
struct reaper;

/* @status is as in waitpid(2). Called once, on the loop; the child is forgotten by then. */
typedef void (*reaper_fn)(void *arg, pid_t pid, int status);

int reaper_new(struct loop *loop, struct reaper **ret, struct err *e);

/* Forgets all; ends nobody. Accepts NULL. The loop must outlive it and run no more afterwards. */
void reaper_free(struct reaper *r);
AUTO_PTR(struct reaper, reaper_free)

/* Calls @fn when @pid, a child of this process, has ended. Returns 0 or -ENOMEM. */
int reaper_expect(struct reaper *r, pid_t pid, reaper_fn fn, void *arg, struct err *e);

/* Nobody wants to hear of @pid any more. Harmless when nobody did. */
void reaper_forget(struct reaper *r, pid_t pid);
