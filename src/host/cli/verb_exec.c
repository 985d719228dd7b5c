/* exec: one more process in a running container. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "host/cli/pid_file.h"
#include "host/cli/process_spec.h"
#include "host/cli/session.h"
#include "host/cli/status.h"
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

#define VALUE(kind, member) OPTION_FIELD(kind, struct values, member)

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
	struct session session;
	const struct values *v;
	char exec_id[48];
	Grpc__Process *process;
};

static int check(struct making *m, int argc, char **argv, struct err *e)
{
	struct session *s = &m->session;
	enum oci_status status;
	int r = state_dir_open(s->cli->root, s->id, &s->dir, e);

	if (m->v->preserve_fds > 0)
		return err_say(e, ENOTSUP,
			       "option --preserve-fds: descriptors cannot enter a virtual machine");
	if (r == 0)
		r = shim_client_reach(s->cli, s->id, "exec in", &s->server, e);
	if (r == 0)
		r = status_ask(&s->server, s->id, &status, e);
	if (r < 0)
		return r;
	if (status == OCI_STOPPED)
		return err_say(e, ESRCH, "cannot exec in a stopped container");
	if (status == OCI_PAUSED && !m->v->ignore_paused)
		return err_say(
			e, EBUSY,
			"cannot exec in a paused container (use --ignore-paused to override)");

	r = process_spec_make(&m->v->process, &s->dir, argc, argv, &m->process, e);
	if (r < 0)
		return r;
	s->process = m->process;
	return session_check_terminal(s, m->v->detach, e);
}

static int send_exec(struct making *m, struct err *e)
{
	struct session *s = &m->session;
	Containerd__Task__V2__ExecProcessRequest q =
		CONTAINERD__TASK__V2__EXEC_PROCESS_REQUEST__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	auto_free char *json = NULL;
	int r = oci_process_print(m->process, &json, e);

	if (r < 0)
		return r;
	any.type_url = (char *) "types.containerd.io/opencontainers/runtime-spec/1/Process";
	any.value = (ProtobufCBinaryData){.data = (uint8_t *) json, .len = strlen(json)};
	q.id = (char *) s->id;
	q.exec_id = m->exec_id;
	q.terminal = m->process->terminal;
	q.stdin = SESSION_STDIN;
	q.stdout = SESSION_STDOUT;
	q.stderr = session_stderr(s);
	q.spec = &any;
	r = session_make(s, "Exec", &q.base, e);
	return r < 0 ? r : session_send_terminal(s, e);
}

/* Deletes the process at the server, after it has ended or if it never began. */
static void forget(struct session *s)
{
	Containerd__Task__V2__DeleteRequest q = CONTAINERD__TASK__V2__DELETE_REQUEST__INIT;

	q.id = (char *) s->id;
	q.exec_id = (char *) s->exec_id;
	(void) shim_client_task(&s->server, "Delete", &q.base, clock_deadline(SERVER_TIMEOUT_MS),
				NULL, NULL);
}

static int publish(const struct session *s, pid_t pid, struct err *e)
{
	const struct values *v = s->arg;

	return pid_file_write(v->pid_file, pid, e);
}

static int exec(struct making *m, int argc, char **argv, struct err *e)
{
	int r = check(m, argc, argv, e);

	if (r == 0)
		r = send_exec(m, e);
	if (r < 0)
		return r;
	r = m->v->detach ? session_hand_over(&m->session, true, e) : session_attend(&m->session, e);
	if (!m->v->detach || r < 0)
		forget(&m->session);
	return r;
}

static int exec_run(struct cli *cli, const void *values, int argc, char **argv, struct err *e)
{
	const struct values *v = values;
	struct making m = {
		.session =
			{
				.cli = cli,
				.id = argv[0],
				.exec_id = m.exec_id,
				.console_socket = v->console_socket,
				.attends = !v->detach,
				.timeout_ms = EXEC_TIMEOUT_MS,
				.publish = v->pid_file ? publish : NULL,
				.arg = (void *) v,
				.dir = STATE_DIR_NONE,
				.master = -1,
				.slave = -1,
				.standin = STANDIN_CHILD_NONE,
			},
		.v = v,
	};

	(void) snprintf(m.exec_id, sizeof m.exec_id, "exec-%d-%llu", getpid(),
			(unsigned long long) clock_now_us());

	int r = err_wrap(e, exec(&m, argc - 1, argv + 1, e), "exec failed");

	session_fini(&m.session);
	oci_process_free(m.process);
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
