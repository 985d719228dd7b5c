#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

int child_arrange_fds(const struct child_fd *fds, size_t n_fds, int *keep_fd, struct err *e)
{
	int highest = *keep_fd;

	/* Move the sources above all targets first, so that no dup2() below closes a source. */
	for (size_t i = 0; i < n_fds; i++)
		if (fds[i].as > highest)
			highest = fds[i].as;

	int moved[64];

	if (n_fds > sizeof moved / sizeof moved[0])
		return err_say(e, E2BIG, "too many descriptors for a child");
	*keep_fd = fcntl(*keep_fd, F_DUPFD_CLOEXEC, highest + 1);
	if (*keep_fd < 0)
		return err_sys(e, errno, "arrange descriptors");
	for (size_t i = 0; i < n_fds; i++) {
		moved[i] = fcntl(fds[i].fd, F_DUPFD_CLOEXEC, highest + 1);
		if (moved[i] < 0)
			return err_sys(e, errno, "arrange descriptors");
	}
	/* Every descriptor that @fds does not name closes at exec. */
	if (syscall(SYS_close_range, 3U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */) < 0)
		return err_sys(e, errno, "close descriptors");
	for (size_t i = 0; i < n_fds; i++)
		if (dup2(moved[i], fds[i].as) < 0)
			return err_sys(e, errno, "arrange descriptors");
	return 0;
}

static int reset_signals(struct err *e)
{
	sigset_t none;

	for (int s = 1; s < _NSIG; s++)
		(void) signal(s, SIG_DFL); /* SIGKILL and SIGSTOP refuse, rightly */
	(void) sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		return err_sys(e, errno, "unblock signals");
	return 0;
}

/* Whether the report pipe has no reader any more; the child has closed its own copy of that end.
 * Not by getppid(), because that is 0 in a pid namespace whose parent is outside. */
static bool parent_is_gone(int report_fd)
{
	struct pollfd p = {.fd = report_fd, .events = 0};

	return poll(&p, 1, 0) > 0 && p.revents & POLLERR;
}

static int become(const struct child_spec *spec, child_exec_fn execute, int *report_fd,
		  struct err *e)
{
	int r = reset_signals(e);

	if (r == 0)
		r = child_arrange_fds(spec->fds, spec->n_fds, report_fd, e);
	if (r < 0)
		return r;
	if (spec->new_session && setsid() < 0)
		return err_sys(e, errno, "start a session");
	if (spec->cwd && chdir(spec->cwd) < 0)
		return err_sys(e, errno, "go to '%s'", spec->cwd);
	if (spec->prepare) {
		r = spec->prepare(spec->prepare_arg, e);
		if (r < 0)
			return r;
	}
	/* After prepare(), because a change of user clears the death signal. */
	if (spec->die_with_parent) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
			return err_sys(e, errno, "ask to die with the parent");
		if (parent_is_gone(*report_fd))
			return err_say(e, ESRCH, "the parent is gone");
	}
	(void) execute(spec->path, (char *const *) spec->argv,
		       spec->envp ? (char *const *) spec->envp : environ);
	return err_sys(e, errno, "run '%s'", spec->path);
}

/* Reads the child's error, if its exec failed. */
static int read_report(int fd, struct err *e)
{
	struct err story;
	int r = fd_read_all(fd, &story, sizeof story);

	if (r == -ENODATA)
		return 0;
	if (r < 0)
		return err_sys(e, -r, "hear from a child");
	if (e)
		*e = story;
	return -story.code;
}

void child_die_with(pid_t parent)
{
	(void) prctl(PR_SET_PDEATHSIG, SIGKILL);

	/* 0: it is outside this process's pid namespace. */
	pid_t now = getppid();

	if (now != parent && now != 0)
		_exit(1);
}

/* Like fork(), which takes no flags. glibc does not know of this clone, so the child must take no
 * lock of glibc: it only makes system calls anyway. */
static pid_t fork_in_pid_namespace(void)
{
	struct clone_args args = {.flags = CLONE_NEWPID, .exit_signal = SIGCHLD};

	return (pid_t) syscall(SYS_clone3, &args, sizeof args);
}

int child_start_by(const struct child_spec *spec, child_exec_fn execute, struct child *ret,
		   struct err *e)
{
	int p[2];
	struct child c = CHILD_NONE;

	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(e, errno, "start '%s'", spec->path);

	auto_close int rd = p[0];
	auto_close int wr = p[1];

	c.pid = spec->new_pid_namespace ? fork_in_pid_namespace() : fork();
	if (c.pid < 0)
		return err_sys(e, errno, "start '%s'", spec->path);
	if (c.pid == 0) {
		struct err story = {0};

		rd = fd_close(rd);
		(void) become(spec, execute, &wr, &story);
		(void) fd_write_all(wr, &story, sizeof story);
		_exit(127);
	}
	wr = fd_close(wr);
	c.pidfd = (int) syscall(SYS_pidfd_open, c.pid, 0);

	int r = c.pidfd < 0 ? err_sys(e, errno, "start '%s'", spec->path) : read_report(rd, e);

	if (r < 0) {
		child_kill(&c);
		return r;
	}
	*ret = c;
	return 0;
}

int child_start(const struct child_spec *spec, struct child *ret, struct err *e)
{
	return child_start_by(spec, execvpe, ret, e);
}

int child_wait(struct child *c, msec_t deadline, int *ret_status, struct err *e)
{
	struct pollfd p = {.fd = c->pidfd, .events = POLLIN};
	int n, status;

	do
		n = poll(&p, 1, clock_poll_ms(deadline));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, errno, "wait for process %d", c->pid);
	if (n == 0)
		return err_say(e, ETIMEDOUT, "process %d does not end", c->pid);
	if (waitpid(c->pid, &status, 0) < 0)
		return err_sys(e, errno, "wait for process %d", c->pid);
	fd_close(c->pidfd);
	*c = CHILD_NONE;
	*ret_status = status;
	return 0;
}

void child_kill(struct child *c)
{
	if (c->pid > 0) {
		(void) kill(c->pid, SIGKILL);
		while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	fd_close(c->pidfd);
	*c = CHILD_NONE;
}

int child_exit_code(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
