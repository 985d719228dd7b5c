/* start: a created container runs its process. */
#include "host/cli/shim_client.h"
#include "host/cli/verb.h"
#include "task.pb-c.h"

#define START_TIMEOUT_MS 120000

static int start_run(struct cli *cli, const void *values, int argc, char **argv, struct err *e)
{
	Containerd__Task__V2__StartRequest q = CONTAINERD__TASK__V2__START_REQUEST__INIT;
	auto_shim_client struct shim_client s = SHIM_CLIENT_NONE;
	int r = shim_client_reach(cli, argv[0], "start", &s, e);

	(void) values, (void) argc;
	q.id = argv[0];
	return r < 0 ? r
		     : shim_client_task(&s, "Start", &q.base, clock_deadline(START_TIMEOUT_MS),
					NULL, e);
}

const struct verb verb_start = {
	.name = "start",
	.arguments = "ID",
	.help = "run the process of a created container",
	.min_args = 1,
	.max_args = 1,
	.run = start_run,
};
