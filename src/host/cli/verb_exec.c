/* exec: one more process in a running container. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/file.h"
#include "host/cli/pid_file.h"
#include "host/cli/process_spec.h"
#include "host/cli/server.h"
#include "host/cli/standin.h"
#include "host/cli/status.h"
#include "host/cli/terminal.h"
#include "host/cli/verb.h"
#include "oci/oci.h"
#include "task.pb-c.h"

#define EXEC_TIMEOUT_MS 120000

/* runc's exit code for a failed exec, which must not look like exit code 1 of the process. */
#define EXEC_FAILED 255

struct values {
	struct process_options process;
	const char *pid_file;
	const char *console_socket;
	uint64_t preserve_fds;
	bool detach;
	bool ignore_paused;
};

#define VALUE(type, member) OPTION_##type, offsetof(struct values, member)

static const struct option options[] = {
	{"process", 'p', VALUE(STRING, process.file), "FILE", "process.json to run", false},
	{"tty", 't', VALUE(FLAG, process.tty), NULL, "give the process a terminal", false},
	{"detach", 'd', VALUE(FLAG, detach), NULL, "do not wait for the process", false},
	{"cwd", 0, VALUE(STRING, process.cwd), "DIR", "working folder in the container", false},
	{"env", 'e', VALUE(LIST, process.env), "NAME=VALUE", "set an environment variable", false},
	{"user", 'u', VALUE(STRING, process.user), "UID[:GID]", "run as this user", false},
	{"additional-gids", 'g', VALUE(LIST, process.gids), "GID", "add a group", false},
	{"cap", 'c', VALUE(LIST, process.caps), "CAP", "add a capability", false},
	{"no-new-privs", 0, VALUE(FLAG, process.no_new_privs), NULL, "privileges cannot grow",
	 false},
	{"pid-file", 0, VALUE(STRING, pid_file), "FILE",
	 "write the pid of the process that stands in", false},
	{"console-socket", 0, VALUE(STRING, console_socket), "SOCKET",
	 "send the master of the terminal here", false},
	{"preserve-fds", 0, VALUE(NUMBER, preserve_fds), "N",
	 "only 0: descriptors cannot enter a virtual machine", false},
	{"apparmor", 0, VALUE(STRING, process.apparmor), "PROFILE", "not available in the guest",
	 false},
	{"process-label", 0, VALUE(STRING, process.label), "LABEL", "not available in the guest",
	 false},
	{"ignore-paused", 0, VALUE(FLAG, ignore_paused), NULL, "allow it in a paused container",
	 false},
};

/* A process that is being made. */
struct making {
	const struct values *v;
	const char *id;
	char exec_id[48];
	struct state_dir dir;
	struct server server;
	Grpc__Process *process;
	int master;
	int slave;
};

static int check(struct making *m, const struct cli *cli, int argc, char **argv, struct err *e)
{
	enum oci_status status;
	int r = state_dir_open(cli->root, m->id, &m->dir, e);

	if (m->v->preserve_fds > 0)
		return err_say(e, ENOTSUP,
			       "option --preserve-fds: descriptors cannot enter a virtual machine");
	if (r == 0)
		r = server_reach(cli, m->id, "exec in", &m->server, e);
	if (r == 0)
		r = status_ask(&m->server, m->id, &status, e);
	if (r < 0)
		return r;
	if (status == OCI_STOPPED)
		return err_say(e, ESRCH, "cannot exec in a stopped container");
	if (status == OCI_PAUSED && !m->v->ignore_paused)
		return err_say(
			e, EBUSY,
			"cannot exec in a paused container (use --ignore-paused to override)");

	r = process_spec_make(&m->v->process, &m->dir, argc, argv, &m->process, e);
	if (r < 0)
		return r;
	if (m->v->console_socket && !(m->process->terminal && m->v->detach))
		return err_say(e, EINVAL,
			       "--console-socket is for a detached process that wants a terminal");
	if (m->process->terminal && m->v->detach && !m->v->console_socket)
		return err_say(e, EINVAL,
			       "the process wants a terminal and nobody stays to hold it: "
			       "give --console-socket");
	return 0;
}

static int send_exec(struct making *m, struct err *e)
{
	Containerd__Task__V2__ExecProcessRequest q =
		CONTAINERD__TASK__V2__EXEC_PROCESS_REQUEST__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	auto_free char *json = NULL;
	int fds[3] = {0, 1, 2};
	int r = oci_process_print(m->process, &json, e);

	if (r == 0 && m->v->console_socket) {
		r = terminal_pair(&m->master, &m->slave, e);
		fds[0] = fds[1] = fds[2] = m->slave;
	}
	if (r < 0)
		return r;
	any.type_url = (char *) "types.containerd.io/opencontainers/runtime-spec/1/Process";
	any.value = (ProtobufCBinaryData){.data = (uint8_t *) json, .len = strlen(json)};
	q.id = (char *) m->id;
	q.exec_id = m->exec_id;
	q.terminal = m->process->terminal;
	q.stdin = (char *) "fd:0";
	q.stdout = (char *) "fd:1";
	q.stderr = (char *) (q.terminal ? "" : "fd:2");
	q.spec = &any;
	r = server_task_fds(&m->server, "Exec", &q.base, clock_deadline(EXEC_TIMEOUT_MS), fds, 3,
			    e);
	if (r == 0 && m->v->console_socket)
		r = terminal_send(m->v->console_socket, m->master, e);
	return r;
}

static int send_start(struct making *m, struct err *e)
{
	Containerd__Task__V2__StartRequest q = CONTAINERD__TASK__V2__START_REQUEST__INIT;

	q.id = (char *) m->id;
	q.exec_id = m->exec_id;
	return server_task(&m->server, "Start", &q.base, clock_deadline(EXEC_TIMEOUT_MS), NULL, e);
}

/* Deletes the process at the server, after it has ended or if it never began. */
static void forget(struct making *m)
{
	Containerd__Task__V2__DeleteRequest q = CONTAINERD__TASK__V2__DELETE_REQUEST__INIT;

	q.id = (char *) m->id;
	q.exec_id = m->exec_id;
	(void) server_task(&m->server, "Delete", &q.base, clock_deadline(SERVER_TIMEOUT_MS), NULL,
			   NULL);
}

/* Publishes the pid of a forked stand-in, because a published pid must not be the CLI's. */
static int publish_other(struct making *m, pid_t *ret_pid, struct err *e)
{
	const struct standin s = {
		.id = m->id,
		.exec_id = m->exec_id,
		.tty = -1,
		.apart = true,
		.args = m->process->args,
		.n_args = m->process->n_args,
	};

	if (!m->v->pid_file)
		return 0;

	int r = standin_fork(&m->dir, &s, ret_pid, e);

	return r < 0 ? r : pid_file_write(m->v->pid_file, *ret_pid, e);
}

static int attend(struct making *m, const struct cli *cli, struct err *e)
{
	auto_terminal struct terminal terminal = TERMINAL_NONE;
	bool tty = m->process->terminal && isatty(STDIN_FILENO);
	struct standin s = {
		.server = &m->server,
		.id = m->id,
		.exec_id = m->exec_id,
		.tty = tty ? STDIN_FILENO : -1,
	};
	pid_t pid = 0;
	int r = publish_other(m, &pid, e);

	if (r == 0)
		r = standin_begin(&s, e);
	if (r == 0 && tty)
		r = terminal_raw(STDIN_FILENO, &terminal, e);
	if (r == 0)
		r = send_start(m, e);
	if (r == 0) {
		standin_resize(&s);
		r = standin_finish(&s, e);
	}
	standin_end(pid);
	terminal_restore(&terminal);
	if (r >= 0 && s.cause[0]) /* the sentence of a failure already has the cause */
		cli_tell(cli, s.cause);
	forget(m);
	return r;
}

static int hand_over(struct making *m, struct err *e)
{
	struct standin s = {
		.id = m->id,
		.exec_id = m->exec_id,
		.tty = m->slave,
		.owns_session = m->slave >= 0,
		.args = m->process->args,
		.n_args = m->process->n_args,
	};
	pid_t pid = 0;
	int r = standin_fork(&m->dir, &s, &pid, e);

	if (r == 0 && m->v->pid_file)
		r = pid_file_write(m->v->pid_file, pid, e);
	if (r == 0)
		r = send_start(m, e);
	if (r < 0)
		forget(m);
	return r;
}

static int exec(struct making *m, const struct cli *cli, int argc, char **argv, struct err *e)
{
	int r = check(m, cli, argc, argv, e);

	if (r == 0)
		r = send_exec(m, e);
	if (r == 0)
		r = m->v->detach ? hand_over(m, e) : attend(m, cli, e);
	return r;
}

static int exec_run(struct cli *cli, const void *values, int argc, char **argv, struct err *e)
{
	struct making m = {
		.v = values,
		.id = argv[0],
		.dir = STATE_DIR_NONE,
		.master = -1,
		.slave = -1,
	};

	(void) snprintf(m.exec_id, sizeof m.exec_id, "exec-%d-%llu", getpid(),
			(unsigned long long) clock_now_us());

	int r = err_wrap(e, exec(&m, cli, argc - 1, argv + 1, e), "exec failed");

	oci_process_free(m.process);
	server_close(&m.server);
	state_dir_close(&m.dir);
	fd_close(m.master);
	fd_close(m.slave);
	return r;
}

const struct verb verb_exec = {
	.name = "exec",
	.arguments = "ID COMMAND [ARGUMENT...]",
	.help = "run one more process in a running container",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.values_bytes = sizeof(struct values),
	.min_args = 1,
	.max_args = -1,
	.failure_code = EXEC_FAILED,
	.run = exec_run,
};
