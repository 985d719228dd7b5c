#pragma once

#include <stdbool.h>

#include "agent.pb-c.h"
#include "base/auto.h"
#include "base/clock.h"
#include "base/err.h"
#include "ttrpc/ttrpc.h"

/*
 * The host's end of the connection to the agent in the guest: every call of grpc.AgentService and
 * grpc.Health by its name, its messages as protoc-c made them.
 *
 *	loop thread					worker thread
 *	agent_call_begin() ── request ──► guest		agent_call() ──loop_post()──► loop thread
 *	     done(answer) ◄── answer ───┘		     ▲                             │
 *							     └──── wakes up ◄── answer ◄───┘
 *
 * The connection belongs to the loop. Long jobs that read as plain steps run on another thread and
 * use agent_call(), which sleeps until the loop has the answer. When the connection breaks all
 * calls fail with -ECONNRESET; there is no reconnect, the sandbox must be torn down.
 *
 * Distrust: all that arrives here was written by the guest. A message is unpacked within the
 * limits of ttrpc.h and is of the right type; numbers and strings in it may be anything. Words of a
 * refusal are one line of at most ERR_TEXT_MAX bytes without control characters.
 */
struct agent_client;
struct loop;

/**
 * agent_client_new() - speak to the agent over a connected stream
 * @take_fd:	swallowed on success, still the caller's on failure
 *
 * Loop thread, like everything here but agent_call().
 */
int agent_client_new(struct loop *loop, int take_fd, struct agent_client **ret, struct err *e);

/* Closes the connection: calls that wait for an answer, on either thread, fail with -ECANCELED, and
 * so do later calls. May be called twice. */
void agent_client_close(struct agent_client *client);

/* The same, and frees the client: a thread that is inside agent_call() returns safely, none may
 * enter it any more. Accepts NULL. */
void agent_client_free(struct agent_client *client);
AUTO_PTR(struct agent_client, agent_client_free)

/* @fn is called once when the guest hangs up, with the reason, after all waiting calls have failed.
 */
void agent_client_on_lost(struct agent_client *client, void (*fn)(void *arg, const struct err *e),
			  void *arg);

/* The connection itself, for callers that need it directly; NULL once it was closed. Borrowed. */
struct ttrpc_client *agent_client_line(struct agent_client *client);

/**
 * agent_call_begin() - ask and go on; loop thread
 * @method:	"CreateContainer", or "Check" and "Version" of grpc.Health. A name that does not
 *		exist, or a @request of another type, is a bug and asserted
 * @request:	borrowed until this returns; NULL: nothing set
 * @deadline:	CLOCK_NEVER for WaitProcess, GetOOMEvent and the streams
 * @done:	see ttrpc_call()
 * @ret:	for ttrpc_cancel(); may be NULL
 *
 * Returns what ttrpc_call() returns.
 */
int agent_call_begin(struct agent_client *client, const char *method,
		     const ProtobufCMessage *request, msec_t deadline, ttrpc_done_fn done,
		     void *arg, struct ttrpc_pending **ret, struct err *e);

/**
 * agent_call() - ask and wait for the answer; any thread but the loop's
 * @request:	borrowed until this returns; NULL: nothing set
 * @deadline:	kept even if the loop is busy with something else
 * @ret:	the answer, of the method's output type, freed by the caller with
 *		ttrpc_message_free(); NULL: not wanted
 *
 * Returns 0, or what ttrpc_call() and its answer can be: among them
 *  -ETIMEDOUT	no answer in time
 *  -ECONNRESET	the guest hung up
 *  -ECANCELED	the client was freed meanwhile
 *  any other	the agent refused, @e holds its own words behind "agent: "
 */
int agent_call(struct agent_client *client, const char *method, const ProtobufCMessage *request,
	       msec_t deadline, ProtobufCMessage **ret, struct err *e);

/* Whether the agent has announced @feature (extra_features in agent.proto). Accepts NULL. */
bool agent_details_have(const Grpc__AgentDetails *details, const char *feature);
