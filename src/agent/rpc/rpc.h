#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/reaper.h"

struct devices;

/**
 * DOC: agent/rpc - what the host can ask of this agent
 *
 * The whole list is the table in rpc.c; there is one file per subject. A request is answered at
 * once or parked; it can fail, but never take the agent down with it.
 *
 *	EMPTY ──CreateSandbox──► READY ──DestroySandbox──► ENDING ──► finished()
 *
 * A call is answered only in the phases that its line in the table names.
 *
 * Threads: none. Distrusts: the host is the owner of the guest and may do what it likes with it,
 * but it may be wrong: every field is checked before it is used. In a confidential guest it may
 * even be hostile: requests cannot reach outside of the places that belong to containers.
 */
struct rpc;

/* All pointers are borrowed and outlive the rpc. */
struct rpc_config {
	struct loop *loop;
	struct reaper *reaper;
	struct devices *devices;
	bool is_init;                /* of the guest: PID 1 */
	uint32_t hotplug_timeout_ms; /* how long a request waits for its device */
	uint32_t pipe_bytes;         /* of the pipes of processes; 0: PROCESS_PIPE_BYTES */
	uint32_t shared_files_max;   /* of the file server, or 0: see storages_config */
	bool server_appends;         /* the file server: see storages_config */
	const char *run_dir;         /* what of the guest belongs to containers: RPC_RUN_DIR */
	void (*finished)(void *arg); /* the sandbox is destroyed and the host was told */
	void *arg;
};

#define RPC_RUN_DIR "/run/kata-containers"

int rpc_new(const struct rpc_config *config, struct rpc **ret, struct err *e);

/* Does at once what the first container would have to wait for: for a machine from which others go
 * on. A failure leaves it to the first container. */
int rpc_warm(struct rpc *rpc, struct err *e);

/* Serves one connected stream. On failure @take_fd is still the caller's. */
int rpc_serve(struct rpc *rpc, int take_fd, struct err *e);

/* Serves all connections to a listening socket. */
int rpc_listen(struct rpc *rpc, int take_fd, struct err *e);

/* Serves one connection at a time of a listening socket, and only one whose socket @admits accepts;
 * others wait until that connection is closed. */
void rpc_guard(struct rpc *rpc, bool (*admits)(void *arg, int fd), void *arg);

/* @fn is called with the number of connections whenever it has changed. */
void rpc_on_connections(struct rpc *rpc, void (*fn)(void *arg, size_t connections), void *arg);

/* Kills all processes, unmounts all storages; pending answers may not get out. Accepts NULL. */
void rpc_free(struct rpc *rpc);
AUTO_PTR(struct rpc, rpc_free)
