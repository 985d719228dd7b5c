#pragma once

#include "host/sandbox/sandbox.h"

/*
 * When a sandbox's machine starts and stops: the policy for a lone container, and for containerd's
 * pods, whose first container stands for the pod.
 *
 *	first Create	starts the machine, which is as large as the spec of that container says;
 *			others wait for it
 *	last Delete	stops it; the poststop hooks of that container run after that
 *
 * Threads: the loop's. Distrusts: nothing beyond what host/sandbox does.
 */

/* Creates a container, and the machine if there is none. @config_path: the configuration, if this
 * container makes the machine; NULL: that of the sandbox's options. */
void pod_create(struct sandbox *sb, const struct sandbox_container *container,
		const char *config_path, sandbox_done_fn done, void *arg);

/* The same for containers of a sandbox whose machine starts and stops by calls of their own
 * (sandbox_service.h): it is READY. */
void pod_create_in(struct sandbox *sb, const struct sandbox_container *container,
		   sandbox_done_fn done, void *arg);

/* sandbox_delete(), and stops the machine if there is no other container. */
void pod_delete(struct sandbox *sb, const char *id, const char *exec_id, sandbox_done_fn done,
		void *arg);
