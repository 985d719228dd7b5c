#include "host/hypervisor/drivers.h"

#include <stddef.h>

/* Every hypervisor this program can drive. */
const struct hv_ops *const hv_drivers[] = {
	&hv_qemu,
	NULL,
};
