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

struct egress_policy {
	struct egress_rule *rules;
	size_t n;
};

bool egress_rule_has_ports(const struct egress_rule *rule);
