#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "host/cli/server.h"
#include "host/cli/state_dir.h"

/*
 * The process that stands in for a process of a container.
 *
 * A caller of runc watches a pid: it waits for its end, reads its exit code, signals it. Our
 * container has no pid on this side, so a process of ours takes the part: it lives as long as the
 * process in the guest, exits with its code, passes signals on to it, and if it is killed, so is the
 * process in the guest (the sandbox server sees it hang up). It owns no stream of the container.
 *
 *	create, run -d, exec -d		standin_fork(): a child of the caller's session
 *	run, exec			standin_begin() and standin_finish(): the CLI itself
 */
struct standin {
	struct server *server;
	const char *id;
	const char *exec_id; /* "" for the container's first process */
	int tty;             /* whose size changes are passed on; borrowed; -1 for none */
	bool owns_session;   /* be the session leader of @tty, so that its signals come here */
	bool removes;        /* the container goes with us: run, which nobody would delete after */

	/* private */
	bool done;
	int exit_code;
	struct err err;
};

/* Begins to wait and to pass on signals. From here on our end ends the process in the guest. */
int standin_begin(struct standin *s, struct err *e);

/* Waits for the end. Returns the exit code, or -errno when the sandbox server broke off. */
int standin_finish(struct standin *s, struct err *e);

/* Passes the size of the terminal on. Call it once the process runs; later changes follow. */
void standin_resize(struct standin *s);

/* Forks a process that does both over a connection of its own and exits with the code. Returns when
 * it waits. Its pid is the caller's to publish, not to wait for. */
int standin_fork(const struct state_dir *dir, const struct standin *s, pid_t *ret_pid,
		 struct err *e);
