#pragma once

/* How much of IPv6 an interface has. Private to agent/network. */

#include "agent/network/links.h"
#include "agent/network/state.h"

/* Switches off what @off says (IPV6_OFF_*) and on what an earlier call has switched off and @off
 * does not say. Else nothing is touched, because a container's sysctls may have. @name: of the
 * interface by now; @links: all that there are, others are forgotten. What fails is logged: a
 * kernel without IPv6 has none of it. */
void ipv6_switch(struct network *n, const struct links *links, int device, const char *name,
		 unsigned off);
