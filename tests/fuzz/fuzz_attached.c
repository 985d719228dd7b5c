/* A file that describes interfaces, which a network plugin writes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "host/network/network.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_ip(const struct network_ip *ip)
{
	if (ip->bits > (ip->family == AF_INET6 ? 128 : 32))
		abort();
}

static void check(const struct network_attached *a)
{
	const struct network_facts *f = &a->facts;

	if (f->n_links > NETWORK_LINKS_MAX || f->n_addresses > NETWORK_ADDRESSES_MAX ||
	    f->n_routes > NETWORK_ROUTES_MAX || f->n_neighbours > NETWORK_NEIGHBOURS_MAX)
		abort();
	for (size_t i = 0; i < f->n_links; i++)
		if (!*f->links[i].name || !*a->taps[i].name ||
		    a->taps[i].n_queues > NETWORK_QUEUES_MAX)
			abort();
	for (size_t i = 0; i < f->n_addresses; i++)
		check_ip(&f->addresses[i].ip);
	for (size_t i = 0; i < f->n_routes; i++)
		check_ip(&f->routes[i].to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct network_attached a;

	if (network_attached_read((const char *) data, bytes, &a, NULL) == 0) {
		check(&a);
		network_attached_fini(&a);
	}
	return 0;
}
