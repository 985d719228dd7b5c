#include "agent/network/network.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/network/rules.h"
#include "agent/network/state.h"
#include "agent/network/vrf.h"
#include "base/netlink.h"

int network_new(struct network **ret, struct err *e)
{
	struct network *n = calloc(1, sizeof *n);

	if (!n)
		return err_sys(e, ENOMEM, "look after the network");
	*ret = n;
	return 0;
}

void network_free(struct network *n)
{
	if (!n)
		return;
	free(n->routes);
	free(n->addresses);
	free(n->ipv6);
	free(n->neighbours);
	rules_free(n->rules);
	free(n);
}

int network_keep_vrfs(struct network *n, char *const *keep, size_t n_keep, struct err *e)
{
	auto_close int fd = nl_open(NETLINK_ROUTE, e);

	return fd < 0 ? fd : vrf_keep_only(fd, n, keep, n_keep, e);
}
