/* describe: the machine that a container runs in, and how long each step of its start took. */
#include <stdio.h>

#include "host/cli/shim_client.h"
#include "host/cli/verb.h"
#include "kata.pb-c.h"

static int describe_run(struct cli *cli, const void *values, int argc, char **argv, struct err *e)
{
	Kata__V1__DescribeRequest q = KATA__V1__DESCRIBE_REQUEST__INIT;
	auto_ptr(ttrpc_message_free) ProtobufCMessage *m = NULL;
	auto_shim_client struct shim_client s = SHIM_CLIENT_NONE;
	int r = shim_client_reach(cli, argv[0], "describe", &s, e);

	(void) values, (void) argc;
	if (r == 0)
		r = shim_client_admin(&s, "Describe", &q.base, &m, e);
	if (r < 0)
		return r;

	const Kata__V1__DescribeResponse *d = (void *) m;
	uint64_t total_us = 0;

	printf("hypervisor   %s, process %u\n", d->hypervisor, d->vmm_pid);
	printf("accelerator  %s\n", d->accelerator_reason);
	printf("start\n");
	for (size_t i = 0; i < d->n_phases; i++) {
		printf("   %-16s %8.1f ms\n", d->phases[i]->name,
		       (double) d->phases[i]->microseconds / 1000);
		total_us += d->phases[i]->microseconds;
	}
	printf("   %-16s %8.1f ms\n", "together", (double) total_us / 1000);
	return 0;
}

const struct verb verb_describe = {
	.name = "describe",
	.arguments = "ID",
	.help = "print the machine of a container, and where the time of its start went",
	.min_args = 1,
	.max_args = 1,
	.run = describe_run,
};
