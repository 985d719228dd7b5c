#pragma once

#include <stdbool.h>

#include "host/shim/server.h"

/*
 * containerd.runtime.sandbox.v1.Sandbox: a pod whose machine starts and stops by calls of its own,
 * apart from its containers (containerd 2.0 and later, sandboxer = "shim"). Private to host/shim.
 *
 *	CreateSandbox ──► CREATED ──StartSandbox──► STARTING ──► READY
 *	                     │                          │          │ StopSandbox, machine lost
 *	                     └──── ShutdownSandbox ─────┴──────────┴──► STOPPED ──► server ends
 *
 * A server has one sandbox, whose id is the server's; it has none as long as CreateSandbox was not
 * called, and then the containers decide when the machine starts and stops (pod.h). Containers are
 * Task's in both cases. An id that is not the sandbox's is NOT_FOUND.
 *
 * Source: containerd, api/runtime/sandbox/v1/sandbox.proto and core/sandbox.
 */
extern const struct ttrpc_service sandbox_service;

/* Called after a change of the sandbox: a machine that was lost ends the pod. */
void sandbox_service_consider(struct server *s);

/* What a container of the pod gets beside what its bundle says. */
void sandbox_service_complete(struct server *s, struct sandbox_container *c);

/* Whether @id is the id of a sandbox that CreateSandbox has made. */
bool sandbox_service_knows(const struct server *s, const char *id);

/* Parked calls are dropped before, by the end of the ttRPC server. */
void sandbox_service_free(struct server *s);
