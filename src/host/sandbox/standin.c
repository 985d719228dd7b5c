#include "host/sandbox/standin.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/array.h"
#include "base/fd.h"
#include "base/proc_stat.h"

/* How long its way into the room may take: it mounts and opens nothing but its own. */
#define BEGIN_TIMEOUT_MS 30000

/* ---- The process itself. It was cloned from one with threads: system calls only. ---- */

/* Blocks the signals that are passed on and opens them as a descriptor. */
static int catch_signals(int *ret_fd, struct err *e)
{
	sigset_t set;

	(void) sigemptyset(&set);
	for (int signo = 1; signo <= SIGRTMAX; signo++)
		if (room_passes_signal(signo, false))
			(void) sigaddset(&set, signo);
	if (sigprocmask(SIG_SETMASK, &set, NULL) < 0)
		return err_sys(e, errno, "block signals");
	*ret_fd = signalfd(-1, &set, SFD_CLOEXEC);
	return *ret_fd < 0 ? err_sys(e, errno, "open signals") : 0;
}

/* Passes signals on until the server is gone, or has closed the line. */
static _Noreturn void pass_signals_on(int line, int signals)
{
	for (;;) {
		struct pollfd fds[] = {{.fd = line, .events = POLLIN},
				       {.fd = signals, .events = POLLIN}};
		struct signalfd_siginfo info;

		if (poll(fds, ARRAY_LEN(fds), -1) < 0 && errno != EINTR)
			_exit(128 + SIGKILL);
		if (fds[0].revents)
			_exit(0);
		if (!(fds[1].revents & POLLIN) || read(signals, &info, sizeof info) != sizeof info)
			continue;

		uint8_t signo = (uint8_t) info.ssi_signo;

		/* SIGPIPE of this process's own write is not for the container. */
		if (info.ssi_code > 0 || info.ssi_pid != (uint32_t) getpid())
			(void) !write(line, &signo, sizeof signo);
	}
}

/* Gives back the copy of the server's heap, because nothing of it is used any more, and each page
 * that the server changes later would exist twice. */
static void drop_heap(uint64_t begin)
{
	uint64_t page = (uint64_t) sysconf(_SC_PAGESIZE);
	uint64_t from = (begin + page - 1) & ~(page - 1);
	uint64_t end = (uint64_t) (uintptr_t) sbrk(0);

	if (begin && from < end)
		(void) madvise((void *) (uintptr_t) from, end - from, MADV_DONTNEED);
}

/* Reports on @line: a struct err, with code 0 for success. */
static _Noreturn void stand_in(const struct guest_standin_form *form, int line)
{
	struct view view = *form->view;
	const int keep[] = {line,
			    view.fds[VIEW_NET],
			    view.fds[VIEW_IPC],
			    view.fds[VIEW_UTS],
			    view.fds[VIEW_MNT],
			    view.fds[VIEW_USER]};
	struct err e = {0};
	int signals = -1;

	(void) prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void) prctl(PR_SET_NAME, "kata-container");
	/* This process is init of its pid namespace: let the kernel reap orphans there. */
	(void) signal(SIGCHLD, SIG_IGN);
	(void) setsid();
	title_show(&form->title);

	int r = room_let_go(keep, ARRAY_LEN(keep), &e);

	if (r == 0)
		r = catch_signals(&signals, &e);
	if (r == 0)
		r = room_enter(&view, &e);
	view_close(&view);
	/* Again, because a change of the user clears it. If the server has gone between the two,
	 * the line tells. */
	(void) prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (r == 0)
		r = room_lock(&form->filter, &e);
	drop_heap(form->heap);
	(void) !write(line, &e, sizeof e);
	if (r < 0)
		_exit(1);
	pass_signals_on(line, signals);
}

/* ---- The server's side ---- */

int guest_standin_form_make(struct guest_standin_form *form, const struct view *view,
			    char *const *args, size_t n, struct err *e)
{
	*form = (struct guest_standin_form){.view = view};
	title_make(args, n, &form->title);
	(void) proc_stat_read(PROC_SELF, PROC_STAT_START_BRK, &form->heap, 1);
	return room_filter(&form->filter, e);
}

void guest_standin_form_fini(struct guest_standin_form *form)
{
	confine_filter_fini(&form->filter);
	title_fini(&form->title);
}

static int open_pid_namespace(pid_t pid, struct err *e)
{
	char path[64];
	int fd;

	(void) snprintf(path, sizeof path, "/proc/%d/ns/pid", (int) pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, errno, "open '%s'", path) : fd;
}

int guest_standin_begin(struct guest_standin *s, const struct guest_standin_form *form,
			struct err *e)
{
	int p[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, p) < 0)
		return err_sys(e, errno, "make a socket");

	auto_close int ours = p[0];
	auto_close int theirs = p[1];
	int pidfd = -1;
	pid_t pid = room_clone(&pidfd);

	if (pid < 0)
		return err_sys(e, errno, "make the process that stands in for the container");
	if (pid == 0)
		stand_in(form, theirs);
	s->pid = pid;
	s->pidfd = pidfd;
	s->line = take_fd(&ours);
	s->ending = false;
	/* It cannot have been reaped, so the pid is its own. */
	s->pid_ns = open_pid_namespace(pid, e);
	return s->pid_ns < 0 ? s->pid_ns : 0;
}

int guest_standin_await(struct guest_standin *s, struct err *e)
{
	struct pollfd p = {.fd = s->line, .events = POLLIN};
	struct err story;
	int n;

	do
		n = poll(&p, 1, BEGIN_TIMEOUT_MS);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return err_sys(e, n < 0 ? errno : ETIMEDOUT,
			       "hear from the process that stands in for the container");

	ssize_t bytes = read(s->line, &story, sizeof story);

	if (bytes != sizeof story)
		return err_sys(e, bytes < 0 ? errno : ECHILD,
			       "hear from the process that stands in for the container");
	if (story.code && e)
		*e = story;
	return -story.code;
}

static void forget(struct guest_standin *s)
{
	loop_unwatch(take_ptr(s->line_watch));
	loop_unwatch(take_ptr(s->end_watch));
	s->line = fd_close(s->line);
	s->pid_ns = fd_close(s->pid_ns);
}

static void reap(struct guest_standin *s)
{
	while (s->pidfd >= 0 && waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
		;
	s->pidfd = fd_close(s->pidfd);
}

static void on_line(void *arg, uint32_t events)
{
	struct guest_standin *s = arg;
	uint8_t signo = 0;

	(void) events;
	if (recv(s->line, &signo, sizeof signo, MSG_DONTWAIT) == sizeof signo) {
		if (room_passes_signal(signo, false))
			s->signalled(s->arg, signo);
	} else if (errno != EAGAIN && errno != EINTR) {
		/* Its end comes by the other watch. */
		loop_unwatch(take_ptr(s->line_watch));
	}
}

static void on_end(void *arg, uint32_t events)
{
	struct guest_standin *s = arg;

	(void) events;
	forget(s);
	reap(s);
	s->signalled(s->arg, SIGKILL);
}

int guest_standin_watch(struct guest_standin *s, struct loop *loop,
			void (*signalled)(void *arg, uint32_t signo), void *arg, struct err *e)
{
	s->signalled = signalled;
	s->arg = arg;

	int r = loop_watch(loop, s->line, EPOLLIN, on_line, s, &s->line_watch, e);

	return r < 0 ? r : loop_watch(loop, s->pidfd, EPOLLIN, on_end, s, &s->end_watch, e);
}

int guest_standin_is(struct guest_standin *s, pid_t pid, struct err *e)
{
	if (s->pid_ns >= 0 || pid == 0)
		return 0;
	s->pid_ns = open_pid_namespace(pid, e);
	return s->pid_ns < 0 ? s->pid_ns : 0;
}

void guest_standin_end(struct guest_standin *s)
{
	if (s->pid == 0)
		s->pid_ns = fd_close(s->pid_ns);
	if (s->pidfd < 0 || s->ending)
		return;
	s->ending = true;
	(void) syscall(SYS_pidfd_send_signal, s->pidfd, SIGKILL, NULL, 0);
	forget(s);
}

void guest_standin_await_end(struct guest_standin *s)
{
	reap(s);
}
