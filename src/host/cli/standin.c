#include "host/cli/standin.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/array.h"
#include "base/fd.h"
#include "host/cli/terminal.h"
#include "host/room/room.h"
#include "host/room/title.h"
#include "host/storage/view.h"
#include "kata.pb-c.h"
#include "task.pb-c.h"

#define STANDIN "the process that stands in for the container"

#define auto_filter __attribute__((cleanup(confine_filter_fini)))

static void ended(void *arg, struct ttrpc_answer *answer)
{
	struct standin *s = arg;

	s->done = true;
	if (answer->r < 0) {
		s->err = answer->err;
		return;
	}

	const Containerd__Task__V2__WaitResponse *w = (void *) answer->response;

	s->exit_code = (int) w->exit_status;
	(void) snprintf(s->cause, sizeof s->cause, "%s", w->cause);
}

/* Ignores the answer to Kill or ResizePty, because a process that has ended needs neither. */
static void heard(void *arg, struct ttrpc_answer *answer)
{
	(void) arg, (void) answer;
}

static void tell(struct standin *s, const char *method, const ProtobufCMessage *message)
{
	const struct ttrpc_request q = {
		.service = &containerd__task__v2__task__descriptor,
		.method = method,
		.message = message,
		.deadline = clock_deadline(SERVER_TIMEOUT_MS),
	};

	(void) ttrpc_call(s->server->client, &q, heard, s, NULL, NULL);
}

static void on_signal(void *arg, const struct signalfd_siginfo *info)
{
	struct standin *s = arg;
	Containerd__Task__V2__KillRequest q = CONTAINERD__TASK__V2__KILL_REQUEST__INIT;

	/* SIGPIPE of this process's own write is not for the container. */
	if (info->ssi_code <= 0 && info->ssi_pid == (uint32_t) getpid())
		return;
	q.id = (char *) s->id;
	q.exec_id = (char *) s->exec_id;
	q.signal = info->ssi_signo;
	tell(s, "Kill", &q.base);
}

void standin_resize(struct standin *s)
{
	Containerd__Task__V2__ResizePtyRequest q = CONTAINERD__TASK__V2__RESIZE_PTY_REQUEST__INIT;

	if (s->tty < 0)
		return;
	q.id = (char *) s->id;
	q.exec_id = (char *) s->exec_id;
	terminal_size(s->tty, &q.height, &q.width);
	if (q.height > 0 && q.width > 0)
		tell(s, "ResizePty", &q.base);
}

static void on_resize(void *arg, const struct signalfd_siginfo *info)
{
	(void) info;
	standin_resize(arg);
}

static int watch_signals(struct standin *s, struct err *e)
{
	int r = 0;

	for (int signo = 1; r == 0 && signo <= SIGRTMAX; signo++)
		if (room_passes_signal(signo, s->tty >= 0))
			r = loop_signal(s->server->loop, signo, on_signal, s, e);
	if (r == 0 && s->tty >= 0)
		r = loop_signal(s->server->loop, SIGWINCH, on_resize, s, e);
	return r;
}

int standin_begin(struct standin *s, struct err *e)
{
	const struct ttrpc_pair metadata[] = {
		{"kata-owner", s->removes ? "run" : "1"},
		{"kata-pid", s->host_pid},
	};
	Containerd__Task__V2__WaitRequest q = CONTAINERD__TASK__V2__WAIT_REQUEST__INIT;
	const struct ttrpc_request request = {
		.service = &containerd__task__v2__task__descriptor,
		.method = "Wait",
		.message = &q.base,
		.deadline = CLOCK_NEVER,
		.metadata = metadata,
		.n_metadata = s->host_pid[0] ? 2 : 1,
	};
	int r = watch_signals(s, e);

	if (r < 0)
		return r;
	q.id = (char *) s->id;
	q.exec_id = (char *) s->exec_id;
	return ttrpc_call(s->server->client, &request, ended, s, NULL, e);
}

int standin_finish(struct standin *s, struct err *e)
{
	while (!s->done) {
		int r = loop_step(s->server->loop, CLOCK_NEVER, e);

		if (r < 0)
			return r;
	}
	if (s->err.code == 0)
		return s->exit_code;
	if (s->err.code == ECONNRESET)
		return err_say(
			e, ECONNRESET,
			"the sandbox server of container '%s' died, and with it the container",
			s->id);
	if (e)
		*e = s->err;
	return -s->err.code;
}

static int choose_session(const struct standin *s, struct err *e)
{
	if ((s->owns_session || s->apart) && setsid() < 0)
		return err_sys(e, errno, "lead a session");
	if (s->owns_session && ioctl(s->tty, TIOCSCTTY, 0) < 0)
		return err_sys(e, errno, "lead the session of the terminal");
	return 0;
}

/* A container without a user namespace has one less. */
static bool is_view(size_t n)
{
	return n == VIEW_NAMESPACES || n == VIEW_USER;
}

/* The descriptors come over a separate socket, because a ttRPC answer cannot carry any. */
static int ask_for_room(struct shim_client *server, const char *id, struct view *ret, struct err *e)
{
	Kata__V1__RoomRequest q = KATA__V1__ROOM_REQUEST__INIT;
	int p[2], fds[FD_PASS_MAX];
	size_t n_fds = 0;
	char byte;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, p) < 0)
		return err_sys(e, errno, "make a socket");

	auto_close int ours = p[0];
	auto_close int theirs = p[1];
	const struct ttrpc_request request = {
		.service = &kata__v1__admin__descriptor,
		.method = "Room",
		.message = &q.base,
		.deadline = clock_deadline(SERVER_TIMEOUT_MS),
		.fds = &theirs,
		.n_fds = 1,
	};

	q.id = (char *) id;

	int r = shim_client_ask(server, &request, NULL, e);

	if (r < 0)
		return r;
	theirs = fd_close(theirs);

	ssize_t n = fd_recv(ours, &byte, 1, fds, &n_fds);

	for (size_t i = 0; n == 1 && is_view(n_fds) && i < n_fds; i++)
		ret->fds[i] = fds[i];
	for (size_t i = 0; ret->fds[0] < 0 && i < n_fds; i++)
		(void) fd_close(fds[i]);
	return ret->fds[0] < 0 ? err_sys(e, n < 0 ? (int) -n : EPROTO, "receive namespaces") : 0;
}

static int enter_room(struct shim_client *server, const char *id, struct err *e)
{
	struct view view = VIEW_NONE;
	int r = ask_for_room(server, id, &view, e);

	if (r == 0)
		r = room_enter(&view, e);
	view_close(&view);
	return r;
}

/* What the forked child needs to become a stand-in. */
struct becoming {
	struct state_dir dir; /* its folder is closed on the way */
	const struct confine_filter *filter;
	int line;
};

/* The CLI is gone, or has given up, if no byte comes. */
static int await_go(int line, struct err *e)
{
	char go;
	int r = fd_read_all(line, &go, sizeof go);

	return r < 0 ? err_sys(e, r == -ENODATA ? ECANCELED : -r, "wait for the container") : 0;
}

/* Turns the forked child into a stand-in that waits in its room. */
static int settle(struct standin *s, struct becoming *b, struct err *e)
{
	struct state_dir *dir = &b->dir;
	const int keep[] = {dir->fd, b->line, s->tty};
	struct title title;
	int r = room_let_go(keep, ARRAY_LEN(keep), e);

	(void) prctl(PR_SET_NAME, "kata-container");
	/* This process is init of its pid namespace: let the kernel reap orphans there. */
	(void) signal(SIGCHLD, SIG_IGN);
	if (r == 0)
		r = choose_session(s, e);
	if (r == 0)
		r = shim_client_connect(dir, s->server, e);
	if (r < 0)
		return r;
	dir->fd = fd_close(dir->fd);
	/* The pid as the host's /proc has it, because getpid() is 1 here. If it cannot be read,
	 * `ps` does not list this process. */
	if (readlink("/proc/self", s->host_pid, sizeof s->host_pid - 1) < 0)
		s->host_pid[0] = '\0';
	title_make(s->args, s->n_args, &title);
	title_show(&title);
	title_fini(&title);
	r = await_go(b->line, e);
	if (r == 0)
		r = enter_room(s->server, s->id, e);
	if (r == 0)
		r = standin_begin(s, e);
	(void) malloc_trim(0);
	return r < 0 ? r : room_lock(b->filter, e);
}

/* The main function of the forked process. Reports its start on @b's line: a struct err, with code
 * 0 for success. */
static _Noreturn void stand_in(const struct standin *form, struct becoming *b)
{
	struct shim_client server = SHIM_CLIENT_NONE;
	struct standin s = *form;
	struct err e = {0};

	s.server = &server;
	/* A copy, because title_show() overwrites the CLI's arguments. */
	s.id = strdup(form->id);
	b->dir.id = (char *) s.id;

	int r = s.id ? settle(&s, b, &e) : err_sys(&e, ENOMEM, "stand in for the container");

	/* Nobody would publish it if the CLI is gone. */
	if (fd_write_all(b->line, &e, sizeof e) < 0 || r < 0)
		_exit(1);
	fd_close(b->line);
	standin_resize(&s);
	r = standin_finish(&s, NULL);
	_exit(r < 0 ? 128 + SIGKILL : r);
}

int standin_fork(const struct state_dir *dir, const struct standin *s, struct standin_child *ret,
		 struct err *e)
{
	auto_filter struct confine_filter filter = {0};
	int p[2];
	int r = room_filter(&filter, e);

	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p) < 0)
		return err_sys(e, errno, "make " STANDIN);

	auto_close int ours = p[0];
	auto_close int theirs = p[1];
	struct becoming b = {.dir = *dir, .filter = &filter, .line = theirs};
	pid_t pid = room_clone(NULL);

	if (pid < 0)
		return err_sys(e, errno, "make " STANDIN);
	if (pid == 0)
		stand_in(s, &b);
	*ret = (struct standin_child){.pid = pid, .line = take_fd(&ours)};
	return 0;
}

static void close_child(struct standin_child *c)
{
	fd_close(c->line);
	*c = STANDIN_CHILD_NONE;
}

int standin_settle(struct standin_child *c, pid_t *ret_pid, struct err *e)
{
	struct err story;

	/* If it has failed, its report tells why. */
	(void) send(c->line, "", 1, MSG_NOSIGNAL);

	int r = fd_read_all(c->line, &story, sizeof story);

	if (r == -ENODATA || r == -ECONNRESET)
		r = -ECHILD; /* it was killed */
	if (r < 0)
		r = err_sys(e, -r, "hear from " STANDIN);
	else if (story.code && e)
		*e = story;
	if (r == 0 && story.code)
		r = -story.code;
	if (r == 0)
		*ret_pid = c->pid;
	else
		standin_end(c->pid);
	close_child(c);
	return r;
}

void standin_child_end(struct standin_child *c)
{
	standin_end(c->pid);
	close_child(c);
}

void standin_end(pid_t pid)
{
	if (pid <= 0)
		return;
	(void) kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}
