#pragma once

#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"

/*
 * AF_VSOCK between host and guest, where the host's kernel has vhost-vsock.
 */

/* Opens /dev/vhost-vsock and takes a context id for the guest that nobody else on this host has; it
 * is held as long as the descriptor is open, by us or by QEMU. Returns the descriptor or -errno. */
int vsock_reserve(uint32_t *ret_cid, struct err *e);

/* Connects to @port of guest @cid, trying again until @deadline while nobody listens there. Gives up
 * early with -ECONNRESET when @pidfd (of the VMM) ends. */
int vsock_dial(uint32_t cid, uint32_t port, int pidfd, msec_t deadline, int *ret_fd, struct err *e);
