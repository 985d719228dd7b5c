#pragma once

#include <stddef.h>

#include "host/hypervisor/hypervisor.h"
#include "host/hypervisor/qemu/arch.h"

/* The name of the virtio-serial port that leads to the agent. An agent address "serial://" with
 * this name makes the agent look for a port instead of a vsock. */
#define QEMU_AGENT_PORT "agent.channel.0"

/* Longest command line that an x86 kernel takes, with its NUL (COMMAND_LINE_SIZE). */
#define QEMU_CMDLINE_BYTES 2048

/**
 * qemu_cmdline() - the guest kernel's command line
 * @privileged:	vsock: the host connects from a privileged port, so the agent refuses all others
 * @tsc_khz:	frequency of the counter that the guest sees, or 0
 * @buf:	of QEMU_CMDLINE_BYTES
 *
 * In this order: the driver's parameters, those of the channel, the sandbox's agent_params, the
 * user's kernel_params. Of two that disagree the kernel takes the last. Returns 0 or -E2BIG.
 */
int qemu_cmdline(const struct vm_spec *spec, const struct qemu_arch *arch,
		 const struct qemu_machine *machine, enum hv_accel accel, enum hv_channel channel,
		 bool privileged, unsigned tsc_khz, char *buf, struct err *e);
