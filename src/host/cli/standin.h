#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "host/cli/server.h"
#include "host/state/state_dir.h"

/*
 * The process that stands in for a process of a container.
 *
 * A caller of runc watches a pid: it waits for its end, reads its exit code, signals it. Our
 * container has no pid on this side, so a process of ours takes the part: it lives as long as the
 * process in the guest, exits with its code, passes signals on to it, and if it is killed, so is the
 * process in the guest (the sandbox server sees it hang up). It owns no stream of the container.
 *
 *	create, run -d, exec -d		standin_fork(): a child of the caller's session
 *	run, exec --pid-file		the same, and it ends before the CLI does: standin_end()
 *	run, exec			standin_begin() and standin_finish(): the CLI itself, whose pid
 *					is told nobody
 *
 * A pid that is told means the container: what a caller does to it, such as joining its namespaces or
 * looking at its root, he does to the host's view of the container. So one that is forked lives in an
 * empty room (room.h).
 */
struct standin {
	struct server *server;
	const char *id;
	const char *exec_id; /* "" for the container's first process */
	int tty;             /* whose size changes are passed on; borrowed; -1 for none */
	bool owns_session;   /* be the session leader of @tty, so that its signals come here */
	bool removes;        /* the container goes with us: run, which nobody would delete after */
	bool apart; /* be in a session of one's own: the keys of the caller's terminal are his */
	char *const *args; /* what it stands for, for ps(1) */
	size_t n_args;

	/* to be read at the end */
	char cause[640]; /* why the process ended with its machine; "": it did not */

	/* private */
	bool done;
	int exit_code;
	char host_pid[16]; /* as the caller's procfs numbers us; "": we are not to be shown */
	struct err err;
};

/* Begins to wait and to pass on signals. From here on our end ends the process in the guest. */
int standin_begin(struct standin *s, struct err *e);

/* Waits for the end. Returns the exit code, or -errno when the sandbox server broke off. */
int standin_finish(struct standin *s, struct err *e);

/* Passes the size of the terminal on. Call it once the process runs; later changes follow. */
void standin_resize(struct standin *s);

/* Forks a process that does both over a connection of its own and exits with the code. Returns when
 * it waits. Its pid is the caller's to publish. */
int standin_fork(const struct state_dir *dir, const struct standin *s, pid_t *ret_pid,
		 struct err *e);

/* What @pid stood for has ended, or must: it ends as well, and is collected. No-op for 0. */
void standin_end(pid_t pid);
