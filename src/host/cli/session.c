#include "host/cli/session.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/array.h"
#include "host/cli/terminal.h"
#include "task.pb-c.h"

void session_fini(struct session *s)
{
	standin_child_end(&s->standin);
	shim_client_close(&s->server);
	state_dir_close(&s->dir);
	s->master = fd_close(s->master);
	s->slave = fd_close(s->slave);
}

int session_check_terminal(const struct session *s, bool detached, struct err *e)
{
	bool needs_socket = s->process->terminal && detached;

	if (needs_socket && !s->console_socket)
		return err_say(e, EINVAL,
			       "the process wants a terminal and nobody stays to hold it: "
			       "give --console-socket");
	if (s->console_socket && !needs_socket)
		return err_say(e, EINVAL,
			       "--console-socket is for a detached process that wants a terminal");
	return 0;
}

char *session_stderr(const struct session *s)
{
	return (char *) (s->process->terminal ? "" : "fd:2");
}

static int fork_standin(struct session *s, struct err *e)
{
	const struct standin form = {
		.id = s->id,
		.exec_id = s->exec_id,
		.tty = s->attends ? -1 : s->slave,
		.owns_session = !s->attends && s->slave >= 0,
		.apart = s->attends,
		.args = s->process->args,
		.n_args = s->process->n_args,
	};

	return standin_fork(&s->dir, &form, &s->standin, e);
}

static int ask_for_process(struct session *s, const char *method, const ProtobufCMessage *request,
			   struct err *e)
{
	const int terminal[] = {s->slave, s->slave, s->slave};
	const int own[] = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};
	char pid[16];
	const struct ttrpc_pair standin = {"kata-standin", pid};
	const struct ttrpc_request q = {
		.service = &containerd__task__v2__task__descriptor,
		.method = method,
		.message = request,
		.deadline = clock_deadline(s->timeout_ms),
		.fds = s->slave >= 0 ? terminal : own,
		.n_fds = ARRAY_LEN(own),
		.metadata = &standin,
		.n_metadata = s->standin.pid > 0,
	};

	(void) snprintf(pid, sizeof pid, "%d", (int) s->standin.pid);
	return shim_client_ask(&s->server, &q, NULL, e);
}

int session_make(struct session *s, const char *method, const ProtobufCMessage *request,
		 struct err *e)
{
	int r = s->console_socket ? terminal_pair(&s->master, &s->slave, e) : 0;

	/* A process that is attended has this command to stand for it, and needs another one only
	 * if a pid is published, because this one is in no room. */
	if (r == 0 && (s->publish || !s->attends))
		r = fork_standin(s, e);
	return r < 0 ? r : ask_for_process(s, method, request, e);
}

int session_send_terminal(struct session *s, struct err *e)
{
	int r = s->console_socket ? terminal_send(s->console_socket, s->master, e) : 0;

	s->master = fd_close(s->master);
	return r;
}

static int start_program(struct session *s, struct err *e)
{
	Containerd__Task__V2__StartRequest q = CONTAINERD__TASK__V2__START_REQUEST__INIT;

	q.id = (char *) s->id;
	q.exec_id = (char *) s->exec_id;

	int r = shim_client_task(&s->server, "Start", &q.base, clock_deadline(s->timeout_ms), NULL,
				 e);

	s->started = r == 0;
	return r;
}

static int settle_standin(struct session *s, pid_t *ret_pid, struct err *e)
{
	int r = standin_settle(&s->standin, ret_pid, e);

	return r == 0 && s->publish ? s->publish(s, *ret_pid, e) : r;
}

int session_hand_over(struct session *s, bool start, struct err *e)
{
	pid_t pid = 0;
	int r = settle_standin(s, &pid, e);

	return r == 0 && start ? start_program(s, e) : r;
}

int session_attend(struct session *s, struct err *e)
{
	auto_terminal struct terminal terminal = TERMINAL_NONE;
	bool tty = s->process->terminal && isatty(STDIN_FILENO);
	pid_t pid = 0;

	s->own = (struct standin){
		.server = &s->server,
		.id = s->id,
		.exec_id = s->exec_id,
		.tty = tty ? STDIN_FILENO : -1,
		.removes = s->removes,
	};

	/* First, so that from then on the server notices the end of this process. */
	int r = standin_begin(&s->own, e);

	/* The published pid is that of another process, because this one is not in a room. */
	if (r == 0 && s->publish)
		r = settle_standin(s, &pid, e);
	if (r == 0 && tty)
		r = terminal_raw(STDIN_FILENO, &terminal, e);
	if (r == 0)
		r = start_program(s, e);
	if (r == 0) {
		standin_resize(&s->own);
		r = standin_finish(&s->own, e);
	}
	standin_end(pid);
	terminal_restore(&terminal);
	/* The sentence of a failure has the cause already. */
	if (r >= 0 && s->own.cause[0])
		cli_tell(s->cli, s->own.cause);
	return r;
}
