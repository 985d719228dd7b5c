#include "host/hypervisor/kernel_params.h"

#include <errno.h>
#include <stdio.h>

void kernel_params_add(struct kernel_params *p, const char *words)
{
	if (!words || !*words || p->n >= sizeof p->text)
		return;
	p->n += (size_t) snprintf(p->text + p->n, sizeof p->text - p->n, "%s%s", p->n ? " " : "",
				  words);
}

int kernel_params_finish(struct kernel_params *p, const struct vm_spec *spec,
			 enum hv_channel channel, bool privileged, struct err *e)
{
	if (channel == HV_CHANNEL_SERIAL)
		kernel_params_add(p, "agent.server_addr=serial://" VMM_AGENT_PORT);
	else if (privileged) /* upstream's agent ignores what it does not know */
		kernel_params_add(p, "agent.privileged_host=1");
	kernel_params_add(p, spec->agent_params);
	kernel_params_add(p, spec->kernel_params);
	if (p->n >= sizeof p->text)
		return err_say(e, E2BIG,
			       "the guest kernel's command line has %zu bytes, %zu are possible "
			       "(key 'kernel_params')",
			       p->n, sizeof p->text - 1);
	return 0;
}
