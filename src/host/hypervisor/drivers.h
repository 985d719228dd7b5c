#pragma once

#include "host/hypervisor/driver.h"

/* The driver table: NULL-terminated. */
extern const struct hv_ops *const hv_drivers[];
