#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "host/config/config.h"
#include "host/hypervisor/hypervisor.h"
#include "host/resources/resources.h"

/* The machine that a configuration describes: sandboxes start it, templates are made of it. */

/* Fills in what follows from the configuration. @most: how large it may become; NULL: it keeps its
 * size. Strings of @config are borrowed; what belongs to one start (id, user, agent_params, control
 * groups) is left zero. */
void machine_describe(const struct config *config, const struct machine_size *size,
		      const struct machine_size *most, struct vm_spec *ret);

/* Claims a user and group for the VMM that nothing else uses. @ret_fd: holds the claim while it is
 * open; -1: there is none, and the VMM is the caller's user, because the caller is not root, or
 * (with a warning) because its user namespace has no ids to give. */
int machine_claim_user(struct vm_spec *vm, int *ret_fd, struct err *e);

/* What the guest must know about the server of its shared files. */
struct machine_server {
	bool appends;
	uint32_t files_max;
};

#define MACHINE_PARAMS_BYTES 256

/* Kernel parameters for what the agent must know at its start: from [agent.kata], and of the file
 * server (NULL: there is none). Returns @buf, or NULL when there are none. */
const char *machine_agent_params(const struct config_agent *c, const struct machine_server *server,
				 char buf[MACHINE_PARAMS_BYTES]);
