#include "agent/container/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"

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

/* The child has made its successor, also a child of the agent, which the worker now stands for. */
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

/* A child that sends an invalid note has failed. */
static void fail(struct worker *w, struct err *e)
{
	struct note note = {.step = STEP_FAILED, .err = *e};
	int no_fd = -1;

	worker_kill(w);
	w->events->heard(w->arg, &note, &no_fd);
}

/* Reads one note at a time, because the callback may call worker_fini(). */
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
		/* If the child was reaped first, only ended() is still due. */
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
	int pair[2];

	*w = WORKER_NONE;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, errno, "make a socket");

	auto_close int ours = pair[0];
	auto_close int theirs = pair[1];

	*w = (struct worker){
		.host = host, .pidfd = -1, .control = -1, .events = events, .arg = arg};

	int r = fd_set_nonblock(ours, true);

	if (r < 0)
		return err_sys(e, -r, "make a socket");
	r = loop_watch(host->loop, ours, EPOLLIN, on_control, w, &w->watch, e);
	if (r < 0)
		return r;
	r = zygote_make(&host->zygote, spec, theirs, &w->pid, &w->pidfd, e);
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

static int write_map(const struct worker *w, const char *file, const char *text, const char *field,
		     struct err *e)
{
	char path[64];

	(void) snprintf(path, sizeof path, "/proc/%d/%s", w->pid, file);
	return err_wrap(e, file_write(AT_FDCWD, path, text, e), "set %s", field);
}

int worker_map_users(struct worker *w, const char *uid_map, const char *gid_map, struct err *e)
{
	int r = write_map(w, "gid_map", gid_map, "linux.gidMappings", e);

	if (r == 0)
		r = write_map(w, "uid_map", uid_map, "linux.uidMappings", e);
	return r < 0 ? r : worker_tell(w, STEP_GO, e);
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
