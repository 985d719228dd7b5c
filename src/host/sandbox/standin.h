#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/loop.h"
#include "host/room/room.h"
#include "host/room/title.h"

/*
 * The stand-in of a container that containerd knows: the process whose pid the server tells for it.
 * Private to host/sandbox. What it may see and do is host/room/room.h's.
 *
 *	signals		are passed on to the container's first process, as the command line's
 *			stand-in does
 *	killed		kills the container
 *	the container's	end, or the server's, is its own: the server kills it, or the kernel does
 *			when the server's thread ends
 *
 * There is one per container and not one per pod, because engines name a container by its pid: CRI
 * makes a debug container that joins the pid namespace /proc/PID/ns/pid of another, containerd's
 * clients signal it, and its mount namespace has that container's files.
 *
 * Distrusts: whoever has joined its namespaces, who may signal it and no more; the line that it
 * tells signals by is read one byte at a time.
 */
struct guest_standin {
	pid_t pid;  /* stays when it has ended, because events name it; 0: there never was one */
	int pidfd;  /* -1: there is none, or it was reaped */
	int line;   /* from it: its start, then a byte per signal; -1 */
	int pid_ns; /* its pid namespace, while there is one; -1 */
	struct loop_watch *line_watch, *end_watch;
	bool ending; /* it was told to end */
	void (*signalled)(void *arg, uint32_t signo);
	void *arg;
};

#define GUEST_STANDIN_NONE ((struct guest_standin){.pidfd = -1, .line = -1, .pid_ns = -1})

/* What takes memory and comes before the process. */
struct guest_standin_form {
	const struct view *view; /* borrowed */
	struct confine_filter filter;
	struct title title;
	uint64_t heap; /* where the server's begins; 0: not known */
};

/* The words of @args are what ps(1) shows. Freed with guest_standin_form_fini() in any case. */
int guest_standin_form_make(struct guest_standin_form *form, const struct view *view,
			    char *const *args, size_t n, struct err *e);
void guest_standin_form_fini(struct guest_standin_form *form);

/* Makes the process. Loop: it ends with the thread that has made it. */
int guest_standin_begin(struct guest_standin *s, const struct guest_standin_form *form,
			struct err *e);

/* For a container whose stand-in kata-runtime has made: @pid, the first that asks for its room; its
 * later ones stand in for other processes of it. No-op for those, and for 0, a process that this
 * pid namespace does not see. Loop. */
int guest_standin_is(struct guest_standin *s, pid_t pid, struct err *e);

/* Waits until it is where it belongs. Worker. */
int guest_standin_await(struct guest_standin *s, struct err *e);

/* From now on @signalled is called on the loop for each signal that it passes on, and with SIGKILL
 * when it was killed. */
int guest_standin_watch(struct guest_standin *s, struct loop *loop,
			void (*signalled)(void *arg, uint32_t signo), void *arg, struct err *e);

/* Kills it; no callback follows. Loop. No-op when there is none, or again. */
void guest_standin_end(struct guest_standin *s);

/* After guest_standin_end(): waits until it is gone, and with it what its namespaces held. */
void guest_standin_await_end(struct guest_standin *s);
