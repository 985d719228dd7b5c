#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/auto.h"
#include "base/err.h"
#include "base/loop.h"
#include "host/cli/verb.h"
#include "host/state/state_dir.h"
#include "ttrpc/ttrpc.h"

/*
 * The connection to the sandbox server of one container.
 *
 * create and run start the server: the CLI binds the socket in the container's folder, lets the
 * server inherit it and connects to it, so it need not wait or poll. Other verbs find the socket in
 * the folder. The contract is in docs/sandbox-server.md.
 */
struct shim_client {
	struct loop *loop;
	struct ttrpc_client *client;
};

#define SHIM_CLIENT_NONE ((struct shim_client){0})
#define auto_shim_client __attribute__((cleanup(shim_client_close)))

/* Starts a server for the container of @dir, working in @bundle, and connects to it. */
int shim_client_start(const struct cli *cli, const struct state_dir *dir, const char *bundle,
		      struct shim_client *ret, struct err *e);

/* Connects to the server of @dir. -ECONNREFUSED or -ENOENT when there is none (any more). */
int shim_client_connect(const struct state_dir *dir, struct shim_client *ret, struct err *e);

/* The same by id, for verbs that need a running container: one without a server is stopped, and the
 * sentence says that one cannot @verb it. -ENOENT when there is no such container. */
int shim_client_reach(const struct cli *cli, const char *id, const char *verb,
		      struct shim_client *ret, struct err *e);

/* Closes the connection. Accepts SHIM_CLIENT_NONE. */
void shim_client_close(struct shim_client *s);

/* Verbs that only look or signal answer in this time; those that boot a machine set their own. */
#define SERVER_TIMEOUT_MS 60000

/* Makes one call. If the server closes the connection without an answer, it has died, and the error
 * says so. */
int shim_client_ask(struct shim_client *s, const struct ttrpc_request *q, ProtobufCMessage **ret,
		    struct err *e);

/**
 * shim_client_task() - one call of containerd's task service
 * @method:	"Kill"
 * @request:	of its input type
 * @deadline:	CLOCK_NEVER for Wait
 * @ret:	the response, freed with ttrpc_message_free(); NULL when not wanted
 */
int shim_client_task(struct shim_client *s, const char *method, const ProtobufCMessage *request,
		     msec_t deadline, ProtobufCMessage **ret, struct err *e);

/* Waits for the end of a container's process, and of its output. -ETIMEDOUT after @deadline. */
int shim_client_wait(struct shim_client *s, const char *id, msec_t deadline, struct err *e);

/* One call of the kata.v1.Admin service. */
int shim_client_admin(struct shim_client *s, const char *method, const ProtobufCMessage *request,
		      ProtobufCMessage **ret, struct err *e);

/* Asks the server to end and waits until it has closed the connection: then everything it owned is
 * gone. With @now it gives up what is under way, without it it ends once it has no container. */
int shim_client_shutdown(struct shim_client *s, const char *id, bool now, struct err *e);

/* For a server that has ended in any way, or does not answer: where it has left notes, kills its
 * processes, and runs its program's "delete", which removes everything the notes name. */
int shim_client_clean_up(const struct cli *cli, const struct state_dir *dir, struct err *e);

/* For a server that has ended after it had answered Delete, so that all its notes name is gone:
 * removes the folder of its management socket if it was killed before it could. */
int shim_client_bury(const struct state_dir *dir, struct err *e);
