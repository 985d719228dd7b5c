/* kill: a signal to a container. */
#include <errno.h>
#include <signal.h>

#include "base/array.h"
#include "host/cli/shim_client.h"
#include "host/cli/status.h"
#include "host/cli/verb.h"
#include "oci/names.h"
#include "task.pb-c.h"

/* How long kill waits for the end of the process that it has killed. */
#define KILLED_TIMEOUT_MS 1000

struct values {
	bool all;
};

static const struct option options[] = {
	{"all", 'a', OPTION_FLAG, offsetof(struct values, all), NULL,
	 "to every process of the container", false},
};

/* Fails if the process has ended, as runc does, because the server's Kill succeeds then. */
static int check_runs(struct shim_client *s, const char *id, struct err *e)
{
	enum oci_status status;
	int r = status_ask(s, id, &status, e);

	if (r == 0 && status == OCI_STOPPED)
		r = err_say(e, ESRCH, "cannot kill container '%s': container not running", id);
	return r;
}

static int kill_run(struct cli *cli, const void *values, int argc, char **argv, struct err *e)
{
	const struct values *v = values;
	Containerd__Task__V2__KillRequest q = CONTAINERD__TASK__V2__KILL_REQUEST__INIT;
	auto_shim_client struct shim_client s = SHIM_CLIENT_NONE;
	int signal = argc > 1 ? oci_signal_number(argv[1]) : SIGTERM;

	if (signal < 0)
		return err_say(e, EINVAL, "there is no signal '%s'", argv[1]);

	int r = shim_client_reach(cli, argv[0], "kill", &s, e);

	if (r == 0 && !v->all)
		r = check_runs(&s, argv[0], e);
	q.id = argv[0];
	q.signal = (uint32_t) signal;
	q.all = v->all;
	if (r == 0)
		r = shim_client_task(&s, "Kill", &q.base, clock_deadline(SERVER_TIMEOUT_MS), NULL,
				     e);
	/* Wait, because runc's callers expect the process to be gone, and a guest takes a moment.
	 * Do not wait longer for one that is frozen or whose output nobody reads. */
	if (r == 0 && signal == SIGKILL)
		(void) shim_client_wait(&s, argv[0], clock_deadline(KILLED_TIMEOUT_MS), NULL);
	return r;
}

const struct verb verb_kill = {
	.name = "kill",
	.arguments = "ID [SIGNAL]",
	.help = "send a signal (TERM) to the first process of a container",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.values_bytes = sizeof(struct values),
	.min_args = 1,
	.max_args = 2,
	.run = kill_run,
};
