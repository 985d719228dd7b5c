#pragma once

#include "host/sandbox/model.h"

/* The machine: the steps of the jobs that make and end it. Private to host/sandbox. */

/* Makes and starts the VMM and its helpers. @may_load: on trial, from a template if there is one
 * for this machine; if there is none the trial is over. */
int machine_start(struct sandbox *sb, const struct sandbox_spec *spec, bool may_load,
		  msec_t deadline, struct err *e);

/* Ends a machine that did not start well, so that machine_start() can make another. */
void machine_drop(struct sandbox *sb);

/* From a share to a guest that waits for containers. When it fails, teardown() must follow. */
int boot(struct sandbox *sb, const struct sandbox_spec *spec, const struct guest_container *first,
	 struct err *e);

/* Ends the guest and removes machine and share; every step is tried, failures are logged. */
void teardown(struct sandbox *sb);

/* Queues a job that does teardown(). Loop. */
void teardown_later(struct sandbox *sb);

/* ---- clean_up.c: sandbox.json ---- */

/* Notes what sandbox_clean_up() must remove if the server dies, and whose poststop hooks it must
 * run: those of @first, which may be NULL. No-op without a state_dir. */
void notes_update(struct sandbox *sb, const struct guest_container *first);
void notes_remove(struct sandbox *sb);
