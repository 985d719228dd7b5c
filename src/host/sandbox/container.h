#pragma once

/* The jobs about one container. Private to host/sandbox. */

#include "host/sandbox/model.h"

/* An add, create, start, remove or delete of one container. */
struct container_job {
	struct sandbox_job job;
	struct guest_container *c;
	sandbox_done_fn done;
	void *arg;
	struct err refusal;             /* create: why nothing is to be created */
	bool is_removed;                /* delete: only the hooks are left */
	struct sandbox_container rules; /* add: only what its spec must keep to */
};

/* Waits for the end of a create, in guest_container.after_create. */
struct after_create {
	struct list link;
	void (*fn)(struct after_create *a, const struct err *e); /* @e: it failed; may free @a */
};

/* Calls all that wait for the create of @c. @e: there is no such container any more; or NULL. */
void after_create(struct guest_container *c, const struct err *e);

/* The machine that the create of @c waits for has been started, or not: goes on with it. Loop. */
void guest_container_go_on(struct guest_container *c);

/* Removes @c from the guest, if the agent has it; a failure is logged. Worker. */
void remove_from_guest(struct guest_container *c);

/* Shares the root and mounts of @c, unless that was done, and rewrites its spec. Worker. */
int guest_container_lend(struct guest_container *c, struct err *e);

/* NULL when out of memory; freed with free(). */
struct container_job *container_job_new(struct guest_container *c, sandbox_done_fn done, void *arg);

void container_job_queue(struct container_job *j, worker_run_fn run, worker_done_fn done);

/* ---- container_hooks.c, worker: the hooks of a container that run on the host ---- */

/* prestart, createRuntime, createContainer; the first that fails is the failure. */
int hooks_before(struct guest_container *c, struct err *e);

/* poststart and poststop; failures are logged. @pid: what is told for the container's. */
void hooks_started(struct guest_container *c, pid_t pid);
void hooks_stopped(struct guest_container *c);

/* ---- container.c, delete.c, loop ---- */

void guest_container_free(struct guest_container *c);
AUTO_PTR(struct guest_container, guest_container_free)
uint32_t guest_container_pid(const struct guest_container *c);
void guest_container_start(struct guest_container *c, sandbox_done_fn done, void *arg);
void guest_container_delete(struct guest_container *c, sandbox_done_fn done, void *arg);

/* ---- siblings.c ---- */

/* Notes the namespaces of the other containers in @c->siblings. Loop. */
int siblings_note(struct guest_container *c, struct err *e);
void siblings_free(struct guest_container *c);

/* ---- late.c ---- */

/* Calls @lend while what the host has mounted for @c since the server was started is mounted here,
 * too. One container at a time, because two may have a source in common. Worker. */
int late_lend(struct guest_container *c, int (*lend)(struct guest_container *c, struct err *e),
	      struct err *e);

/* ---- room.c ---- */

/* Makes c->view, after CreateContainer, because the agent makes the mount points. Worker. */
int room_make(struct guest_container *c, struct err *e);

/* The same namespaces without the container's files, before there is anything in the guest. *@ret
 * is closed with view_close(). Worker. */
int room_make_empty(struct guest_container *c, struct view *ret, struct err *e);

/* Ends the stand-in and closes the room on the loop, and waits until both are gone. Worker. */
void close_room(struct guest_container *c);

/* Closes c->view and what it has joined. Comes before the mounts in the view are removed from the
 * share. */
void room_close(struct guest_container *c);
