/* A question of a guest's, or what somebody answers as a name server. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "host/egress/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct dns_message m;

	if (dns_read(data, bytes, &m) &&
	    (m.n > DNS_ADDRESSES_MAX || strnlen(m.name, sizeof m.name) == sizeof m.name))
		abort();
	return 0;
}
