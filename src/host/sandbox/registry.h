#pragma once

#include "host/sandbox/model.h"

/* Who exists in a sandbox, and what it can take now. Private to host/sandbox. Loop. */

struct guest_container *sandbox_find(struct sandbox *sb, const char *id, struct err *e);

/* The container @id, if it is made and has not ended; and if the guest has it, too. */
struct guest_container *sandbox_find_alive(struct sandbox *sb, const char *id, struct err *e);
struct guest_container *sandbox_find_in_guest(struct sandbox *sb, const char *id, struct err *e);
struct guest_process *sandbox_find_process(struct sandbox *sb, const char *id, const char *exec_id,
					   struct err *e);

/* Tells the owner that a container or the machine came or went. */
void sandbox_changed(struct sandbox *sb);

/* Refuses if no container can be created now. */
int sandbox_check_ready(const struct sandbox *sb, struct err *e);

/* Refuses for a container that runs no program. */
int sandbox_check_program(const struct guest_container *c, struct err *e);

/* Calls @done with a failure. */
void sandbox_refuse(sandbox_done_fn done, void *arg, const struct err *e);
