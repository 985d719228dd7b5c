#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/container/child/setup.h"
#include "agent/container/container.h"
#include "agent/container/zygote.h"
#include "base/fd.h"

/* The zygote's side. It knows nothing of containers: a child that it makes goes on in main.c. */

struct nursery {
	int sock;      /* to the agent */
	int pid_ns_fd; /* the zygote's own */
};

/* The descriptors of one request. */
struct parcel {
	int fds[FD_PASS_MAX];
	size_t n;
};

static void parcel_close(struct parcel *p)
{
	while (p->n > 0)
		fd_close(p->fds[--p->n]);
}

/* The workload must not inherit the agent's signal settings: the agent ignores SIGPIPE (see
 * boot.c), blocks what it reads by signalfd, and has no handler functions. */
static void reset_signals(void)
{
	sigset_t none;

	(void) signal(SIGPIPE, SIG_DFL);
	(void) sigemptyset(&none);
	(void) sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Leaves only the descriptors of child.h open, as an exec would. */
static int arrange(const struct zygote_request *req, const struct parcel *p, int *control,
		   struct err *e)
{
	struct child_fd fds[CHILD_FD_MAX];

	for (size_t i = 0; i < req->n_fds; i++) {
		fds[i] = (struct child_fd){.fd = p->fds[i], .as = req->as[i]};
		if (req->as[i] == CHILD_CONTROL)
			*control = p->fds[i];
	}

	int r = child_arrange_fds(fds, req->n_fds, control, e);

	for (int fd = CHILD_CONTROL; r == 0 && fd < CHILD_FD_END; fd++) {
		size_t i = 0;

		while (i < req->n_fds && req->as[i] != fd)
			i++;
		if (i == req->n_fds)
			(void) close(fd);
	}
	if (r == 0 && syscall(SYS_close_range, (unsigned) CHILD_FD_END, ~0U, 0U) < 0)
		r = err_sys(e, errno, "close descriptors");
	return r;
}

static _Noreturn void become_child(const struct zygote_request *req, const struct parcel *p)
{
	const char *id = req->text;
	struct err err = {0};
	int control = -1;

	if (arrange(req, p, &control, &err) < 0) {
		(void) handshake_tell(control, STEP_FAILED, 0, -1, &err, NULL);
		_exit(1);
	}
	_exit(container_child_run(req->kind, id, id + strlen(id) + 1, req->number));
}

/* Clones a child of the agent, as the zygote is. Returns the pid, 0 in the child, or -errno. */
static pid_t clone_sibling(const struct zygote_request *req, int cgroup_fd, int *ret_pidfd)
{
	struct clone_args args = {
		.flags = CLONE_PARENT | CLONE_PIDFD | req->new_ns |
			 (cgroup_fd >= 0 ? CLONE_INTO_CGROUP : 0),
		.pidfd = (uint64_t) (uintptr_t) ret_pidfd,
		.cgroup = cgroup_fd >= 0 ? (uint64_t) cgroup_fd : 0,
	};
	pid_t pid = (pid_t) syscall(SYS_clone3, &args, sizeof args);

	return pid < 0 ? -errno : pid;
}

static int make(const struct nursery *n, const struct zygote_request *req, const struct parcel *p,
		pid_t *ret_pid, int *ret_pidfd, struct err *e)
{
	int pid_ns = req->has_pid_ns ? p->fds[req->n_fds] : -1;
	int cgroup_fd = req->has_cgroup ? p->fds[req->n_fds + req->has_pid_ns] : -1;

	if (pid_ns >= 0 && setns(pid_ns, CLONE_NEWPID) < 0)
		return err_sys(e, errno, "join a pid namespace");

	pid_t pid = clone_sibling(req, cgroup_fd, ret_pidfd);

	if (pid == 0)
		become_child(req, p);
	/* End, or later children would be in there, too: the agent starts another zygote. */
	if (pid_ns >= 0 && setns(n->pid_ns_fd, CLONE_NEWPID) < 0)
		_exit(1);
	/* clone3() fails with ENOMEM in a pid namespace whose init has ended. */
	if (pid == -ENOMEM && pid_ns >= 0)
		return err_say(e, ESRCH, "the pid namespace has ended");
	if (pid < 0)
		return err_sys(e, -pid, "make a process");
	*ret_pid = pid;
	return 0;
}

/* Whether the request is complete. The agent is trusted, but a bug in it must not become a write
 * past an array. */
static bool is_sound(const struct zygote_request *req, size_t bytes, const struct parcel *p)
{
	size_t text = bytes - offsetof(struct zygote_request, text);

	if (bytes <= offsetof(struct zygote_request, text) || req->text[text - 1] != '\0' ||
	    strnlen(req->text, text) + 1 >= text)
		return false;
	if (req->kind >= CHILD_KIND_MAX || req->n_fds > CHILD_FD_MAX ||
	    req->n_fds + req->has_pid_ns + req->has_cgroup != p->n)
		return false;
	for (size_t i = 0; i < req->n_fds; i++)
		if (req->as[i] < 0 || req->as[i] >= CHILD_FD_END)
			return false;
	return true;
}

static void answer(const struct nursery *n, const struct zygote_request *req, size_t bytes,
		   const struct parcel *p)
{
	struct err err = {0};
	auto_close int pidfd = -1;
	pid_t pid = 0;
	int r;

	if (is_sound(req, bytes, p))
		r = make(n, req, p, &pid, &pidfd, &err);
	else
		r = err_say(&err, EPROTO, "the zygote was asked for nonsense");
	(void) handshake_tell(n->sock, r < 0 ? STEP_FAILED : STEP_PID_MADE, pid, pidfd,
			      r < 0 ? &err : NULL, NULL);
}

int container_zygote_main(void)
{
	struct nursery n;

	reset_signals();
	/* Moves the socket out of the way of the children's descriptors. */
	n.sock = fcntl(CHILD_CONTROL, F_DUPFD_CLOEXEC, CHILD_FD_END);
	(void) close(CHILD_CONTROL);
	n.pid_ns_fd = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	if (n.sock < 0 || n.pid_ns_fd < 0)
		return 1;
	(void) handshake_tell(n.sock, STEP_READY, 0, -1, NULL, NULL);
	for (;;) {
		struct zygote_request req = {0}; /* nothing is left of the last request */
		struct parcel p = {0};
		ssize_t bytes = fd_recv(n.sock, &req, sizeof req, p.fds, &p.n);

		if (bytes <= 0)
			return bytes < 0;
		answer(&n, &req, (size_t) bytes, &p);
		parcel_close(&p);
	}
}
