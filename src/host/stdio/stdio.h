#pragma once

#include <stdbool.h>

#include "base/auto.h"
#include "base/err.h"
#include "base/loop.h"
#include "host/stdio/logger.h"
#include "host/stdio/stream.h"
#include "host/stdio/stream_name.h"
#include "host/stdio/streaming.h"
#include "ttrpc/ttrpc.h"

/*
 * The relay: standard input, output and error of one process, between the user's descriptors and
 * the agent in the guest.
 *
 *	user ──stream──► WriteStdin ──► guest		guest ──► ReadStdout ──stream──► user
 *
 * It only keeps what is under way: at most STDIO_DEPTH messages of STDIO_CHUNK_BYTES per stream.
 * When the user does not read, the guest is not asked for more, its pipe fills and the process
 * waits; when the process does not read, the user's pipe is not read. End of file goes through in
 * both directions.
 *
 * If the user's end is gone (EPIPE), an agent with "close-output" is told to close the pipe, so
 * that the process gets SIGPIPE as under any other runtime; with another agent the rest is read and
 * thrown away, so that the process does not hang.
 *
 * The end of a process may be reported when stdio_finish() has called back: all that the process
 * had written before is then in the user's descriptors.
 *
 * A connection to a port in the guest is relayed in the same way: each direction has an end of its
 * own, and one that the guest's program cuts is cut for the user.
 *
 * Threads: none, all on the loop. Distrusts: the guest may send more than was asked for, or
 * nothing.
 *
 * The agent holds what is under way too, and its memory is taken from the containers': with
 * messages of 1 MiB it grew to 5 MiB, with these it stays below 2, and the streams are a quarter
 * slower.
 */
#define STDIO_CHUNK_BYTES (128U << 10)
#define STDIO_DEPTH       2

/* An agent without "ordered-exit" cannot say when the last byte was sent: after the end, silence
 * for so long counts as the end of a stream. */
#define STDIO_SILENCE_MS 500

/* A user who has not opened a fifo for output yet when the process has ended is waited for so long,
 * and looked for so often. */
#define STDIO_USER_COMES_MS 10000
#define STDIO_USER_LOOK_MS  20

struct stdio;

/* What the agent in the guest promises (see AgentDetails in agent.proto). */
struct stdio_promises {
	bool ordered_exit;
	bool close_output;
	bool end_at_once;
};

struct stdio_spec {
	const char *container_id;
	const char *exec_id;
	struct stdio_promises promises;
	bool terminal;
	bool connection; /* of TCP to a port in the guest, and no process: there is no @err */
	struct stream *in, *out, *err; /* NULL: none */
};

/**
 * stdio_new() - a relay that does nothing yet
 * @client:	the connection to the agent; must outlive the relay
 * @take_spec:	its streams are swallowed on success
 */
int stdio_new(struct loop *loop, struct ttrpc_client *client, struct stdio_spec *take_spec,
	      struct stdio **ret, struct err *e);

/* Forgets what is under way and closes the user's descriptors. Accepts NULL. */
void stdio_free(struct stdio *io);
AUTO_PTR(struct stdio, stdio_free)

/* Begins to relay output: when the process exists, before the call that waits for its end. */
void stdio_start_output(struct stdio *io);

/* Begins to relay input: when the process runs. */
void stdio_start_input(struct stdio *io);

/* The user will write nothing more (CloseIO). */
void stdio_end_input(struct stdio *io);

/* The process has ended: stops input, and calls @done once when all output has reached the user.
 * May call it from here. */
void stdio_finish(struct stdio *io, void (*done)(void *arg), void *arg);

/* After stdio_finish() has called back: whether children that the process has left behind can still
 * print to the user. */
bool stdio_flows(const struct stdio *io);

/* Goes on relaying what they print: calls @done at the end of all output. May call it from here. Of
 * a connection: calls @done when both directions have ended, or it was cut; comes right after
 * stdio_start_output(), and @done may be called by stdio_start_input(), too. */
void stdio_linger(struct stdio *io, void (*done)(void *arg), void *arg);

/* Stops relaying: children that print get a broken pipe. stdio_free() comes next. */
void stdio_hang_up(struct stdio *io);

/* Whether output waits for a user who does not read. */
bool stdio_is_stuck(const struct stdio *io);

/* Limits the wait for the user: when the user has read nothing for @patience_ms, the rest of the
 * output is thrown away and stdio_finish() calls back. A user that reads slowly gets
 * STDIO_PATIENCES times that. No-op while such a limit is set already. */
#define STDIO_PATIENCES 5
void stdio_hurry(struct stdio *io, uint32_t patience_ms);

/* The guest is gone, and the client will be: no more calls. What was received before still goes to
 * the user. stdio_finish() comes next. */
void stdio_break(struct stdio *io);
