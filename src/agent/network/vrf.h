#pragma once

/* VRFs: devices whose members have a routing table of their own. Private to agent/network. */

#include "agent/network/links.h"
#include "agent/network/network.h"

/* A VRF that the host wants. */
struct vrf_wish {
	uint8_t mac[ETH_ALEN];
	uint32_t table; /* not 0 */
};

/* Makes the VRF unless the guest has it. It is down, and its name is one that nobody has. Returns
 * 0, -EINVAL (there are too many), -EOPNOTSUPP (the kernel has none), or -errno. */
int vrf_make(int fd, struct network *n, const struct links *links, const struct vrf_wish *want,
	     struct err *e);

/* Removes those that vrf_make() has made and whose name is not in @keep. */
int vrf_keep_only(int fd, struct network *n, char *const *keep, size_t n_keep, struct err *e);

/* Makes @l a member of @vrf, or of none if that is NULL; a master that is no VRF of the host's, for
 * instance a container's bridge, is left alone then. An interface that is up loses its routes and
 * its IPv6 addresses if something changes. */
int vrf_join(int fd, const struct network *n, const struct link *l, const struct link *vrf,
	     struct err *e);
