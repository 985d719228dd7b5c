#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/egress/egress.h"

/* Which packets may leave. Private to host/egress. */

/* RFC 1035, 2.3.4; without the dot at the end, with the NUL. */
#define EGRESS_NAME_BYTES 254

struct egress_rule {
	uint8_t family;   /* AF_INET, AF_INET6; 0: a name */
	uint8_t bits;     /* of the prefix */
	uint8_t protocol; /* IPPROTO_*; 0: any. IPPROTO_ICMP is that of either family */
	uint8_t prefix[16];
	uint16_t first_port, last_port; /* 0, 65535: any */
	char *name;                     /* small letters; "*.example.com" is all below it */
};

/* Most name servers. */
#define EGRESS_RESOLVERS_MAX 8

struct egress_resolver {
	uint8_t family;
	uint8_t bytes[16];
};

struct egress_policy {
	struct egress_rule *rules;
	size_t n;
	struct egress_resolver resolvers[EGRESS_RESOLVERS_MAX];
	size_t n_resolvers;
};

bool egress_rule_has_ports(const struct egress_rule *rule);

/* Whether the rule is for this name, in small letters. */
bool egress_rule_is_for(const struct egress_rule *rule, const char *name);
