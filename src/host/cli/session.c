#include "host/cli/session.h"

#include <errno.h>
#include <unistd.h>

#include "host/cli/terminal.h"
#include "task.pb-c.h"

void session_fini(struct session *s)
{
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

int session_make(struct session *s, const char *method, const ProtobufCMessage *request,
		 struct err *e)
{
	int fds[3] = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};

	if (s->console_socket) {
		int r = terminal_pair(&s->master, &s->slave, e);

		if (r < 0)
			return r;
		fds[0] = fds[1] = fds[2] = s->slave;
	}
	return shim_client_task_fds(&s->server, method, request, clock_deadline(s->timeout_ms), fds,
				    3, e);
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

static int fork_standin(const struct session *s, bool attended, pid_t *ret_pid, struct err *e)
{
	const struct standin form = {
		.id = s->id,
		.exec_id = s->exec_id,
		.tty = attended ? -1 : s->slave,
		.owns_session = !attended && s->slave >= 0,
		.apart = attended,
		.args = s->process->args,
		.n_args = s->process->n_args,
	};
	int r = standin_fork(&s->dir, &form, ret_pid, e);

	return r == 0 && s->publish ? s->publish(s, *ret_pid, e) : r;
}

int session_hand_over(struct session *s, bool start, struct err *e)
{
	pid_t pid = 0;
	int r = fork_standin(s, false, &pid, e);

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
		r = fork_standin(s, true, &pid, e);
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
