#pragma once

#include <stddef.h>

#include "host/hypervisor/hypervisor.h"

/* The name of the virtio-serial port that leads to the agent. An agent address "serial://" with
 * this name makes the agent look for a port instead of a vsock. */
#define VMM_AGENT_PORT "agent.channel.0"

/* Longest command line that an x86 kernel takes, with its NUL (COMMAND_LINE_SIZE). */
#define KERNEL_PARAMS_BYTES 2048

/*
 * The guest kernel's command line, in this order: the driver's parameters, those of the channel,
 * the sandbox's agent_params, the user's kernel_params. Of two that disagree the kernel takes the
 * last.
 */
struct kernel_params {
	char text[KERNEL_PARAMS_BYTES];
	size_t n; /* as long as it would be */
};

/* Adds @words, parameters with spaces between them, to a zeroed or begun @p. NULL and "" add
 * nothing. */
void kernel_params_add(struct kernel_params *p, const char *words);

/* Adds what follows the driver's. @privileged: the host connects from a privileged port, so the
 * agent refuses all others. Returns 0 or -E2BIG. */
int kernel_params_finish(struct kernel_params *p, const struct vm_spec *spec,
			 enum hv_channel channel, bool privileged, struct err *e);
