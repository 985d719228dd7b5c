#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "host/confine/confine.h"
#include "host/storage/view.h"

/*
 * The room: where a stand-in lives, the process whose pid an engine is given for a container's. Its
 * namespaces have the host's view of the container as the root, so a caller that takes the pid for
 * the container's and joins them gets into the room and not to the host.
 *
 * The server makes net, ipc, uts and mnt (host/storage/view.h); pid and cgroup are the stand-in's
 * own. The stand-in has no capabilities, cannot get new privileges, cannot be traced, and may only
 * make the system calls that it needs to pass on signals.
 *
 *	room_filter()	before the process is made
 *	room_clone()	makes it; in it:
 *	room_let_go()	everything inherited
 *	room_enter()	the namespaces
 *	room_lock()	all remaining rights
 *
 * After room_clone() all functions here make system calls only: a process that is cloned from one
 * with threads may find the memory allocator locked for ever.
 */

/* Makes the filter for room_lock(); freed with confine_filter_fini(). */
int room_filter(struct confine_filter *ret, struct err *e);

/* Makes a process that is the first of a new pid namespace, as fork() does. *@ret_pidfd is the
 * caller's; NULL: none is wanted. Returns the pid, 0 in the child, or -1 with errno. */
pid_t room_clone(int *ret_pidfd);

/* Closes all inherited descriptors but the @n in @keep (0 to 2 become /dev/null), goes to "/". */
int room_let_go(const int *keep, size_t n, struct err *e);

/* Moves into the room that @view is. */
int room_enter(const struct view *view, struct err *e);

/* Gives up all remaining rights. Afterwards only the functions of loop.h and ttrpc.h work. */
int room_lock(const struct confine_filter *filter, struct err *e);

/* Whether a stand-in passes @signo on to the process that it stands for. */
bool room_passes_signal(int signo, bool has_terminal);
