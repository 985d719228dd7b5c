#include "host/hypervisor/qemu/kernel_params.h"

#include <stdio.h>

void qemu_kernel_params(struct kernel_params *p, const struct qemu_arch *arch,
			const struct qemu_machine *machine, enum hv_accel accel, bool debug,
			unsigned tsc_khz)
{
	char tsc[32];

	kernel_params_add(p, arch->kernel_params);
	kernel_params_add(p, machine->params);
	kernel_params_add(p, debug ? "" : "quiet");
	if (accel != HV_ACCEL_TCG)
		return;
	kernel_params_add(p, arch->tcg_params);
	/* Without it the kernel measures the TSC against a timer whose ticks come late on a busy
	 * host: the clock runs wrong, or (microvm) the boot hangs. */
	if (arch->host_tsc && tsc_khz) {
		(void) snprintf(tsc, sizeof tsc, "tsc_early_khz=%u", tsc_khz);
		kernel_params_add(p, tsc);
	}
}
