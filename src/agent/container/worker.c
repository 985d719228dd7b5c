#include "agent/container/worker.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/container/container.h"
#include "base/array.h"
#include "base/fd.h"

static const char *const kind_names[] = {
	[CHILD_INIT] = "init",
	[CHILD_EXEC] = "exec",
	[CHILD_EXEC_USERNS] = "exec-userns",
	[CHILD_CREATE_HOOKS] = "create-hooks",
	[CHILD_POSTSTART_HOOKS] = "poststart-hooks",
	[CHILD_POSTSTOP_HOOKS] = "poststop-hooks",
};
TABLE_COVERS(kind_names, CHILD_KIND_MAX);

const char *child_kind_name(enum child_kind kind)
{
	return kind_names[kind];
}

enum child_kind child_kind_from_name(const char *name)
{
	enum child_kind kind = 0;

	while (kind < CHILD_KIND_MAX && strcmp(kind_names[kind], name) != 0)
		kind++;
	return kind;
}

void worker_spec_add_fd(struct worker_spec *spec, int fd, int as)
{
	assert(spec->n_fds < CHILD_FD_MAX);
	if (fd >= 0)
		spec->fds[spec->n_fds++] = (struct child_fd){.fd = fd, .as = as};
}

/* The clone: the same memory as the agent, so it only moves descriptors and executes. */
static _Noreturn void become_child(const struct container_host *host,
				   const struct worker_spec *spec, int control)
{
	char number[16];
	const char *argv[] = {"kata-agent", CONTAINER_CHILD_ARG, kind_names[spec->kind],
			      spec->id,     spec->bundle,        number,
			      NULL};
	char *const no_env[] = {NULL};
	int exe = host->exe_fd;
	struct err err = {0};

	(void) snprintf(number, sizeof number, "%u", spec->number);
	if (child_arrange_fds(spec->fds, spec->n_fds, &exe, &err) == 0) {
		control = CHILD_CONTROL;
		(void) syscall(SYS_execveat, exe, "", argv, no_env, AT_EMPTY_PATH);
		(void) err_sys(&err, errno, "execute the agent again");
	}
	(void) handshake_tell(control, STEP_FAILED, 0, -1, &err, NULL);
	_exit(1);
}

static pid_t clone_child(const struct worker_spec *spec, int *ret_pidfd)
{
	struct clone_args args = {
		.flags = CLONE_PIDFD | (spec->new_pid_ns ? CLONE_NEWPID : 0) |
			 (spec->cgroup_fd >= 0 ? CLONE_INTO_CGROUP : 0),
		.pidfd = (uint64_t) (uintptr_t) ret_pidfd,
		.exit_signal = SIGCHLD,
		.cgroup = spec->cgroup_fd >= 0 ? (uint64_t) spec->cgroup_fd : 0,
	};

	return (pid_t) syscall(SYS_clone3, &args, sizeof args);
}

/* Clones, in another pid namespace if so asked. What the agent makes later is in its own again. */
static int make_process(struct container_host *host, const struct worker_spec *spec, int control,
			pid_t *ret_pid, int *ret_pidfd, struct err *e)
{
	if (spec->pid_ns >= 0 && setns(spec->pid_ns, CLONE_NEWPID) < 0)
		return err_sys(e, errno, "join a pid namespace");

	pid_t pid = clone_child(spec, ret_pidfd);
	int saved = errno;

	if (pid == 0)
		become_child(host, spec, control);
	if (spec->pid_ns >= 0 && setns(host->pid_ns_fd, CLONE_NEWPID) < 0) {
		int r = err_sys(e, errno, "leave a pid namespace");

		if (pid > 0)
			(void) kill(pid, SIGKILL);
		return r;
	}
	/* What clone says in a pid namespace whose init has ended. */
	if (pid < 0 && saved == ENOMEM && spec->pid_ns >= 0)
		return err_say(e, ESRCH, "the pid namespace has ended");
	if (pid < 0)
		return err_sys(e, saved, "make a process");
	*ret_pid = pid;
	return 0;
}

static void worker_maybe_ended(struct worker *w)
{
	if (w->reaped && w->control < 0)
		w->events->ended(w->arg, w->status);
}

static void on_reaped(void *arg, pid_t pid, int status)
{
	struct worker *w = arg;

	(void) pid;
	w->pid = 0;
	w->reaped = true;
	w->status = status;
	worker_maybe_ended(w);
}

static void hang_up(struct worker *w)
{
	loop_unwatch(w->watch);
	w->watch = NULL;
	w->control = fd_close(w->control);
}

/* The child has made its successor, which is a child of the agent, too. */
static int follow(struct worker *w, const struct note *note, int *pidfd, struct err *e)
{
	if (*pidfd < 0 || note->pid <= 1)
		return err_say(e, EPROTO, "heard of a process that cannot be");

	int r = reaper_expect(w->host->reaper, note->pid, on_reaped, w, e);

	if (r < 0)
		return r;
	reaper_forget(w->host->reaper, w->pid);
	fd_close(w->pidfd);
	w->pid = note->pid;
	w->pidfd = take_fd(pidfd);
	return worker_tell(w, STEP_GO, e);
}

/* A child that talks nonsense has failed. */
static void fail(struct worker *w, struct err *e)
{
	struct note note = {.step = STEP_FAILED, .err = *e};
	int no_fd = -1;

	worker_kill(w);
	w->events->heard(w->arg, &note, &no_fd);
}

/* One note at a time: what is told may end this worker. */
static void on_control(void *arg, uint32_t events)
{
	struct worker *w = arg;
	struct note note;
	struct err err = {0};
	auto_close int fd = -1;
	int r = handshake_hear(w->control, &note, &fd, &err);

	(void) events;
	if (r == -EAGAIN)
		return;
	if (r == 0) {
		hang_up(w);
		/* Exactly one of these is last. */
		if (w->reaped)
			worker_maybe_ended(w);
		else
			w->events->closed(w->arg);
		return;
	}
	if (r > 0 && note.step == STEP_PID_MADE)
		r = follow(w, &note, &fd, &err);
	else if (r > 0)
		w->events->heard(w->arg, &note, &fd);
	if (r < 0)
		fail(w, &err);
}

int worker_start(struct worker *w, struct container_host *host, const struct worker_spec *spec,
		 const struct worker_events *events, void *arg, struct err *e)
{
	struct worker_spec full = *spec;
	int pair[2];

	*w = WORKER_NONE;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, errno, "make a socket");

	auto_close int ours = pair[0];
	auto_close int theirs = pair[1];

	for (int i = 0; i < 3; i++) {
		size_t n = 0;

		while (n < full.n_fds && full.fds[n].as != i)
			n++;
		if (n == full.n_fds)
			worker_spec_add_fd(&full, host->null_fd, i);
	}
	worker_spec_add_fd(&full, theirs, CHILD_CONTROL);
	*w = (struct worker){
		.host = host, .pidfd = -1, .control = -1, .events = events, .arg = arg};

	int r = fd_set_nonblock(ours, true);

	if (r < 0)
		return err_sys(e, -r, "make a socket");
	r = loop_watch(host->loop, ours, EPOLLIN, on_control, w, &w->watch, e);
	if (r < 0)
		return r;
	r = make_process(host, &full, theirs, &w->pid, &w->pidfd, e);
	w->control = take_fd(&ours);
	if (r == 0)
		r = reaper_expect(host->reaper, w->pid, on_reaped, w, e);
	if (r < 0)
		worker_fini(w);
	return r;
}

int worker_tell(struct worker *w, enum step step, struct err *e)
{
	return handshake_tell(w->control, step, 0, -1, NULL, e);
}

void worker_kill(struct worker *w)
{
	if (w->pidfd >= 0 && w->pid > 0)
		(void) syscall(SYS_pidfd_send_signal, w->pidfd, SIGKILL, NULL, 0);
}

void worker_fini(struct worker *w)
{
	if (!w->host)
		return;
	worker_kill(w);
	if (w->pid > 0)
		reaper_forget(w->host->reaper, w->pid);
	hang_up(w);
	w->pidfd = fd_close(w->pidfd);
	*w = WORKER_NONE;
}
