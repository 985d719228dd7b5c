#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/err.h"

/*
 * Child processes: made with fork and exec, known by a pidfd.
 *
 * A failure between fork and exec is the error of child_start(), with the child's own sentence. The
 * child gets default signal handlers and an empty signal mask.
 */
struct child {
	pid_t pid; /* 0 when there is none */
	int pidfd; /* readable when the child has ended; -1 when there is none */
};

#define CHILD_NONE ((struct child){.pid = 0, .pidfd = -1})

/* The descriptor @fd of the parent becomes @as in the child. */
struct child_fd {
	int fd;
	int as;
};

struct child_spec {
	const char *path;           /* an absolute path, or a name looked up in PATH */
	const char *const *argv;    /* NULL-terminated */
	const char *const *envp;    /* NULL-terminated; NULL inherits */
	const char *cwd;            /* NULL inherits */
	const struct child_fd *fds; /* every other descriptor from 3 on is closed */
	size_t n_fds;
	bool new_session; /* setsid() */
	/* The child is the first process of a pid namespace: it cannot see or signal processes
	 * outside, and all its children end with it. Signals to itself have no effect without a
	 * handler. */
	bool new_pid_namespace;
	bool die_with_parent; /* SIGKILL when the *thread* that starts it ends */
	/* Runs in the child just before exec, for steps that this struct does not have. May be
	 * NULL. It must only make system calls; its failure and @e become those of
	 * child_start(). */
	int (*prepare)(void *arg, struct err *e);
	void *prepare_arg;
};

/* Starts a program. *@ret belongs to the caller, who ends it with child_wait() or child_kill(). */
int child_start(const struct child_spec *spec, struct child *ret, struct err *e);

/* The same with @execute, which is execve for a program that is not looked for in PATH and, if it
 * is a text, says by which other it is run. */
typedef int (*child_exec_fn)(const char *path, char *const argv[], char *const envp[]);
int child_start_by(const struct child_spec *spec, child_exec_fn execute, struct child *ret,
		   struct err *e);

/* In a child of fork() without exec, whose parent's getpid() was @parent: it is killed when the
 * thread that made it ends, and ends here if its parent has ended before that was asked for. To be
 * called again after a change of the user, because that clears it. The first process of a pid
 * namespace must find out in another way, because its parent has no number there. */
void child_die_with(pid_t parent);

/* Waits for the end. *@ret_status is as in waitpid(2). Returns 0, -ETIMEDOUT, or -errno; the child
 * is CHILD_NONE only after 0. */
int child_wait(struct child *c, msec_t deadline, int *ret_status, struct err *e);

/* SIGKILL, and waits for the end. Accepts CHILD_NONE; it is CHILD_NONE afterwards. */
void child_kill(struct child *c);

/**
 * child_arrange_fds() - for a new process before it executes a program
 * @fds:	which descriptor becomes which; every other closes at exec
 * @keep_fd:	a descriptor that is needed until exec: moved out of the way
 */
int child_arrange_fds(const struct child_fd *fds, size_t n_fds, int *keep_fd, struct err *e);

/* A wait status as the exit code a shell gives: the code, or 128 + signal. */
int child_exit_code(int status);
