#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "oci.pb-c.h"

/* A device of the specification and the numbers that the guest's kernel has given it. */
struct device_number {
	const char *container_path; /* what names it among linux.devices; borrowed */
	dev_t guest;
};

/**
 * device_numbers_correct() - replace numbers of the host by those of the guest
 *
 * In linux.devices, and in the rules and limits of linux.resources that name one of these devices
 * by both of its numbers.
 */
void device_numbers_correct(Grpc__Spec *spec, const struct device_number *list, size_t n);
