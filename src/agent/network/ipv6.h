#pragma once

/* How much of IPv6 an interface has. Private to agent/network. */

#include "agent/network/links.h"
#include "agent/network/state.h"

/* Switches off what @off says (IPV6_OFF_*) and on what an earlier call has switched off and @off
 * does not say. All else is left alone, because a container may have set it by a sysctl. @name: the
 * interface's by now; @links: all that there are, because what was set for others is forgotten.
 * Failures are logged only, because a kernel without IPv6 has no such settings. */
void ipv6_switch(struct network *n, const struct links *links, int device, const char *name,
		 unsigned off);
