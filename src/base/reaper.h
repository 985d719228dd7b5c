#pragma once

#include <sys/types.h>

#include "base/err.h"
#include "base/loop.h"

/*
 * The ends of children, for a process that gets children it never made: PID 1, or a subreaper. It
 * owns SIGCHLD on its loop and reaps every child that ends. A caller that makes a child calls
 * reaper_expect() in the same callback of the loop, so that the end cannot be missed. The ends of
 * all other children are ignored.
 *
 * A child that is expected here must not be waited for in any other way.
 */
struct reaper;

/* @status is as in waitpid(2). Called once, on the loop; the child is forgotten by then. */
typedef void (*reaper_fn)(void *arg, pid_t pid, int status);

int reaper_new(struct loop *loop, struct reaper **ret, struct err *e);

/* Forgets all children and kills none. Accepts NULL. The loop must outlive it and not run
 * afterwards. */
void reaper_free(struct reaper *r);
AUTO_PTR(struct reaper, reaper_free)

/* Calls @fn when @pid, a child of this process, has ended. Returns 0 or -ENOMEM. */
int reaper_expect(struct reaper *r, pid_t pid, reaper_fn fn, void *arg, struct err *e);

/* Takes reaper_expect() of @pid back. No-op when @pid is not expected. */
void reaper_forget(struct reaper *r, pid_t pid);
