#pragma once

#include "host/sandbox/model.h"

/* One question to the agent, and back. Private to host/sandbox. */

/* Asks the agent and waits. @w is the worker whose job calls. @ret may be NULL; freed with
 * ttrpc_message_free(). If the machine breaks meanwhile, the error tells why it did. */
int guest_ask(struct sandbox *sb, struct worker *w, const char *method,
	      const ProtobufCMessage *message, msec_t deadline, ProtobufCMessage **ret,
	      struct err *e);

/* The same for a create of a container, which its job runs: fails at once when it is given up. */
int container_ask(struct guest_container *c, const char *method, const ProtobufCMessage *message,
		  msec_t deadline, struct err *e);

/* @c is given up: ends its container_ask(), if there is one. Loop. */
void container_ask_cancel(struct guest_container *c);

/* The connection to the agent, or NULL with the reason why there is none. Loop. */
struct ttrpc_client *agent_line(struct sandbox *sb, struct err *e);

/* Sends a request to the agent; calls @done with the outcome. Loop. */
void agent_ask_until(struct sandbox *sb, const char *method, const ProtobufCMessage *message,
		     const struct ttrpc_pair *metadata, msec_t deadline, sandbox_done_fn done,
		     void *arg);

/* The same, with AGENT_TIMEOUT_MS from now. */
void agent_ask(struct sandbox *sb, const char *method, const ProtobufCMessage *message,
	       const struct ttrpc_pair *metadata, sandbox_done_fn done, void *arg);
