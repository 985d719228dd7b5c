#pragma once

#include "base/err.h"
#include "base/loop.h"
#include "host/sandbox/sandbox.h"
#include "host/shim/peer.h"
#include "ttrpc/ttrpc.h"

/* The server: a sandbox, and the connections to it. Private to host/shim. */

/* See lifetime.h. */
struct orphan {
	char *folder; /* NULL: none */
	int fd;       /* of the folder, because another may have its name later */
	char *id;
	bool found;
	bool deleting;
};

struct server {
	struct loop *loop;
	char *id;
	struct sandbox *sandbox;
	struct pod_sandbox *pod; /* of sandbox_service.c; NULL: CreateSandbox was not called */
	struct ttrpc_server *ttrpc;
	struct loop_timer *first_timer;    /* until the first Create */
	struct loop_timer *farewell_timer; /* since the sandbox was shut down */
	size_t connections;
	bool lone;           /* made for a container that is no pod's */
	unsigned refusals;   /* of peers that were logged */
	struct peer refused; /* the last one */
	bool created;        /* Create was called, for whatever, or Shutdown accepted */
	bool shutdown_asked;
	bool ending;
	struct orphan orphan;
	struct list waits;             /* of wait.c */
	const char *socket_path;       /* as in struct server_options; may be NULL */
	struct events *events;         /* NULL: nothing is published */
	struct list endings;           /* of publish.c */
	struct list ooms;              /* of publish.c */
	struct management *management; /* NULL: there is no socket for it */
};

struct server_options {
	const char *id;
	const char *config_path;
	const char *state_dir;
	int host_mount_ns;
	uint64_t began_us;
	bool lone;                  /* of a lone container, and of those that join it */
	const char *namespace;      /* containerd's */
	const char *events_address; /* where containerd takes events; NULL: nowhere */
	/* Removed at the end; borrowed until server_free(). "": whoever made it removes it. */
	const char *socket_path;

	const char *management_base; /* where the management socket's folder is; NULL: none */

	/* For tests: see sandbox.h. */
	const char *share_base;
	int (*make_hv)(void *arg, struct loop *loop, struct hv **ret, struct err *e);
	void *make_hv_arg;
	uint32_t first_timeout_ms; /* 0: SERVER_FIRST_TIMEOUT_MS */
};

/* A server that gets no Create within this time ends. */
#define SERVER_FIRST_TIMEOUT_MS 10000

/* Makes a server that listens on @take_listen_fd; swallowed on success. */
int server_new(struct loop *loop, const struct server_options *options, int take_listen_fd,
	       struct server **ret, struct err *e);

/* Runs until there is nothing left to do: see docs/sandbox-server.md. */
int server_run(struct server *s, struct err *e);

/* Accepts NULL. */
void server_free(struct server *s);
AUTO_PTR(struct server, server_free)

/* The services, and the functions that answer; their argument is the server. */
extern const struct ttrpc_service task_service;
extern const struct ttrpc_service task_v3_service; /* the same calls under the newer name */
extern const struct ttrpc_service admin_service;
extern const struct ttrpc_service streaming_service;

/* Statistics of the guest as the JSON that runc prints; freed with free(). */
int stats_print(const void *packed, size_t bytes, char **ret, struct err *e);
