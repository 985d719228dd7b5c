#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "host/sandbox/sandbox.h"

/* What a pod takes of the host, as METRICS_TYPE: processors, memory and threads of the server, the
 * VMM and virtiofsd together. Private to host/shim. *@ret is freed by the caller. Returns 0 or
 * -errno. */
int host_usage_pack(struct sandbox *sb, uint8_t **ret, size_t *ret_bytes, struct err *e);
