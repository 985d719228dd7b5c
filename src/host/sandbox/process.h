#pragma once

#include "host/sandbox/model.h"

/* The processes of a container, and what outlives them. Private to host/sandbox. Loop. */

/* Takes the descriptors of @stdio; guest_process_open() must follow. */
int guest_process_new(struct guest_container *c, const char *exec_id,
		      const struct sandbox_stdio *stdio, struct guest_process **ret, struct err *e);
void guest_process_free(struct guest_process *p);
AUTO_PTR(struct guest_process, guest_process_free)

/* Opens the fifos that the request named. For an exec that is done when it starts, as by runc's
 * shim: ctr sends its input as soon as somebody reads the fifo, and can tell the end of a short one
 * only to an exec that it knows to exist. */
int guest_process_open(struct guest_process *p, struct err *e);

/* The start has failed: lets go of the streams, because a client that is told so (Docker's) waits
 * for their end before it says so itself. */
void guest_process_close(struct guest_process *p);

/* The status for callers: a process that has ended is STOPPED even if nobody reads its output. */
enum oci_status guest_process_status(const struct guest_process *p);

/* The process exists in the guest: relays its output and waits for its end. */
int guest_process_attach(struct guest_process *p, struct err *e);

/* It runs: relays its input. */
void guest_process_started(struct guest_process *p);

/* The process of a container that runs no program, or is not made, ends with @code. */
void guest_process_end(struct guest_process *p, uint32_t code);

/* The machine is lost, and the process with it. */
void guest_process_lost(struct guest_process *p);

/* Tells the guest how large the terminal is, if that was asked for. */
void guest_process_send_size(struct guest_process *p);

/* The guest is gone, or about to go: whatever still runs in it has ended. */
void sandbox_end_processes(struct sandbox *sb);

/* ---- linger.c ---- */

/* The process is about to be forgotten: what its children print still goes to the user. */
void linger_begin(struct guest_process *p);

/* The guest is gone: the streams end once what has arrived is written. */
void lingers_lost(struct guest_container *c);

void lingers_free(struct guest_container *c);

/* ---- oom.c ---- */

/* Sends GetOOMEvent, and again after each answer, while the sandbox has an agent. */
void oom_listen(struct sandbox *sb);

/* The host's kernel has killed the machine for want of memory: so all that ran have run out. */
void oom_of_machine(struct sandbox *sb);

/* The container is being deleted: fails its oom_waits. */
void oom_forget(struct guest_container *c);
