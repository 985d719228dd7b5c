#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "host/cli/shim_client.h"
#include "host/state/state_dir.h"

/*
 * The process that stands in for a process of a container.
 *
 * A caller of runc watches a pid: it waits for its end, reads its exit code, signals it. A process
 * in the guest has no pid on the host, so a stand-in takes its part: it lives as long as the
 * process in the guest, exits with its code, passes signals on to it, and if it is killed, the
 * sandbox server sees its connection close and kills the process in the guest. It owns no stream of
 * the container.
 *
 *	create, run -d, exec -d		standin_fork() and standin_settle(): a child of the
 *					caller's session
 *	run, exec --pid-file		the same, and it ends before the CLI does: standin_end()
 *	run, exec			standin_begin() and standin_finish(): the CLI itself, whose
 *					pid is not published
 *
 * A published pid stands for the container: a caller that joins its namespaces or looks at its root
 * must get the host's view of the container. So a forked stand-in lives in a room of its own
 * (room.h).
 */
struct standin {
	struct shim_client *server;
	const char *id;
	const char *exec_id; /* "" for the container's first process */
	int tty;             /* its size changes are passed on; borrowed; -1 for none */
	bool owns_session;   /* be the session leader of @tty, so that its signals come here */
	bool removes;        /* delete the container at the end: run, after which nobody would */
	bool apart; /* be in a session of its own, away from signals of the caller's terminal */
	char *const *args; /* the command that it stands for, for ps(1) */
	size_t n_args;

	/* to be read at the end */
	char cause[640]; /* why the process ended with its machine; "": it did not */

	/* private */
	bool done;
	int exit_code;
	char host_pid[16]; /* its pid in the caller's procfs; "": it is not listed */
	struct err err;
};

/* Begins to wait and to pass on signals. From here on the guest's process ends with this one. */
int standin_begin(struct standin *s, struct err *e);

/* Waits for the end. Returns the exit code, or -errno when the connection to the server broke. */
int standin_finish(struct standin *s, struct err *e);

/* Passes the size of the terminal on. Call it once the process runs; later changes follow. */
void standin_resize(struct standin *s);

/* One that was forked and is not in its room yet. */
struct standin_child {
	pid_t pid; /* 0: none */
	int line;  /* it goes on when it reads a byte, and ends when this is closed */
};

#define STANDIN_CHILD_NONE ((struct standin_child){.line = -1})

/* Forks a process that begins and finishes over a connection of its own and exits with the code. It
 * can be forked before what it stands for is made, because the kernel needs some time to move a
 * process into a cgroup, and the server does that meanwhile. */
int standin_fork(const struct state_dir *dir, const struct standin *s, struct standin_child *ret,
		 struct err *e);

/* Lets it enter its room, once its container is there. Returns when it waits for the end of what it
 * stands for. The caller has *@ret_pid from then on, and publishes it. */
int standin_settle(struct standin_child *c, pid_t *ret_pid, struct err *e);

/* Ends and reaps one that was not settled. Accepts STANDIN_CHILD_NONE. */
void standin_child_end(struct standin_child *c);

/* Ends and reaps the stand-in @pid, whose process has ended or must end. No-op for 0. */
void standin_end(pid_t pid);
