#pragma once

#include "agent.pb-c.h"
#include "host/network/network.h"

/* What is in a network namespace, in the words of the guest protocol (types.proto). Private to
 * host/sandbox. All messages are freed with ttrpc_message_free(); NULL: out of memory. @whole: in
 * all words that this project's agent knows, and not in upstream's only. */

/* @device_path: where the guest finds the device, or "". */
Grpc__UpdateInterfaceRequest *interface_words(const struct network_facts *f,
					      const struct network_link *link, uint32_t mtu,
					      const char *device_path, bool whole);

/* Of the @n interfaces in @links only, VRFs among them. What the guest is not told, although the
 * user may miss it, is logged if @warn. */
Grpc__UpdateRoutesRequest *route_words(const struct network_facts *f,
				       const struct network_link *const *links, size_t n,
				       bool whole, bool warn);
/* @whole: the list is the whole one, and the agent removes what is not in it any more. */
Grpc__AddARPNeighborsRequest *neighbour_words(const struct network_facts *f,
					      const struct network_link *const *links, size_t n,
					      bool whole);
