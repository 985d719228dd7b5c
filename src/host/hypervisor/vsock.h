#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"

/*
 * AF_VSOCK between host and guest, where the host's kernel has vhost-vsock.
 */

/* Opens /dev/vhost-vsock and takes a context id that no other guest on this host has. The id is
 * held while this process or the VMM has the descriptor open. Returns the descriptor or -errno. */
int vsock_reserve(uint32_t *ret_cid, struct err *e);

/* Whether this process can bind a privileged port; the driver then tells the agent to accept no
 * other. False without CAP_NET_BIND_SERVICE, or when all such ports are taken. */
bool vsock_is_privileged(void);

/* Connects to @port of guest @cid, from a privileged port if @privileged. Tries again until
 * @deadline while the guest does not listen; gives up with -ECONNRESET when the VMM @pidfd ends. */
int vsock_dial(uint32_t cid, uint32_t port, bool privileged, int pidfd, msec_t deadline,
	       int *ret_fd, struct err *e);
