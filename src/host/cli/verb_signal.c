/* start, kill, pause, resume: one call each to a container that is there. */
#include <errno.h>
#include <signal.h>

#include "base/array.h"
#include "host/cli/server.h"
#include "host/cli/status.h"
#include "host/cli/verb.h"
#include "oci/names.h"
#include "task.pb-c.h"

#define START_TIMEOUT_MS 120000
/* How long kill waits for the end of the process that it has killed. */
#define KILLED_TIMEOUT_MS 1000

static int run_start(struct cli *cli, const void *values, int argc, char **argv, struct err *e)
{
	Containerd__Task__V2__StartRequest q = CONTAINERD__TASK__V2__START_REQUEST__INIT;
	auto_server struct server s = SERVER_NONE;
	int r = server_reach(cli, argv[0], "start", &s, e);

	(void) values, (void) argc;
	q.id = argv[0];
	return r < 0 ? r
		     : server_task(&s, "Start", &q.base, clock_deadline(START_TIMEOUT_MS), NULL, e);
}

const struct verb verb_start = {
	.name = "start",
	.arguments = "ID",
	.help = "run the process of a created container",
	.min_args = 1,
	.max_args = 1,
	.run = run_start,
};

struct kill_values {
	bool all;
};

static const struct option kill_options[] = {
	{"all", 'a', OPTION_FLAG, offsetof(struct kill_values, all), NULL,
	 "to every process of the container", false},
};

/* Fails if the process has ended, as runc does, because the server's Kill succeeds then. */
static int check_runs(struct server *s, const char *id, struct err *e)
{
	enum oci_status status;
	int r = status_ask(s, id, &status, e);

	if (r == 0 && status == OCI_STOPPED)
		r = err_say(e, ESRCH, "cannot kill container '%s': container not running", id);
	return r;
}

static int run_kill(struct cli *cli, const void *values, int argc, char **argv, struct err *e)
{
	const struct kill_values *v = values;
	Containerd__Task__V2__KillRequest q = CONTAINERD__TASK__V2__KILL_REQUEST__INIT;
	auto_server struct server s = SERVER_NONE;
	int signal = argc > 1 ? oci_signal_number(argv[1]) : SIGTERM;

	if (signal < 0)
		return err_say(e, EINVAL, "there is no signal '%s'", argv[1]);

	int r = server_reach(cli, argv[0], "kill", &s, e);

	if (r == 0 && !v->all)
		r = check_runs(&s, argv[0], e);
	q.id = argv[0];
	q.signal = (uint32_t) signal;
	q.all = v->all;
	if (r == 0)
		r = server_task(&s, "Kill", &q.base, clock_deadline(SERVER_TIMEOUT_MS), NULL, e);
	/* Wait, because runc's callers expect the process to be gone, and a guest takes a moment.
	 * Do not wait longer for one that is frozen or whose output nobody reads. */
	if (r == 0 && signal == SIGKILL)
		(void) server_wait(&s, argv[0], clock_deadline(KILLED_TIMEOUT_MS), NULL);
	return r;
}

const struct verb verb_kill = {
	.name = "kill",
	.arguments = "ID [SIGNAL]",
	.help = "send a signal (TERM) to the first process of a container",
	.options = kill_options,
	.n_options = ARRAY_LEN(kill_options),
	.values_bytes = sizeof(struct kill_values),
	.min_args = 1,
	.max_args = 2,
	.run = run_kill,
};

static int run_pause(struct cli *cli, const void *values, int argc, char **argv, struct err *e)
{
	Containerd__Task__V2__PauseRequest q = CONTAINERD__TASK__V2__PAUSE_REQUEST__INIT;
	auto_server struct server s = SERVER_NONE;
	int r = server_reach(cli, argv[0], "pause", &s, e);

	(void) values, (void) argc;
	q.id = argv[0];
	return r < 0 ? r
		     : server_task(&s, "Pause", &q.base, clock_deadline(SERVER_TIMEOUT_MS), NULL,
				   e);
}

const struct verb verb_pause = {
	.name = "pause",
	.arguments = "ID",
	.help = "freeze all processes of a container",
	.min_args = 1,
	.max_args = 1,
	.run = run_pause,
};

static int run_resume(struct cli *cli, const void *values, int argc, char **argv, struct err *e)
{
	Containerd__Task__V2__ResumeRequest q = CONTAINERD__TASK__V2__RESUME_REQUEST__INIT;
	auto_server struct server s = SERVER_NONE;
	int r = server_reach(cli, argv[0], "resume", &s, e);

	(void) values, (void) argc;
	q.id = argv[0];
	return r < 0 ? r
		     : server_task(&s, "Resume", &q.base, clock_deadline(SERVER_TIMEOUT_MS), NULL,
				   e);
}

const struct verb verb_resume = {
	.name = "resume",
	.arguments = "ID",
	.help = "let a paused container go on",
	.min_args = 1,
	.max_args = 1,
	.run = run_resume,
};
