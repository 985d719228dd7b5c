#include "agent/network/network.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/network/rules.h"
#include "agent/network/state.h"

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
	free(n->neighbours);
	rules_free(n->rules);
	free(n);
}
