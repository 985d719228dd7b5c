#pragma once

#include "host/hypervisor/kernel_params.h"
#include "host/hypervisor/qemu/arch.h"

/* Adds what the guest's kernel needs on @machine to an empty @p. @tsc_khz: frequency of the counter
 * that the guest sees, or 0. */
void qemu_kernel_params(struct kernel_params *p, const struct qemu_arch *arch,
			const struct qemu_machine *machine, enum hv_accel accel, bool debug,
			unsigned tsc_khz);
