#include "host/hypervisor/qemu/kernel_params.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct words {
	char *buf;
	size_t n;
};

static void add(struct words *w, const char *words)
{
	if (!words || !*words || w->n >= QEMU_CMDLINE_BYTES)
		return;
	w->n += (size_t) snprintf(w->buf + w->n, QEMU_CMDLINE_BYTES - w->n, "%s%s", w->n ? " " : "",
				  words);
}

int qemu_cmdline(const struct vm_spec *spec, const struct qemu_arch *arch,
		 const struct qemu_machine *machine, enum hv_accel accel, enum hv_channel channel,
		 bool privileged, unsigned tsc_khz, char *buf, struct err *e)
{
	struct words w = {.buf = buf};
	char tsc[32];

	buf[0] = '\0';
	add(&w, arch->kernel_params);
	add(&w, machine->params);
	add(&w, spec->debug ? "" : "quiet");
	if (accel == HV_ACCEL_TCG) {
		add(&w, arch->tcg_params);
		/* Without it the kernel measures the TSC against a timer whose ticks come late on a
		 * busy host: the clock runs wrong, or (microvm) the boot hangs. */
		if (arch->host_tsc && tsc_khz) {
			(void) snprintf(tsc, sizeof tsc, "tsc_early_khz=%u", tsc_khz);
			add(&w, tsc);
		}
	}
	if (channel == HV_CHANNEL_SERIAL)
		add(&w, "agent.server_addr=serial://" QEMU_AGENT_PORT);
	else if (privileged)
		add(&w,
		    "agent.privileged_host=1"); /* upstream's agent ignores what it does not know */
	add(&w, spec->agent_params);
	add(&w, spec->kernel_params);
	if (w.n >= QEMU_CMDLINE_BYTES)
		return err_say(e, E2BIG,
			       "the guest kernel's command line has %zu bytes, %d are possible "
			       "(key 'kernel_params')",
			       w.n, QEMU_CMDLINE_BYTES - 1);
	return 0;
}
