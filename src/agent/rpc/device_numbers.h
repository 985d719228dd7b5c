#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "oci.pb-c.h"

/* A device of the specification and the numbers that the guest's kernel has given it. */
struct device_number {
	const char *container_path; /* what names it among linux.devices; borrowed */
	dev_t guest;
	/* The device on the host; NULL: it is the one of linux.devices. Borrowed. */
	const Grpc__LinuxDevice *host;
};

/**
 * device_numbers_correct() - replace numbers of the host by those of the guest
 *
 * In linux.devices, and in the rules and limits of linux.resources that name one of these devices
 * by both of its numbers. If the guest has a device of the host's more than once, a rule about it
 * becomes one for each, and a limit is that of the first.
 *
 * Returns 0 or -ENOMEM: the specification is not to be used then.
 */
int device_numbers_correct(Grpc__Spec *spec, struct device_number *list, size_t n, struct err *e);
