/* resume: a frozen container goes on. */
#include "host/cli/shim_client.h"
#include "host/cli/verb.h"
#include "task.pb-c.h"

static int resume_run(struct cli *cli, const void *values, int argc, char **argv, struct err *e)
{
	Containerd__Task__V2__ResumeRequest q = CONTAINERD__TASK__V2__RESUME_REQUEST__INIT;
	auto_shim_client struct shim_client s = SHIM_CLIENT_NONE;
	int r = shim_client_reach(cli, argv[0], "resume", &s, e);

	(void) values, (void) argc;
	q.id = argv[0];
	return r < 0 ? r
		     : shim_client_task(&s, "Resume", &q.base, clock_deadline(SERVER_TIMEOUT_MS),
					NULL, e);
}

const struct verb verb_resume = {
	.name = "resume",
	.arguments = "ID",
	.help = "let a paused container go on",
	.min_args = 1,
	.max_args = 1,
	.run = resume_run,
};
