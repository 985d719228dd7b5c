#pragma once

#include "agent.pb-c.h"
#include "base/err.h"
#include "host/config/config.h"
#include "host/device/device.h"
#include "host/storage/volumes.h"

/* The CreateSandbox request, filled in from the configuration. Private to host/sandbox. */
struct create_sandbox {
	Grpc__CreateSandboxRequest request;
	Grpc__Storage share, shm;
	Grpc__Storage *storages[2];
	char *shm_options[5];
	char shm_size[32];
	Grpc__CreateSandboxRequest__SysctlEntry *sysctls;
	char *share_options[2], *share_driver_options[1];
	char share_place[80];
	char msize[32];
};

/* What a pod has beside its machine. */
struct create_sandbox_pod {
	const char *hostname;
	const struct device_address *share_at; /* NULL: the share was there before the guest */
	const struct volume_shm *shm;
	Grpc__Linux__SysctlEntry *const *sysctl;
	size_t n_sysctl;
};

/* Strings are borrowed and must outlive @g. Call create_sandbox_fini() also after a failure. */
int create_sandbox_init(struct create_sandbox *g, const struct config *config,
			const char *sandbox_id, const struct create_sandbox_pod *pod,
			struct err *e);
void create_sandbox_fini(struct create_sandbox *g);
