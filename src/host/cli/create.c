#include "host/cli/create.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/array.h"
#include "base/file.h"
#include "base/log.h"
#include "base/proc_stat.h"
#include "host/cli/delete.h"
#include "host/cli/interrupt.h"
#include "host/cli/pid_file.h"
#include "host/cli/server.h"
#include "host/cli/standin.h"
#include "host/cli/terminal.h"
#include "host/cli/verb.h"
#include "host/state/state_dir.h"
#include "oci/oci.h"
#include "task.pb-c.h"

/* The sandbox server has deadlines of its own for every step; this one is only for a server that
 * does not answer at all. */
#define CREATE_TIMEOUT_MS 600000

/* A container that is being made. */
struct making {
	const struct cli *cli;
	const struct create_values *v;
	const char *id;
	bool detached; /* the CLI does not stay until it ends */
	char bundle[PATH_MAX];
	Grpc__Spec *spec;
	struct state_dir dir;
	struct server server;
	struct interrupt interrupt;
	int master; /* of the terminal that is sent to the console socket, or -1 */
	int slave;
};

static void making_fini(struct making *m)
{
	oci_spec_free(m->spec);
	interrupt_unwatch(&m->interrupt);
	server_close(&m->server);
	state_dir_close(&m->dir);
	fd_close(m->master);
	fd_close(m->slave);
}

static bool wants_terminal(const struct making *m)
{
	return m->spec->process && m->spec->process->terminal;
}

static int check_terminal(const struct making *m, struct err *e)
{
	if (wants_terminal(m) && m->detached && !m->v->console_socket)
		return err_say(e, EINVAL,
			       "the process wants a terminal and nobody stays to hold it: "
			       "give --console-socket");
	if (m->v->console_socket && !(wants_terminal(m) && m->detached))
		return err_say(e, EINVAL,
			       "--console-socket is for a detached process that wants a terminal");
	return 0;
}

/* Refuses whatever can be refused before anything is made. */
static int check(struct making *m, struct err *e)
{
	const char *bundle = m->v->bundle ? m->v->bundle : ".";
	int r = oci_id_check(m->id, e);

	if (r < 0)
		return r;
	if (m->v->preserve_fds > 0)
		return err_say(e, ENOTSUP,
			       "option --preserve-fds: descriptors cannot enter a virtual machine");
	if (!realpath(bundle, m->bundle))
		return err_sys(e, errno, "find bundle '%s'", bundle);

	auto_free char *config = str_printf("%s/config.json", m->bundle);

	if (!config)
		return err_sys(e, ENOMEM, "read bundle");
	r = oci_spec_read(config, &m->spec, e);
	if (r < 0)
		return r;
	r = oci_spec_check(m->spec, e);
	if (r < 0)
		return err_wrap(e, r, "%s", config);
	if (!m->spec->process || m->spec->process->n_args == 0)
		return err_say(e, EINVAL, "%s: process.args: must name a program", config);
	return check_terminal(m, e);
}

/* Chooses the streams for the server: the terminal's slave, or the CLI's own. */
static int choose_streams(struct making *m, int fds[3], struct err *e)
{
	for (int i = 0; i < 3; i++)
		fds[i] = i;
	if (!m->v->console_socket)
		return 0;

	int r = terminal_pair(&m->master, &m->slave, e);

	for (int i = 0; r == 0 && i < 3; i++)
		fds[i] = m->slave;
	return r;
}

static int send_create(struct making *m, struct err *e)
{
	Containerd__Task__V2__CreateTaskRequest q = CONTAINERD__TASK__V2__CREATE_TASK_REQUEST__INIT;
	int fds[3];
	int r = choose_streams(m, fds, e);

	if (r < 0)
		return r;
	q.id = (char *) m->id;
	q.bundle = m->bundle;
	q.terminal = wants_terminal(m);
	q.stdin = (char *) "fd:0";
	q.stdout = (char *) "fd:1";
	q.stderr = (char *) (q.terminal ? "" : "fd:2");
	r = interrupt_watch(&m->interrupt, &m->server, m->id, e);
	if (r == 0)
		r = server_task_fds(&m->server, "Create", &q.base,
				    clock_deadline(CREATE_TIMEOUT_MS), fds, 3, e);
	interrupt_unwatch(&m->interrupt);
	/* The signal came too late to stop Create. */
	if (r == 0 && m->interrupt.signo)
		r = err_say(e, EINTR, "given up on a signal");
	if (r == 0 && m->v->console_socket)
		r = terminal_send(m->v->console_socket, m->master, e);
	m->master = fd_close(m->master);
	return r;
}

static char *rootfs_of(const struct making *m)
{
	const char *path = m->spec->root ? m->spec->root->path : "";

	return path[0] == '/' ? strdup(path) : str_printf("%s/%s", m->bundle, path);
}

static char *now_rfc3339(void)
{
	struct timespec now;
	struct tm tm;
	char day[32];

	(void) clock_gettime(CLOCK_REALTIME, &now);
	(void) gmtime_r(&now.tv_sec, &tm);
	(void) strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm);
	return str_printf("%s.%09ldZ", day, now.tv_nsec);
}

/* Writes the record for the other verbs, and the pid file that the caller waits for. */
static int publish(const struct making *m, pid_t pid, struct err *e)
{
	const struct passwd *user = getpwuid(geteuid());
	auto_record struct record record = {
		.bundle = strdup(m->bundle),
		.rootfs = rootfs_of(m),
		.created = now_rfc3339(),
		.owner = strdup(user ? user->pw_name : ""),
		.pid = pid,
		.pid_start = proc_start_time(pid),
	};

	if (!record.bundle || !record.rootfs || !record.created || !record.owner)
		return err_sys(e, ENOMEM, "remember container '%s'", m->id);

	int r = record_write(&m->dir, &record, e);

	if (r == 0 && m->v->pid_file)
		r = pid_file_write(m->v->pid_file, pid, e);
	return r;
}

/* Removes everything of a container whose creation failed; the caller has the reason already. */
static void undo(struct making *m)
{
	struct err e = {0};

	/* The CLI's own connection stays open meanwhile, because a server that has lost all its
	 * connections before the container was published removes the folder itself. */
	if (delete_container(m->cli, &m->dir, true, &e) < 0)
		log_err(LOG_WARN, &e, "ignoring what is left of a container that was not made");
}

/* Before a server answers there is only the folder to remove, which must work without a free
 * descriptor. A server that was started but cannot be reached ends by itself. */
static void undo_folder(struct making *m)
{
	struct err e = {0};

	m->dir.fd = fd_close(m->dir.fd);
	if (state_dir_remove(&m->dir, &e) < 0)
		log_err(LOG_WARN, &e, "ignoring what is left of a container that was not made");
}

/* From a bundle to a container that waits for start. On failure nothing is left. */
static int make(struct making *m, struct err *e)
{
	int r = check(m, e);

	if (r == 0)
		interrupt_hold(&m->interrupt);
	if (r == 0)
		r = state_dir_make(m->cli->root, m->id, &m->dir, e);
	if (r < 0)
		return r;
	r = oci_spec_save(m->dir.fd, m->spec, e);
	if (r == 0)
		r = server_start(m->cli, &m->dir, m->bundle, &m->server, e);
	if (r < 0) {
		undo_folder(m);
		return r;
	}
	r = send_create(m, e);
	if (r < 0)
		undo(m);
	return r;
}

static int send_start(struct making *m, struct err *e)
{
	Containerd__Task__V2__StartRequest q = CONTAINERD__TASK__V2__START_REQUEST__INIT;

	q.id = (char *) m->id;
	return server_task(&m->server, "Start", &q.base, clock_deadline(CREATE_TIMEOUT_MS), NULL,
			   e);
}

/* Forks the container's stand-in and leaves the container to the caller. */
static int hand_over(struct making *m, bool start, struct err *e)
{
	struct standin s = {
		.id = m->id,
		.exec_id = "",
		.tty = m->slave,
		.owns_session = m->slave >= 0,
		.args = m->spec->process->args,
		.n_args = m->spec->process->n_args,
	};
	pid_t pid = 0;
	int r = standin_fork(&m->dir, &s, &pid, e);

	if (r == 0)
		r = publish(m, pid, e);
	if (r == 0 && start)
		r = send_start(m, e);
	if (r < 0)
		undo(m);
	return r;
}

/* Publishes the pid of a forked stand-in here, too, because the CLI itself is not in a room. */
static int publish_other(struct making *m, pid_t *ret_pid, struct err *e)
{
	const struct standin s = {
		.id = m->id,
		.exec_id = "",
		.tty = -1,
		.apart = true,
		.args = m->spec->process->args,
		.n_args = m->spec->process->n_args,
	};
	int r = standin_fork(&m->dir, &s, ret_pid, e);

	return r < 0 ? r : publish(m, *ret_pid, e);
}

/* Stays until the container ends, and holds the user's terminal meanwhile. */
static int attend(struct making *m, struct err *e)
{
	auto_terminal struct terminal terminal = TERMINAL_NONE;
	bool tty = wants_terminal(m) && isatty(STDIN_FILENO);
	struct standin s = {
		.server = &m->server,
		.id = m->id,
		.exec_id = "",
		.tty = tty ? STDIN_FILENO : -1,
		.removes = !m->v->keep,
	};
	pid_t pid = 0;
	/* standin_begin() first, so that from then on the server notices the end of this
	 * process. */
	int r = standin_begin(&s, e);

	if (r == 0)
		r = publish_other(m, &pid, e);
	if (r == 0 && tty)
		r = terminal_raw(STDIN_FILENO, &terminal, e);
	if (r == 0)
		r = send_start(m, e);
	if (r < 0) {
		standin_end(pid);
		undo(m);
		return r;
	}
	standin_resize(&s);
	r = standin_finish(&s, e);
	standin_end(pid);
	terminal_restore(&terminal);
	if (s.cause[0])
		cli_tell(m->cli, s.cause);
	if (m->v->keep && r >= 0)
		return r;

	struct err after = {0};

	if (delete_container(m->cli, &m->dir, true, &after) < 0)
		log_err(LOG_WARN, &after, "ignoring what is left after the container's end");
	return r;
}

int create_container(const struct cli *cli, const struct create_values *v, const char *id,
		     bool detached, bool start, struct err *e)
{
	struct making m = {
		.cli = cli,
		.v = v,
		.id = id,
		.detached = detached,
		.dir = STATE_DIR_NONE,
		.interrupt = INTERRUPT_NONE,
		.master = -1,
		.slave = -1,
	};
	int r = make(&m, e);

	if (r == 0)
		r = detached ? hand_over(&m, start, e) : attend(&m, e);
	making_fini(&m);
	interrupt_die(&m.interrupt);
	return r;
}
