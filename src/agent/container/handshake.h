#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * The messages between the agent and a child that it made, over a SOCK_SEQPACKET pair:
 *
 *	init                              agent
 *	  USERNS_MADE ──────────────────►   writes uid_map and gid_map
 *	              ◄────────────── GO
 *	  PID_MADE (pidfd) ─────────────►   knows the process by its real pid from now on
 *	              ◄────────────── GO
 *	  MOUNTED ──────────────────────►   runs the prestart and createRuntime hooks
 *	              ◄────────────── GO
 *	  TERMINAL (master of the pty) ─►
 *	  FILTER (seccomp program) ─────►   kept for processes that join later
 *	  READY ────────────────────────►   the create is done
 *	              ◄────────────── GO    start
 *	  EXECUTING ────────────────────►
 *	  (end of file) ────────────────►   it has become the workload
 *
 * A step that the specification does not ask for is left out. FAILED may come in place of any step,
 * even after EXECUTING, and nothing comes after it. End of file without EXECUTING: the child died.
 */
enum step {
	STEP_USERNS_MADE,
	STEP_PID_MADE,
	STEP_MOUNTED,
	STEP_TERMINAL,
	STEP_FILTER,
	STEP_READY,
	STEP_EXECUTING,
	STEP_FAILED,
	STEP_GO,
	STEP_MAX,
};

struct note {
	uint32_t step;
	int32_t pid;    /* STEP_PID_MADE: as the agent sees it */
	struct err err; /* STEP_FAILED */
};

const char *step_name(enum step step);

/* Sends @step, with @fd (borrowed) if it is not -1. @err goes with STEP_FAILED, else NULL. */
int handshake_tell(int sock, enum step step, pid_t pid, int fd, const struct err *err,
		   struct err *e);

/* Receives one note. *@ret_fd is the caller's descriptor, or -1. Returns 1, 0 at end of file,
 * -EAGAIN on a non-blocking socket without a note, -EPROTO for an invalid note, or -errno. */
int handshake_hear(int sock, struct note *ret, int *ret_fd, struct err *e);
