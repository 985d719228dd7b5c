#include "host/cli/delete.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "base/log.h"
#include "host/cli/shim_client.h"
#include "host/cli/status.h"
#include "host/state/shared_server.h"
#include "task.pb-c.h"

#define KILL_TIMEOUT_MS   10000
#define DELETE_TIMEOUT_MS 60000

static int kill_and_wait(struct shim_client *s, const char *id, struct err *e)
{
	Containerd__Task__V2__KillRequest kill = CONTAINERD__TASK__V2__KILL_REQUEST__INIT;
	msec_t deadline = clock_deadline(KILL_TIMEOUT_MS);

	kill.id = (char *) id;
	kill.signal = SIGKILL;
	kill.all = true;

	int r = shim_client_task(s, "Kill", &kill.base, deadline, NULL, e);

	if (r < 0 && r != -ENOENT)
		return r;
	err_clear(e);
	return shim_client_wait(s, id, deadline, e);
}

/* *@ret_ended: the server was to end, and has. */
static int delete_by_server(struct shim_client *s, const struct state_dir *dir, bool force,
			    bool *ret_ended, struct err *e)
{
	const char *id = dir->id;
	Containerd__Task__V2__DeleteRequest q = CONTAINERD__TASK__V2__DELETE_REQUEST__INIT;
	enum oci_status status;
	int r = status_ask(s, id, &status, e);

	if (r < 0 && r != -ENOENT)
		return r;
	err_clear(e);
	if (r == 0 && !force && (status == OCI_RUNNING || status == OCI_PAUSED))
		return err_say(e, EBUSY, "cannot delete container '%s' that is not stopped: %s", id,
			       oci_status_name(status));
	if (r == 0 && status != OCI_STOPPED)
		r = kill_and_wait(s, id, e);
	if (r == 0) {
		q.id = (char *) id;
		r = shim_client_task(s, "Delete", &q.base, clock_deadline(DELETE_TIMEOUT_MS), NULL,
				     e);
	}
	/* Another caller's delete is running, or a start whose caller is gone. */
	bool busy = r == -EBUSY && force;

	if (r < 0 && r != -ENOENT && !busy)
		return r;
	err_clear(e);
	/* It goes on for the others, and the last one's delete waits for its end. */
	if (shared_server_has_others(dir))
		return 0;
	r = shim_client_shutdown(s, id, busy, e);
	*ret_ended = r == 0;
	return r;
}

int delete_container(const struct cli *cli, const struct state_dir *dir, bool force, struct err *e)
{
	auto_shim_client struct shim_client s = SHIM_CLIENT_NONE;
	struct err line = {0};
	bool ended = false;
	int r = shim_client_connect(dir, &s, &line);

	if (r == 0) {
		r = delete_by_server(&s, dir, force, &ended, &line);
		if (r == -EBUSY) {
			*e = line;
			return r;
		}
		if (r < 0)
			log_err(LOG_WARN, &line,
				"ignoring what the sandbox server says, cleaning up after it");
	}
	/* If no server answers, or it has failed, remove what it has left. */
	if (r < 0)
		r = shim_client_clean_up(cli, dir, e);
	else if (ended)
		r = shim_client_bury(dir, e);
	if (r == 0)
		r = state_dir_remove(dir, e);
	return err_wrap(e, r, "delete container '%s'", dir->id);
}
