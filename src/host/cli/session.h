#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "host/cli/shim_client.h"
#include "host/cli/standin.h"
#include "host/cli/verb.h"
#include "host/state/state_dir.h"
#include "oci.pb-c.h"

/*
 * A process that a command makes at a sandbox server: a container's first one (create, run), or one
 * more (exec). It ends in one of two ways:
 *
 *	session_make()		the server makes it, with the caller's streams or a new terminal,
 *				and a stand-in is forked
 *	session_hand_over()	a stand-in is left to the caller, and the command ends
 *	session_attend()	the command stays until the process ends
 *
 * The failure of any leaves it to the caller to delete what was made.
 */
struct session {
	const struct cli *cli;
	const char *id;
	const char *exec_id;          /* "" for the container's first process */
	const Grpc__Process *process; /* borrowed */
	const char *console_socket;   /* gets the master of a new terminal, or NULL */
	bool attends;                 /* session_attend() follows */
	uint32_t timeout_ms;          /* of the requests that make and start it */
	bool removes;                 /* see struct standin */
	/* Tells others the pid of a stand-in. NULL: nobody asks, and for session_attend() none is
	 * forked. */
	int (*publish)(const struct session *s, pid_t pid, struct err *e);
	void *arg; /* for publish */

	struct state_dir dir;
	struct shim_client server;
	int master; /* of the new terminal, or -1 */
	int slave;
	bool started;                 /* its program was */
	struct standin_child standin; /* forked by session_make(), until it is settled */
	/* session_attend()'s: the server may answer it as long as there is the connection. */
	struct standin own;
};

/* Closes everything. Accepts one whose dir and server are *_NONE, and whose terminal is -1. */
void session_fini(struct session *s);

/* Refuses a terminal that nobody would hold, and a console socket that nobody needs. */
int session_check_terminal(const struct session *s, bool detached, struct err *e);

/* What a request says of the streams of a session. */
#define SESSION_STDIN  ((char *) "fd:0")
#define SESSION_STDOUT ((char *) "fd:1")
char *session_stderr(const struct session *s);

/* Makes the terminal and forks the stand-in, where they are wanted, and sends the request that
 * makes the process ("Create", "Exec"), with its streams. */
int session_make(struct session *s, const char *method, const ProtobufCMessage *request,
		 struct err *e);

/* After session_make(): hands the new terminal, if there is one, to the console socket. */
int session_send_terminal(struct session *s, struct err *e);

/* Settles the stand-in and publishes it; starts the program with @start. */
int session_hand_over(struct session *s, bool start, struct err *e);

/* Starts the program, and stays until it ends; holds the user's terminal meanwhile. Returns the
 * exit code or -errno. */
int session_attend(struct session *s, struct err *e);
