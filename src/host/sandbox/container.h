#pragma once

/* The jobs about one container. Private to host/sandbox. */

#include "host/sandbox/inside.h"

/* One job about one container, or (delete) about what is left of it. */
struct container_job {
	struct worker_job job;
	struct guest_container *c;
	sandbox_done_fn done;
	void *arg;
	bool is_first; /* create: makes the machine */
	bool is_last;  /* delete: takes it away */
	char *config_path;
};

/* Has the agent forget it, if it knows it; a failure is logged. Worker. */
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
