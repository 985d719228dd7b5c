#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/egress/policy.h"

/* A question to a name server, or its answer (RFC 1035, 4). Private to host/egress. Distrusts: all
 * of it; what is not understood tells nothing. */
#define DNS_PORT          53
#define DNS_ADDRESSES_MAX 64

struct dns_address {
	uint8_t family;
	uint8_t bytes[16];
	uint32_t ttl_seconds;
};

struct dns_message {
	uint16_t id;
	bool is_answer;
	uint16_t type;                /* that is asked for */
	char name[EGRESS_NAME_BYTES]; /* that is asked for, in small letters */
	struct dns_address addresses[DNS_ADDRESSES_MAX];
	size_t n; /* of an answer: the addresses of the name, also of what it is an alias of */
};

/* One that has exactly one question, of class IN, for a name of letters, digits, '-' and '_'; else
 * false. */
bool dns_read(const void *data, size_t bytes, struct dns_message *ret);
