#pragma once

#include "agent.pb-c.h"
#include "base/err.h"
#include "host/config/config.h"

/* The CreateSandbox request, filled in from the configuration. Private to host/sandbox. */
struct create_sandbox {
	Grpc__CreateSandboxRequest request;
	Grpc__Storage share;
	Grpc__Storage *storages[1];
	char *share_options[2];
	char msize[32];
};

/* Strings are borrowed and must outlive @g. Call create_sandbox_fini() also after a failure. */
int create_sandbox_init(struct create_sandbox *g, const struct config *config,
			const char *sandbox_id, const char *hostname, struct err *e);
void create_sandbox_fini(struct create_sandbox *g);
