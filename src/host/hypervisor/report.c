/* What drivers tell the caller. A file of its own, because hypervisor.c has the drivers. */
#include "host/hypervisor/hypervisor.h"

void hv_report_exit(struct hv *hv, const struct err *why)
{
	hv_exit_fn fn = hv->exit_fn;

	hv->exit_fn = NULL; /* once */
	if (fn)
		fn(hv->exit_arg, why);
}

void hv_report_console(struct hv *hv, const char *line)
{
	if (hv->console_fn)
		hv->console_fn(hv->console_arg, line);
}
