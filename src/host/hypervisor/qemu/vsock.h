#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"

/*
 * AF_VSOCK between host and guest, where the host's kernel has vhost-vsock.
 */

/* Opens /dev/vhost-vsock and takes a context id for the guest that nobody else on this host has; it
 * is held as long as the descriptor is open, by us or by QEMU. Returns the descriptor or -errno. */
int vsock_reserve(uint32_t *ret_cid, struct err *e);

/* Whether a socket can be bound to a port that only the privileged may use: the guest's agent is then
 * told to serve nobody else. Not without CAP_NET_BIND_SERVICE, nor when all such ports are taken. */
bool vsock_is_privileged(void);

/* Connects to @port of guest @cid, from a port for the privileged if @privileged, trying again until @deadline while nobody listens there. Gives up
 * early with -ECONNRESET when @pidfd (of the VMM) ends. */
int vsock_dial(uint32_t cid, uint32_t port, bool privileged, int pidfd, msec_t deadline,
	       int *ret_fd, struct err *e);
