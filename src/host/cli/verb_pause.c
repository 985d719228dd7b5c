/* pause: a container is frozen. */
#include "host/cli/shim_client.h"
#include "host/cli/verb.h"
#include "task.pb-c.h"

static int pause_run(struct cli *cli, const void *values, int argc, char **argv, struct err *e)
{
	Containerd__Task__V2__PauseRequest q = CONTAINERD__TASK__V2__PAUSE_REQUEST__INIT;
	auto_shim_client struct shim_client s = SHIM_CLIENT_NONE;
	int r = shim_client_reach(cli, argv[0], "pause", &s, e);

	(void) values, (void) argc;
	q.id = argv[0];
	return r < 0 ? r
		     : shim_client_task(&s, "Pause", &q.base, clock_deadline(SERVER_TIMEOUT_MS),
					NULL, e);
}

const struct verb verb_pause = {
	.name = "pause",
	.arguments = "ID",
	.help = "freeze all processes of a container",
	.min_args = 1,
	.max_args = 1,
	.run = pause_run,
};
