#include "host/cli/create.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/proc_stat.h"
#include "host/cli/delete.h"
#include "host/cli/interrupt.h"
#include "host/cli/join.h"
#include "host/cli/pid_file.h"
#include "host/cli/session.h"
#include "host/state/shared_server.h"
#include "host/state/state_dir.h"
#include "oci/oci.h"
#include "task.pb-c.h"

/* The sandbox server has deadlines of its own for every step; this one is only for a server that
 * does not answer at all. */
#define CREATE_TIMEOUT_MS 600000

/* A container that is being made. */
struct making {
	struct session session;
	const struct create_values *v;
	bool detached; /* the CLI does not stay until it ends */
	char bundle[PATH_MAX];
	Grpc__Spec *spec;
	struct interrupt interrupt;
};

/* Refuses whatever can be refused before anything is made. */
static int check(struct making *m, struct err *e)
{
	const char *bundle = m->v->bundle ? m->v->bundle : ".";
	int r = oci_id_check(m->session.id, e);

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
	m->session.process = m->spec->process;
	return session_check_terminal(&m->session, m->detached, e);
}

static int send_create(struct making *m, struct err *e)
{
	struct session *s = &m->session;
	Containerd__Task__V2__CreateTaskRequest q = CONTAINERD__TASK__V2__CREATE_TASK_REQUEST__INIT;

	q.id = (char *) s->id;
	q.bundle = m->bundle;
	q.terminal = s->process->terminal;
	q.stdin = SESSION_STDIN;
	q.stdout = SESSION_STDOUT;
	q.stderr = session_stderr(s);

	int r = interrupt_watch(&m->interrupt, &s->server, s->id, e);

	if (r == 0)
		r = session_make(s, "Create", &q.base, e);
	interrupt_unwatch(&m->interrupt);
	/* The signal came too late to stop Create. */
	if (r == 0 && m->interrupt.signo)
		r = err_say(e, EINTR, "given up on a signal");
	return r < 0 ? r : session_send_terminal(s, e);
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
static int publish(const struct session *s, pid_t pid, struct err *e)
{
	const struct making *m = s->arg;
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
		return err_sys(e, ENOMEM, "remember container '%s'", s->id);

	int r = record_write(&s->dir, &record, e);

	if (r == 0 && m->v->pid_file)
		r = pid_file_write(m->v->pid_file, pid, e);
	return r;
}

/* Removes everything of a container whose creation failed; the caller has the reason already. */
static void undo(struct making *m)
{
	struct err e = {0};

	/* It may be in the cgroup that has to be removed. */
	standin_child_end(&m->session.standin);
	/* The CLI's own connection stays open meanwhile, because a server that has lost all its
	 * connections before the container was published removes the folder itself. */
	if (delete_container(m->session.cli, &m->session.dir, true, &e) < 0)
		log_err(LOG_WARN, &e, "ignoring what is left of a container that was not made");
}

/* Before a server answers there is only the folder to remove, which must work without a free
 * descriptor. A server that was started but cannot be reached ends by itself. */
static void undo_folder(struct making *m)
{
	struct err e = {0};

	m->session.dir.fd = fd_close(m->session.dir.fd);
	if (state_dir_remove(&m->session.dir, &e) < 0)
		log_err(LOG_WARN, &e, "ignoring what is left of a container that was not made");
}

/* A server of the container's own, or that of a container whose namespaces it shares. */
static int find_server(struct making *m, struct err *e)
{
	struct session *s = &m->session;
	auto_state_dir struct state_dir other = STATE_DIR_NONE;
	int found = join_find(s->cli, m->spec, &other, e);
	int r;

	if (found <= 0)
		return found < 0 ? found
				 : shim_client_start(s->cli, &s->dir, m->bundle, &s->server, e);
	/* A server removes only its first container by itself. */
	s->removes = false;
	r = shared_server_link(&s->dir, &other, m->bundle, e);
	return r < 0 ? r : shim_client_connect(&s->dir, &s->server, e);
}

/* From a bundle to a container that waits for start. On failure nothing is left. */
static int make(struct making *m, struct err *e)
{
	int r = check(m, e);

	if (r == 0)
		interrupt_hold(&m->interrupt);
	if (r == 0)
		r = state_dir_make(m->session.cli->root, m->session.id, &m->session.dir, e);
	if (r < 0)
		return r;
	r = oci_spec_save(m->session.dir.fd, m->spec, e);
	if (r == 0)
		r = find_server(m, e);
	if (r < 0) {
		undo_folder(m);
		return r;
	}
	r = send_create(m, e);
	if (r < 0)
		undo(m);
	return r;
}

/* Stays until the container ends, and deletes it unless it is to be kept. */
static int attend(struct making *m, struct err *e)
{
	struct session *s = &m->session;
	int r = session_attend(s, e);
	struct err after = {0};

	if (!s->started)
		undo(m);
	else if (!(m->v->keep && r >= 0) && delete_container(s->cli, &s->dir, true, &after) < 0)
		log_err(LOG_WARN, &after, "ignoring what is left after the container's end");
	return r;
}

/* Leaves the container to the caller. */
static int hand_over(struct making *m, bool start, struct err *e)
{
	int r = session_hand_over(&m->session, start, e);

	if (r < 0)
		undo(m);
	return r;
}

int create_container(const struct cli *cli, const struct create_values *v, const char *id,
		     bool detached, bool start, struct err *e)
{
	struct making m = {
		.session =
			{
				.cli = cli,
				.id = id,
				.exec_id = "",
				.console_socket = v->console_socket,
				.attends = !detached,
				.timeout_ms = CREATE_TIMEOUT_MS,
				.removes = !v->keep,
				.publish = publish,
				.arg = &m,
				.dir = STATE_DIR_NONE,
				.master = -1,
				.slave = -1,
				.standin = STANDIN_CHILD_NONE,
			},
		.v = v,
		.detached = detached,
		.interrupt = INTERRUPT_NONE,
	};
	int r = make(&m, e);

	if (r == 0)
		r = detached ? hand_over(&m, start, e) : attend(&m, e);
	interrupt_unwatch(&m.interrupt);
	session_fini(&m.session);
	oci_spec_free(m.spec);
	if (!v->outlives)
		interrupt_die(&m.interrupt);
	return r;
}
