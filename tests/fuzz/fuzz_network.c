/*
 * What a kernel could answer when it is asked for the interfaces, addresses, routes and neighbours
 * of a namespace. The first byte chooses the size of the head that was asked for; the rest are
 * messages.
 */
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "host/network/facts.h"
#include "host/sandbox/interface_words.h"
#include "ttrpc/ttrpc.h"

static int add(void *arg, const struct nl_message *m, struct err *e)
{
	(void) e;
	return network_parse(m, arg);
}

static void say(const struct network_facts *f)
{
	const struct network_link *links[4];
	size_t n = 0;

	for (size_t i = 0; i < f->n_links && n < 4; i++) {
		const char *why;

		if (network_wants(f, &f->links[i], &why))
			links[n++] = &f->links[i];
	}
	for (size_t i = 0; i < n; i++) {
		Grpc__UpdateInterfaceRequest *q = interface_words(f, links[i], 1500, "", true);

		ttrpc_message_free(q ? &q->base : NULL);
	}

	Grpc__UpdateRoutesRequest *routes = route_words(f, links, n, true, false);
	Grpc__AddARPNeighborsRequest *neighbours = neighbour_words(f, links, n, true);

	ttrpc_message_free(routes ? &routes->base : NULL);
	ttrpc_message_free(neighbours ? &neighbours->base : NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const size_t heads[] = {sizeof(struct ifinfomsg), sizeof(struct ifaddrmsg),
				       sizeof(struct rtmsg), sizeof(struct ndmsg),
				       sizeof(struct fib_rule_hdr)};
	struct network_facts f = {0};
	bool interrupted = false;
	uint8_t *copy = bytes ? malloc(bytes) : NULL;

	if (!copy)
		return 0;
	/* Aligned as a buffer of netlink is. */
	memcpy(copy, data + 1, bytes - 1);
	if (nl_read(copy, bytes - 1, 1, heads[data[0] % 5], add, &f, &interrupted, NULL) >= 0)
		say(&f);
	network_facts_fini(&f);
	free(copy);
	return 0;
}
