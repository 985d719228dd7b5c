#pragma once

#include <stdint.h>

#include "oci.pb-c.h"

/* "rwm" and its end. */
#define DEVICE_ACCESS_BYTES 4

/**
 * device_access() - what the rules of a container let it do with a block device
 * @resources:	linux.resources; NULL: there are no rules
 * @ret:	the letters of what it may: 'r', 'w' and 'm' (make a node); empty: it may nothing
 *
 * The last rule about the device decides, and what no rule is about is denied (config-linux.md of
 * the OCI runtime specification, "Allowed Device list").
 */
void device_access(const Grpc__LinuxResources *resources, int64_t major_, int64_t minor_,
		   char ret[DEVICE_ACCESS_BYTES]);
