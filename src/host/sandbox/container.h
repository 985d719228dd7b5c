#pragma once

/* The jobs about one container. Private to host/sandbox. */

#include "host/sandbox/inside.h"

/* A create, start or delete of one container. */
struct container_job {
	struct worker_job job;
	struct guest_container *c;
	sandbox_done_fn done;
	void *arg;
	bool is_first; /* create: makes the machine */
	bool is_last;  /* delete: tears it down */
	char *config_path;
};

/* Removes @c from the guest, if the agent has it; a failure is logged. Worker. */
void remove_from_guest(struct guest_container *c);

/* NULL when out of memory. */
struct container_job *container_job_new(struct guest_container *c, sandbox_done_fn done, void *arg);
void container_job_free(struct container_job *j);

/* ---- container_hooks.c, worker: the hooks of a container that run on the host ---- */

/* prestart, createRuntime, createContainer; the first that fails is the failure. */
int hooks_before(struct guest_container *c, struct err *e);

/* poststart and poststop; failures are logged. */
void hooks_started(struct guest_container *c);
void hooks_stopped(struct guest_container *c);
